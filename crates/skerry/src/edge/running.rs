//! A device that runs: daemon, agent and hub of one configuration.

use std::sync::Arc;
use std::time::Duration;

use skerry_edge_daemon::cloud::ProxySettings;
use skerry_edge_daemon::config::Config;
use skerry_edge_daemon::{Activated, Daemon, Options, Outcome, Part, Parts};
use skerry_edge_hub::EdgeHub;
use skerry_model::{Clock, Random};
use skerry_runtime::{Record, RecordedRuntime, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

use super::agent::Seat;
use super::doors::Doors;
use super::hub::{self, HubOptions};
use super::options::Metrics;
use super::parts::{AGENT, HUB, keep_running};
use super::places::Directories;
use super::settings::OfHub;
use super::uploads::BlobUploads;
use super::view::HubView;
use super::way::{HubWay, client_config};
use crate::failure::Failure;
use crate::iotedge::Evidence;
use crate::world::{MachineClock, MachineRandom, host_name, uid, variable};

/// After the parts were told to end, which have a little less.
const GOODBYE: Duration = Duration::from_secs(12);

pub struct EdgeOptions<'a> {
    pub directories: &'a Directories,
    pub config: Config,
    /// Where the figures are shown; `None`: where modules look for them.
    pub metrics: Option<Metrics>,
    pub activated: Activated,
    /// Whether systemd has opened sockets for us.
    pub is_activated: bool,
    /// What they have written is kept while configurations come and go.
    pub parts: &'a Parts,
    /// Where modules run.
    pub engine: Arc<dyn Runtime>,
}

/// A daemon that has started, and what the agent will be made of.
pub struct Edge {
    daemon: Daemon,
    seat: Seat,
    agent: Arc<Part>,
    hub: Arc<Part>,
    hub_options: Arc<HubOptions>,
    hub_seen: watch::Sender<Option<EdgeHub>>,
    clock: Arc<dyn Clock>,
}

impl Edge {
    /// Opens its local APIs.
    pub async fn start(options: EdgeOptions<'_>) -> Result<Self, Failure> {
        let EdgeOptions { directories, mut config, metrics, activated, is_activated, parts, engine } =
            options;
        let clock: Arc<dyn Clock> = Arc::new(MachineClock);
        let random: Arc<dyn Random> = Arc::new(MachineRandom::new());
        directories.settle_sockets(&mut config, is_activated);
        let uid = uid().ok_or_else(|| Failure::failed("/proc is not there, and with it our own user"))?;
        let proxy = proxy(&config, false)?;
        let record = Record::open(directories.images(), Arc::clone(&clock));
        let runtime: Arc<dyn Runtime> = Arc::new(RecordedRuntime::new(engine, record.clone()));
        let daemon = Box::pin(Daemon::start(Options {
            config: config.clone(),
            places: directories.for_daemon(),
            host_name: host_name().unwrap_or_else(|| "localhost".to_owned()),
            proxy: proxy.clone(),
            activated,
            notify_socket: variable("NOTIFY_SOCKET"),
            pid: std::process::id(),
            uid,
            owners: vec![0, uid],
            version: env!("CARGO_PKG_VERSION").to_owned(),
            runtime: Arc::clone(&runtime),
            parts: parts.clone(),
            witness: Some(Arc::new(Evidence::new(directories.clone()))),
            processes: None,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        }))
        .await
        .map_err(Failure::failed)?;
        let gateway = daemon.handle().device().gateway.clone();
        let agents_proxy = self::proxy(&config, true)?;
        let doors = Arc::new(Doors::new(gateway.name(), config.own.hub_address, agents_proxy));
        let folder = directories.agent();
        private_folder(&folder)
            .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
        let agent = parts.find(AGENT).expect("the agent is always in this process");
        let hub = parts.find(HUB).expect("the hub is always in this process");
        let tls = client_config(&config)?;
        let (hub_seen, hub_there) = watch::channel(None);
        hub.show(Arc::new(HubView {
            seen: hub_there.clone(),
            certificate: directories.hub().join(hub::CERTIFICATE),
        }));
        let hub_wanted = watch::Sender::new(OfHub::default());
        let hub_options = HubOptions {
            daemon: daemon.handle(),
            config: config.clone(),
            folder: directories.hub(),
            tls: Arc::clone(&tls),
            doors: Arc::clone(&doors),
            wanted: hub_wanted.clone(),
            proxy,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        };
        Ok(Self {
            agent: Arc::clone(agent),
            hub: Arc::clone(hub),
            hub_options: Arc::new(hub_options),
            hub_seen,
            clock: Arc::clone(&clock),
            seat: Seat {
                part: Arc::clone(agent),
                way: Arc::new(HubWay::new(
                    daemon.handle(),
                    &config,
                    Arc::clone(&doors),
                    Arc::clone(&clock),
                    Arc::clone(&random),
                )?),
                uploads: Arc::new(BlobUploads { tls, doors }),
                record,
                shelf: folder,
                metrics,
                hub: hub_there,
                hub_wanted: hub_wanted.clone(),
                handle: daemon.handle(),
                config,
                clock,
                random,
            },
            daemon,
        })
    }

    /// Runs until `stop` is done, or the device is to begin anew. Modules run on either way.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Outcome {
        let Self { daemon, seat, agent, hub, hub_options, hub_seen, clock } = self;
        let (ending, is_ending) = watch::channel(false);
        let hub_clock = Arc::clone(&clock);
        let mut hub = tokio::spawn(keep_running(hub, hub_clock, is_ending.clone(), move |ending| {
            hub::run(Arc::clone(&hub_options), hub_seen.clone(), ending)
        }));
        let seat = Arc::new(seat);
        let mut parts = tokio::spawn(keep_running(agent, clock, is_ending, move |ending| {
            Arc::clone(&seat).run_agent(ending)
        }));
        let outcome = daemon
            .run(async {
                stop.await;
                // The agent says goodbye to the hub while the daemon still signs for it.
                ending.send_replace(true);
                for part in [&mut parts, &mut hub] {
                    if timeout(GOODBYE, &mut *part).await.is_err() {
                        part.abort();
                    }
                }
            })
            .await;
        ending.send_replace(true);
        for part in [&mut parts, &mut hub] {
            if !part.is_finished() && timeout(GOODBYE, &mut *part).await.is_err() {
                part.abort();
            }
        }
        outcome
    }
}

/// Of the daemon; the agent may have one of its own in its environment.
fn proxy(config: &Config, is_agent: bool) -> Result<ProxySettings, Failure> {
    let written = |name: &str| {
        let mut env = config.agent.env.iter().filter(|_| is_agent);
        env.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    let found = |names: [&str; 2]| written(names[0]).or_else(|| names.into_iter().find_map(variable));
    let (proxy, except) = (found(["https_proxy", "HTTPS_PROXY"]), found(["no_proxy", "NO_PROXY"]));
    ProxySettings::new(proxy.as_deref(), except.as_deref()).map_err(Failure::usage)
}

/// For its owner alone: manifests hold passwords, sealed or not.
pub(super) fn private_folder(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
