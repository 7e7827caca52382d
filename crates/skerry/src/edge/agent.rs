//! The agent in this process: made anew for each of its runs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use skerry_edge_agent::link::{Line, LineOptions};
use skerry_edge_agent::plan::Limits;
use skerry_edge_agent::{Agent, AgentOptions, Device, FolderShelf, GatewayPorts, Pace};
use skerry_edge_daemon::config::Config;
use skerry_edge_daemon::{Handle, Part};
use skerry_edge_hub::EdgeHub;
use skerry_model::{Clock, Random};
use skerry_runtime::{Credentials, Record};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::options::Metrics;
use super::parts::HUB_IS_INSIDE;
use super::ports::Ports;
use super::settings::{OfHub, PassedOn};
use super::uploads::BlobUploads;
use super::view::AgentView;
use super::way::{HubWay, upstream_protocol};
use super::{figures, images};

/// Between tries to reach the hub.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(120);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What every run of the agent begins with.
pub struct Seat {
    pub part: Arc<Part>,
    pub handle: Handle,
    pub config: Config,
    pub way: Arc<HubWay>,
    pub uploads: Arc<BlobUploads>,
    /// Its backup and history.
    pub shelf: PathBuf,
    pub metrics: Option<Metrics>,
    /// Which images are ours.
    pub record: Record,
    /// What the manifest says of the hub.
    pub hub_wanted: watch::Sender<OfHub>,
    /// The hub beside it, while it is there.
    pub hub: watch::Receiver<Option<EdgeHub>>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

impl Seat {
    /// Until `stopped` is true. Modules run on.
    pub async fn run_agent(self: Arc<Self>, stopped: watch::Receiver<bool>) {
        let Self { handle, config, random, .. } = &*self;
        let device = device(handle, config);
        let link = Line::new(LineOptions {
            way_in: Arc::clone(&self.way) as _,
            random: Arc::clone(random),
            pause_first: PAUSE_FIRST,
            pause_last: PAUSE_LAST,
            answer_timeout: ANSWER_TIMEOUT,
        });
        let ports = Arc::new(Ports { daemon: handle.clone(), random: Arc::clone(random) });
        let (agent, asked) = Agent::new(
            AgentOptions {
                device,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                is_hub_inside: HUB_IS_INSIDE,
                sends_quality: sends_quality(config),
                limits: Limits::default(),
                pace: Pace::default(),
                runtime: handle.runtime(),
                identities: Arc::clone(&ports) as _,
                provisioning: Arc::clone(&ports) as _,
                settings: Arc::new(PassedOn { way: Arc::clone(&self.way), hub: self.hub_wanted.clone() }),
                shelf: Arc::new(FolderShelf::new(&self.shelf)),
                sealer: Arc::clone(&ports) as _,
                uploads: Arc::clone(&self.uploads) as _,
                bundles: Arc::clone(&ports) as _,
                host: ports,
                clock: Arc::clone(&self.clock),
                random: Arc::clone(random),
            },
            Box::new(link),
        );
        self.part.show(Arc::new(AgentView(asked.clone())));
        let mut beside = JoinSet::new();
        beside.spawn(images::collect(config, handle, asked.clone(), self.record.clone()));
        let kept = self.record.clone();
        beside.spawn(async move { kept.keep().await });
        let network = config.moby_runtime.network.name.clone();
        beside.spawn(show_figures(self.metrics, handle.clone(), network, asked, self.hub.clone()));
        agent.run(stopped).await;
        // The next run has the same addresses.
        beside.shutdown().await;
        self.record.flush().await;
    }
}

fn device(handle: &Handle, config: &Config) -> Device {
    let device = handle.device();
    let is_nested = device.gateway != device.hub;
    let auth = config.agent.auth.as_ref().and_then(|auth| {
        Some(Credentials {
            address: auth.server.clone()?,
            username: auth.username.clone()?,
            password: auth.password.as_ref()?.reveal().to_owned(),
            email: auth.email.clone(),
        })
    });
    let env = |name: &str| config.agent.env.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    Device {
        hub_host: device.hub.name().to_owned(),
        device_id: device.id.to_string(),
        edge_host: handle.host_name().to_owned(),
        // Only the engine knows it, which need not be there yet.
        edge_address: None,
        gateway_ports: GatewayPorts {
            https: config.own.edge_hub_https_port,
            mqtt: config.own.edge_hub_mqtt_port,
            amqp: config.own.edge_hub_amqp_port,
        },
        parent_host: is_nested.then(|| device.gateway.name().to_owned()),
        workload_uri: handle.workload_uri().to_owned(),
        workload_folder: handle.workload_directory().to_owned(),
        network: config.moby_runtime.network.name.clone(),
        log_level: env("RuntimeLogLevel").map_or_else(|| "info".to_owned(), |(_, level)| level.clone()),
        upstream_protocol: upstream_protocol(config),
        credentials: auth.into_iter().collect(),
    }
}

/// On loopback for the machine's own tools at once; on the bridge, for modules that gather figures, when
/// there is one.
async fn show_figures(
    asked: Option<Metrics>,
    daemon: Handle,
    network: String,
    agent: skerry_edge_agent::Handle,
    hub: watch::Receiver<Option<EdgeHub>>,
) {
    let at = |ip| figures::serve(SocketAddr::new(ip, figures::PORT), agent.clone(), hub.clone());
    match asked {
        Some(Metrics::Off) => {}
        Some(Metrics::At(address)) => figures::serve(address, agent.clone(), hub.clone()).await,
        None => {
            let bridge = async {
                daemon.adopted().await;
                match daemon.runtime().gateway(&network).await {
                    Ok(Some(gateway)) => at(gateway).await,
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "Modules find no figures."),
                }
            };
            tokio::join!(at(IpAddr::from(Ipv4Addr::LOCALHOST)), bridge);
        }
    }
}

/// Unlike the original only where somebody wants it: the messages come to whoever reads events.
fn sends_quality(config: &Config) -> bool {
    let mut env = config.agent.env.iter();
    let chosen = env.find(|(key, _)| key.eq_ignore_ascii_case("SendRuntimeQualityTelemetry"));
    chosen.is_some_and(|(_, value)| value.trim().eq_ignore_ascii_case("true"))
}
