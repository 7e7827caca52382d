//! `iotedge config`: the operator's file, written and applied.

use std::path::PathBuf;

use clap::Subcommand;
use skerry_edge_daemon::config::{Snapshot, apply, write_minimal};
use skerry_runtime::{DockerOptions, DockerRuntime, Runtime as _};

use super::Place;
use super::socket::Local;
use crate::failure::Failure;
use crate::output;

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration, and make it the one that the daemon runs with.
    Apply {
        /// The file [default: /etc/aziot/config.toml].
        #[arg(short = 'c', long = "config-file", value_name = "FILE")]
        config: Option<PathBuf>,
        /// Refuse what would only be warned of, such as keys that nobody knows.
        #[arg(long)]
        strict: bool,
    },
    /// Write the configuration for a device's connection string.
    Mp {
        /// As the hub gives it: HostName=…;DeviceId=…;SharedAccessKey=…
        #[arg(short = 'c', long, value_name = "CONNECTION_STRING")]
        connection_string: String,
        /// Where to [default: /etc/aziot/config.toml].
        #[arg(short = 'o', long = "out-config-file", value_name = "FILE")]
        out: Option<PathBuf>,
        /// Replace the file that is there.
        #[arg(short, long)]
        force: bool,
    },
    /// Not supported: says what to do instead.
    Import {
        #[arg(short = 'c', long = "config-file", value_name = "FILE")]
        config: Option<PathBuf>,
        #[arg(short = 'o', long = "out-config-file", value_name = "FILE")]
        out: Option<PathBuf>,
        #[arg(short, long)]
        force: bool,
    },
}

pub async fn run(command: ConfigCommand, place: &Place) -> Result<(), Failure> {
    match command {
        ConfigCommand::Apply { config, strict } => apply_file(config, strict, place).await,
        ConfigCommand::Mp { connection_string, out, force } => {
            let path = place.directories(out).config;
            let folder = path.parent().unwrap_or(std::path::Path::new("/"));
            std::fs::create_dir_all(folder)
                .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
            write_minimal(&path, &connection_string, force).map_err(Failure::failed)?;
            output::line(&format!("The configuration is written to {}.", path.display()))?;
            output::line("")?;
            output::line("To apply it:")?;
            output::line("")?;
            output::line(&format!("    sudo iotedge config apply -c '{}'", path.display()))?;
            output::line("")?;
            output::line(
                "WARNING: it has no certificates of your own, so it does not suit a gateway for other devices.",
            )
        }
        ConfigCommand::Import { config, .. } => {
            let path = config.unwrap_or_else(|| PathBuf::from("/etc/iotedge/config.yaml"));
            Err(Failure::failed(format!(
                "{} cannot be imported: files of the versions 1.0 and 1.1 are not read. Give the device's \
                 connection string to `iotedge config mp`, or write config.toml by hand (docs/edge.md)",
                path.display()
            )))
        }
    }
}

async fn apply_file(config: Option<PathBuf>, strict: bool, place: &Place) -> Result<(), Failure> {
    let directories = place.directories(config);
    let (source, state) = (directories.config.clone(), directories.applied());
    std::fs::create_dir_all(&state)
        .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", state.display())))?;
    let has_modules = has_modules(&state).await;
    let applied = apply(&source, &state, strict, has_modules).map_err(Failure::failed)?;
    for warning in &applied.warnings {
        eprintln!("{}:{warning}", source.display());
    }
    output::line(&format!("{} is applied.", source.display()))?;
    match tell(&place.management()?).await {
        Ok(()) => output::line("The daemon begins anew with it; modules run on."),
        Err(Failure::Unreachable(_)) => output::line("The daemon does not run: `iotedge system restart`."),
        Err(failure) => Err(Failure::failed(format!("the daemon was not told: {failure}"))),
    }
}

async fn tell(management: &Local) -> Result<(), Failure> {
    management.post("/skerry/v1/reload").await
}

/// Containers of modules know this device by its name. An engine that does not answer runs none.
async fn has_modules(state: &std::path::Path) -> bool {
    let Ok(Some(snapshot)) = Snapshot::load(state) else { return false };
    let engine = DockerRuntime::new(DockerOptions::new(&snapshot.config.moby_runtime.socket));
    engine.list().await.is_ok_and(|modules| !modules.is_empty())
}
