//! `iotedge diagnostics`: what `iotedge check` runs inside of a container to see what modules see. Not shown to
//! people; it prints one line, or fails and says why.

mod container;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use skerry_edge_daemon::cloud::{ProxySettings, trusted_roots};
use skerry_model::Clock as _;

use super::check::{Target, handshake};
use crate::failure::Failure;
use crate::output;
use crate::world::MachineClock;

pub use container::run_in_container;

#[derive(Subcommand)]
pub enum DiagnosticsCommand {
    /// Seconds since 1970.
    LocalTime,
    /// A name's addresses.
    Resolve {
        #[arg(long)]
        host: String,
    },
    /// A connection with TLS.
    Connect {
        #[arg(long)]
        host: String,
        /// One after the other.
        #[arg(long, required = true)]
        port: Vec<u16>,
        /// Instead of what the name resolves to.
        #[arg(long)]
        address: Option<IpAddr>,
        #[arg(long)]
        proxy: Option<String>,
        /// Files with roots besides the system's.
        #[arg(long)]
        trust: Vec<PathBuf>,
        /// The same, as PEM, which begins with hyphens.
        #[arg(long, allow_hyphen_values = true)]
        trust_pem: Option<String>,
    },
}

pub async fn run(command: DiagnosticsCommand) -> Result<(), Failure> {
    match command {
        DiagnosticsCommand::LocalTime => output::line(&MachineClock.now().unix_seconds().to_string()),
        DiagnosticsCommand::Resolve { host } => {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await.map_err(Failure::unreachable)?;
            let found: Vec<String> = found.map(|address| address.ip().to_string()).collect();
            output::line(&found.join(" "))
        }
        DiagnosticsCommand::Connect { host, port: ports, address, proxy, trust, trust_pem } => {
            let settings = ProxySettings::new(proxy.as_deref(), None).map_err(Failure::usage)?;
            let (proxy, tls) = (settings.of(&host).cloned(), tls(&trust, trust_pem.as_deref())?);
            for port in ports {
                let (host, proxy, tls) = (host.clone(), proxy.clone(), Arc::clone(&tls));
                let target = Target { host, address, port, proxy, tls };
                let failed = |reason| Failure::unreachable(format!("port {port}: {reason}"));
                handshake(&target).await.map_err(failed)?;
            }
            output::line("connected")
        }
    }
}

fn tls(trust: &[PathBuf], pem: Option<&str>) -> Result<Arc<ClientConfig>, Failure> {
    let files: Vec<_> = trust.iter().map(PathBuf::as_path).collect();
    let mut roots = trusted_roots(&files).map_err(Failure::failed)?;
    for certificate in CertificateDer::pem_slice_iter(pem.unwrap_or_default().as_bytes()) {
        let certificate = certificate.map_err(|_| Failure::usage("--trust-pem is no PEM"))?;
        roots.add(certificate).map_err(Failure::usage)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Failure::failed)?
        .with_root_certificates(roots);
    Ok(Arc::new(config.with_no_client_auth()))
}
