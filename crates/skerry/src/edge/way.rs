//! The agent's way to the hub: where it is now, and a ticket that the daemon's keys have signed.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use skerry_edge_agent::link::{Before, Protocol, Route, Routes, Ticket, Upstream, Way, WayError, WayIn};
use skerry_edge_daemon::Handle;
use skerry_edge_daemon::cloud::{CloudError, trusted_roots};
use skerry_edge_daemon::config::{Config, Provisioning};
use skerry_edge_daemon::identities::IdentityError;
use skerry_model::{Clock, ModuleId, Random};
use skerry_runtime::Answer;
use skerry_tokens::{Claim, Draft, resource};
use skerry_uplink::{Identity, Place, Proof, Relay, Token, Tunnel};
use tokio::sync::Notify;

use super::doors::Doors;
use super::ports::agent_id;
use crate::failure::Failure;

const WEBSOCKET_PATH: &str = "/$iothub/websocket";
const TICKET_LIFE: Duration = Duration::from_secs(24 * 3600);
/// The hub ends a connection with its ticket.
const RENEW_AFTER: Duration = Duration::from_secs(20 * 3600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// A clock that is further from the hub's is looked at again.
const CLOCK_SECONDS_MAX: i64 = 60;
/// What a hub answers to a device that it does not let in.
const REFUSALS: [u16; 2] = [401, 403];
/// The hub is told the agent's keys at the first try, when it refused, and again after so many tries: it may have been
/// set back.
const TRIES_PER_REGISTRATION: usize = 5;

pub struct HubWay {
    daemon: Handle,
    tls: Arc<ClientConfig>,
    /// The hub's own name, or the parent's.
    name: ServerName<'static>,
    doors: Arc<Doors>,
    ports: Ports,
    /// What the configuration chooses.
    chosen: Option<Upstream>,
    routes: Mutex<Routes>,
    /// The manifest has chosen something else.
    changed: Notify,
    tries: AtomicUsize,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

struct Ports {
    mqtt: u16,
    amqp: u16,
    https: u16,
}

impl Ports {
    fn of(&self, upstream: Upstream) -> u16 {
        match (upstream.is_websocket(), upstream.protocol()) {
            (true, _) => self.https,
            (false, Protocol::Mqtt) => self.mqtt,
            (false, Protocol::Amqp) => self.amqp,
        }
    }
}

impl HubWay {
    pub fn new(
        daemon: Handle,
        config: &Config,
        doors: Arc<Doors>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, Failure> {
        let gateway = daemon.device().gateway.clone();
        let chosen = upstream_protocol(config).and_then(|text| parse(&text));
        let has_proxy = doors.proxy(doors.hub()).is_some();
        let own = &config.own;
        Ok(Self {
            tls: client_config(config)?,
            name: ServerName::try_from(gateway.name().to_owned()).map_err(Failure::failed)?,
            ports: Ports { mqtt: own.hub_mqtt_port, amqp: own.hub_amqp_port, https: own.hub_https_port },
            chosen,
            routes: Mutex::new(Routes::new(chosen.as_slice(), has_proxy)),
            changed: Notify::new(),
            doors,
            tries: AtomicUsize::new(0),
            daemon,
            clock,
            random,
        })
    }

    async fn door(&self, route: Route, tries: usize) -> Result<(SocketAddr, Option<Relay>), WayError> {
        let host = self.doors.hub();
        let proxy = self.doors.proxy(host).filter(|_| route.is_relayed);
        let found = self.doors.find(host, self.ports.of(route.upstream), proxy, tries).await;
        found.map_err(|reason| WayError { reason, is_refused: false })
    }

    /// Tells the hub the agent's keys. Those that it was told before are as good, whatever it thinks of the device's.
    async fn register(&self, agent: &ModuleId) -> Result<(), WayError> {
        let identities = self.daemon.identities();
        let Err(error) = identities.update(agent).await else { return Ok(()) };
        if identities.get(agent).await.is_err() {
            return Err(untold(&error));
        }
        tracing::warn!(%error, "The hub was not told the agent's keys.");
        Ok(())
    }

    /// Signed where the key is.
    async fn sign(&self) -> Result<Ticket, WayError> {
        let (agent, device) = (agent_id(), self.daemon.device());
        let claim = Claim::Module(device.id.as_str(), agent.as_str());
        let audience = resource(device.hub.name(), claim);
        let draft = Draft::new(&audience, self.clock.now().plus(TICKET_LIFE));
        let signature = self.daemon.identities().sign(&agent, draft.text().into_bytes()).await;
        let signature = signature.map_err(|error| untold(&error))?;
        let token = draft.signed(&signature).expect("the daemon signs by HMAC-SHA256");
        Ok(Ticket { token: Token { audience, text: token.reveal() }, renew_after: RENEW_AFTER })
    }
}

/// The hub was not told of the agent's keys.
fn untold(error: &IdentityError) -> WayError {
    let is_refused = matches!(error, IdentityError::Cloud(CloudError::Refused { status, .. }) if REFUSALS.contains(status));
    WayError { reason: error.to_string(), is_refused }
}

impl WayIn for HubWay {
    fn way(&self, before: Before) -> Answer<'_, Way, WayError> {
        Box::pin(async move {
            let tries = self.tries.fetch_add(1, Ordering::Relaxed);
            let agent = agent_id();
            // Its answer tells how late it is there, too.
            let is_time_wrong =
                self.daemon.clock_ahead_seconds().is_some_and(|ahead| ahead.abs() >= CLOCK_SECONDS_MAX);
            if before.is_refused || is_time_wrong || tries.is_multiple_of(TRIES_PER_REGISTRATION) {
                self.register(&agent).await?;
            }
            let route = self.routes.lock().unwrap_or_else(PoisonError::into_inner).choose(before.failures);
            let (address, relay) = self.door(route, tries).await?;
            let ticket = self.sign().await?;
            let device = self.daemon.device();
            let identity = Identity {
                host: device.hub.name().to_owned(),
                device: device.id.clone(),
                module: Some(agent),
                proof: Proof::Ticket(ticket.token.text.clone().into()),
            };
            let websocket = route.upstream.is_websocket().then(|| Tunnel {
                host: self.doors.hub().to_owned(),
                path: WEBSOCKET_PATH.to_owned(),
                random: Arc::clone(&self.random),
            });
            let place = Place {
                address,
                relay,
                tls: Some((self.name.clone(), Arc::clone(&self.tls))),
                websocket,
                connect_timeout: CONNECT_TIMEOUT,
            };
            Ok(Way { place, protocol: route.upstream.protocol(), identity, ticket })
        })
    }

    fn ticket(&self) -> Answer<'_, Ticket, WayError> {
        Box::pin(self.sign())
    }

    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.changed.notified())
    }
}

