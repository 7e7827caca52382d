//! The agent's way to the hub: where it is now, and a ticket that the daemon's keys have signed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use skerry_edge_agent::link::{Way, WayError, WayIn};
use skerry_edge_daemon::Handle;
use skerry_edge_daemon::cloud::trusted_roots;
use skerry_edge_daemon::config::{Config, Provisioning};
use skerry_model::{Clock, Random};
use skerry_runtime::Answer;
use skerry_tokens::{Claim, Draft, resource};
use skerry_uplink::{Identity, Place, Proof, Tunnel};

use super::ports::agent_id;
use crate::failure::Failure;

/// A connection ends with its ticket; the next one begins at once.
const WEBSOCKET_PATH: &str = "/$iothub/websocket";
const TICKET_LIFE: Duration = Duration::from_secs(24 * 3600);
const KEEP_ALIVE_S: u16 = 240;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// The hub is told the agent's keys at the first try, and again after so many: it may have been set back.
const TRIES_PER_REGISTRATION: usize = 5;

pub struct HubWay {
    daemon: Handle,
    tls: Arc<ClientConfig>,
    /// The hub's own name, or the parent's.
    name: ServerName<'static>,
    host: String,
    address: Option<std::net::IpAddr>,
    port: u16,
    is_websocket: bool,
    tries: AtomicUsize,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl HubWay {
    pub fn new(
        daemon: Handle,
        config: &Config,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, Failure> {
        let gateway = daemon.device().gateway.clone();
        let is_websocket = upstream_protocol(config).is_some_and(|protocol| is_websocket(&protocol));
        let usual = if is_websocket { config.own.hub_https_port } else { config.own.hub_mqtt_port };
        Ok(Self {
            tls: client_config(config)?,
            name: ServerName::try_from(gateway.name().to_owned()).map_err(Failure::failed)?,
            host: gateway.name().to_owned(),
            address: config.own.hub_address,
            port: usual,
            is_websocket,
            tries: AtomicUsize::new(0),
            daemon,
            clock,
            random,
        })
    }

    async fn find(&self, tries: usize) -> Result<SocketAddr, WayError> {
        if let Some(address) = self.address {
            return Ok(SocketAddr::new(address, self.port));
        }
        let unknown = |reason: String| WayError { reason: format!("{}: {reason}", self.host) };
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found: Vec<SocketAddr> = found.map_err(|error| unknown(error.to_string()))?.collect();
        // A name may have an address that does not answer; the next try takes the next.
        let chosen = found.get(tries % found.len().max(1)).copied();
        chosen.ok_or_else(|| unknown("the name has no address".to_owned()))
    }

    /// Signed where the key is.
    async fn ticket(&self) -> Result<Bytes, WayError> {
        let (agent, device) = (agent_id(), self.daemon.device());
        let claim = Claim::Module(device.id.as_str(), agent.as_str());
        let draft = Draft::new(&resource(device.hub.name(), claim), self.clock.now().plus(TICKET_LIFE));
        let signature = self.daemon.identities().sign(&agent, draft.text().into_bytes()).await;
        let signature = signature.map_err(|error| WayError { reason: error.to_string() })?;
        let token = draft.signed(&signature).expect("the daemon signs by HMAC-SHA256");
        Ok(Bytes::from(token.reveal()))
    }
}

impl WayIn for HubWay {
    fn way(&self) -> Answer<'_, Way, WayError> {
        Box::pin(async {
            let tries = self.tries.fetch_add(1, Ordering::Relaxed);
            let agent = agent_id();
            if tries.is_multiple_of(TRIES_PER_REGISTRATION) {
                let known = self.daemon.identities().update(&agent).await;
                known.map_err(|error| WayError { reason: error.to_string() })?;
            }
            let address = self.find(tries).await?;
            let device = self.daemon.device();
            let identity = Identity {
                host: device.hub.name().to_owned(),
                device: device.id.clone(),
                module: Some(agent),
                proof: Proof::Ticket(self.ticket().await?),
            };
            let connect = identity.connect(self.clock.now(), TICKET_LIFE, KEEP_ALIVE_S);
            let websocket = self.is_websocket.then(|| Tunnel {
                host: self.host.clone(),
                path: WEBSOCKET_PATH.to_owned(),
                random: Arc::clone(&self.random),
            });
            let place = Place {
                address,
                tls: Some((self.name.clone(), Arc::clone(&self.tls))),
                websocket,
                connect_timeout: CONNECT_TIMEOUT,
            };
            Ok(Way { place, connect })
        })
    }
}

/// What `[agent.env]` asks for.
pub fn upstream_protocol(config: &Config) -> Option<String> {
    let env = &config.agent.env;
    env.iter().find(|(name, _)| name.eq_ignore_ascii_case("UpstreamProtocol")).map(|(_, value)| value.clone())
}

/// Whom the device speaks to: its parent, or the hub; nobody knows without either.
pub fn upstream_host(config: &Config) -> Option<String> {
    if let Some(parent) = &config.parent_hostname {
        return Some(parent.name().to_owned());
    }
    match &config.provisioning {
        Provisioning::Manual { hub, .. } => Some(hub.name().to_owned()),
        Provisioning::Dps(_) | Provisioning::Off => None,
    }
}

/// Both kinds of WebSockets: the agent's own line is MQTT, on the port that was asked for.
fn is_websocket(protocol: &str) -> bool {
    ["MqttWs", "AmqpWs"].iter().any(|known| protocol.eq_ignore_ascii_case(known))
}

/// Trusts the system's roots, and those that the operator names.
pub fn client_config(config: &Config) -> Result<Arc<ClientConfig>, Failure> {
    let files = [config.own.hub_ca_cert.as_deref(), config.trust_bundle_cert.as_deref()];
    let files: Vec<_> = files.into_iter().flatten().collect();
    let roots = trusted_roots(&files).map_err(Failure::failed)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let built = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Failure::failed)?
        .with_root_certificates(roots);
    Ok(Arc::new(built.with_no_client_auth()))
}