/// What the manifest asks for is tried first; what the configuration asks for stays behind it, so that no
/// manifest cuts a device off.
impl HubWay {
    /// What the manifest says of the agent.
    pub fn environment(&self, env: &BTreeMap<String, String>) {
        let wanted = chosen_in(env).and_then(|text| parse(&text));
        let has_proxy = self.doors.proxy(self.doors.hub()).is_some();
        let behind = self.chosen.map_or(Routes::USUAL.to_vec(), |chosen| vec![chosen]);
        let chosen: Vec<Upstream> = wanted.into_iter().chain(behind).collect();
        let wanted = Routes::new(&chosen, has_proxy);
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if !routes.is_like(&wanted) {
            *routes = wanted;
            self.changed.notify_one();
        }
    }
}

fn parse(text: &str) -> Option<Upstream> {
    let told = |error| tracing::warn!(%error, "It is passed over.");
    text.parse().map_err(told).ok()
}

/// What `[agent.env]` asks for.
pub fn upstream_protocol(config: &Config) -> Option<String> {
    chosen_in(&config.agent.env)
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

fn chosen_in(env: &BTreeMap<String, String>) -> Option<String> {
    env.iter().find(|(name, _)| name.eq_ignore_ascii_case("UpstreamProtocol")).map(|(_, value)| value.clone())
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
