//! `skerry edge run`: daemon and agent, until told to stop.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use skerry_edge_agent::link::{Line, LineOptions};
use skerry_edge_agent::plan::Limits;
use skerry_edge_agent::{Agent, AgentOptions, Device, FolderShelf, Pace};
use skerry_edge_daemon::cloud::ProxySettings;
use skerry_edge_daemon::config::{Config, Snapshot, apply};
use skerry_edge_daemon::{Activated, Daemon, Handle, Inherited, Options, Outcome, inherited};
use skerry_model::{Clock, Random};
use skerry_runtime::{
    CreateRules, Credentials, DockerOptions, DockerRuntime, Record, RecordedRuntime, Runtime,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::doors::Doors;
use super::options::{EdgeRunOptions, Metrics};
use super::places::Directories;
use super::ports::Ports;
use super::uploads::BlobUploads;
use super::way::{HubWay, client_config, upstream_protocol};
use super::{figures, images, journal};
use crate::failure::Failure;
use crate::world::{MachineClock, MachineRandom, host_name, uid, variable};

/// The configuration cannot be read: systemd does not start it again.
const UNCONFIGURED: u8 = 153;
/// It is to be started again: the device is provisioned anew, or sockets of systemd's are to be opened anew.
const AGAIN: u8 = 154;
/// After the agent was told to end.
const GOODBYE: Duration = Duration::from_secs(10);
/// Between tries to reach the hub.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(120);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

pub fn run(options: &EdgeRunOptions) -> Result<ExitCode, Failure> {
    journal::start()?;
    // Before anything else opens files.
    let (pid, count, names) = (variable("LISTEN_PID"), variable("LISTEN_FDS"), variable("LISTEN_FDNAMES"));
    let environment = Inherited { pid: pid.as_deref(), count: count.as_deref(), names: names.as_deref() };
    let activated = inherited(&environment, std::process::id());
    let is_activated = pid.is_some_and(|pid| pid == std::process::id().to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(Box::pin(until_stopped(options, activated, is_activated)))
}

async fn until_stopped(
    options: &EdgeRunOptions,
    mut activated: Activated,
    is_activated: bool,
) -> Result<ExitCode, Failure> {
    let directories = Directories::new(&options.places);
    let stop = stop_signal()?;
    loop {
        let config = match configuration(&directories) {
            Ok(config) => config,
            Err(failure) => {
                tracing::error!("{failure}");
                return Ok(ExitCode::from(UNCONFIGURED));
            }
        };
        let edge = Edge::start(options, &directories, config, std::mem::take(&mut activated), is_activated);
        match Box::pin(Box::pin(edge).await?.run(&stop)).await {
            Outcome::Stopped => return Ok(ExitCode::SUCCESS),
            Outcome::Reprovision => return Ok(ExitCode::from(AGAIN)),
            // Sockets of systemd's were closed with the daemon; it opens them for the next one.
            Outcome::Reload if is_activated => return Ok(ExitCode::from(AGAIN)),
            Outcome::Reload => tracing::info!("The new configuration counts from here on."),
        }
    }
}

/// What was applied; the operator's file where nothing was yet.
fn configuration(directories: &Directories) -> Result<Config, Failure> {
    let applied = directories.applied();
    let snapshot = match Snapshot::load(&applied).map_err(Failure::failed)? {
        Some(snapshot) => {
            // A file that has gone since then changes nothing.
            if snapshot.is_of(&directories.config).is_ok_and(|is_same| !is_same) {
                tracing::warn!(
                    "{} was changed since it was applied: `iotedge config apply` makes it count.",
                    directories.config.display()
                );
            }
            snapshot
        }
        None => {
            std::fs::create_dir_all(&applied)
                .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", applied.display())))?;
            apply(&directories.config, &applied, false, false).map_err(Failure::failed)?
        }
    };
    for warning in &snapshot.warnings {
        tracing::warn!("{}:{warning}", directories.config.display());
    }
    Ok(snapshot.config)
}

/// A daemon that has started, and what the agent will be made of.
struct Edge {
    daemon: Daemon,
    config: Config,
    way: HubWay,
    uploads: BlobUploads,
    shelf: FolderShelf,
    metrics: Option<Metrics>,
    record: Record,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Edge {
    async fn start(
        options: &EdgeRunOptions,
        directories: &Directories,
        mut config: Config,
        activated: Activated,
        is_activated: bool,
    ) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(MachineClock);
        let random: Arc<dyn Random> = Arc::new(MachineRandom::new());
        directories.settle_sockets(&mut config, is_activated);
        let uid = uid().ok_or_else(|| Failure::failed("/proc is not there, and with it our own user"))?;
        let proxy = proxy(&config, false)?;
        let record = Record::open(directories.images(), Arc::clone(&clock));
        let runtime: Arc<dyn Runtime> = Arc::new(RecordedRuntime::new(engine(&config), record.clone()));
        let daemon = Box::pin(Daemon::start(Options {
            config: config.clone(),
            places: directories.for_daemon(),
            host_name: host_name().unwrap_or_else(|| "localhost".to_owned()),
            proxy,
            activated,
            notify_socket: variable("NOTIFY_SOCKET"),
            pid: std::process::id(),
            uid,
            owners: vec![0, uid],
            version: env!("CARGO_PKG_VERSION").to_owned(),
            runtime: Arc::clone(&runtime),
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
        Ok(Self {
            way: HubWay::new(
                daemon.handle(),
                &config,
                Arc::clone(&doors),
                Arc::clone(&clock),
                Arc::clone(&random),
            )?,
            uploads: BlobUploads { tls: client_config(&config)?, doors },
            shelf: FolderShelf::new(folder),
            metrics: options.metrics,
            record,
            daemon,
            config,
            clock,
            random,
        })
    }

    async fn run(self, stop: &Stop) -> Outcome {
        let Self { daemon, config, way, uploads, shelf, metrics, record, clock, random } = self;
        let (ending, is_ending) = watch::channel(false);
        let handle = daemon.handle();
        let stopped = is_ending.clone();
        let agent = async move {
            let device = device(&handle, &config);
            let way = Arc::new(way);
            let link = Line::new(LineOptions {
                way_in: Arc::clone(&way) as _,
                random: Arc::clone(&random),
                pause_first: PAUSE_FIRST,
                pause_last: PAUSE_LAST,
                answer_timeout: ANSWER_TIMEOUT,
            });
            let ports = Arc::new(Ports { daemon: handle.clone(), random: Arc::clone(&random) });
            let (agent, asked) = Agent::new(
                AgentOptions {
                    device,
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    is_hub_inside: true,
                    sends_quality: sends_quality(&config),
                    limits: Limits::default(),
                    pace: Pace::default(),
                    runtime: handle.runtime(),
                    identities: Arc::clone(&ports) as _,
                    provisioning: Arc::clone(&ports) as _,
                    settings: way,
                    shelf: Arc::new(shelf),
                    sealer: Arc::clone(&ports) as _,
                    uploads: Arc::new(uploads),
                    bundles: Arc::clone(&ports) as _,
                    host: ports,
                    clock,
                    random,
                },
                Box::new(link),
            );
            let mut beside = JoinSet::new();
            beside.spawn(images::collect(&config, &handle, asked.clone(), record.clone()));
            let kept = record.clone();
            beside.spawn(async move { kept.keep().await });
            let network = config.moby_runtime.network.name;
            beside.spawn(show_figures(metrics, handle, network, asked));
            agent.run(stopped).await;
            // What is beside ends with it.
            drop(beside);
            record.flush().await;
        };
        let mut agent = tokio::spawn(agent);
        let outcome = daemon
            .run(async {
                tokio::select! {
                    () = stop.asked() => {}
                    // An agent that broke off takes the process with it, so that it is started anew.
                    ended = &mut agent => if let Err(error) = ended {
                        tracing::error!(%error, "The agent broke off.");
                    },
                }
                // The agent says goodbye to the hub while the daemon still signs for it.
                ending.send_replace(true);
                if !agent.is_finished() && tokio::time::timeout(GOODBYE, &mut agent).await.is_err() {
                    agent.abort();
                }
            })
            .await;
        ending.send_replace(true);
        if !agent.is_finished() && tokio::time::timeout(GOODBYE, &mut agent).await.is_err() {
            agent.abort();
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

/// Unlike the original only where somebody wants it: the messages come to whoever reads events.
fn sends_quality(config: &Config) -> bool {
    let mut env = config.agent.env.iter();
    let chosen = env.find(|(key, _)| key.eq_ignore_ascii_case("SendRuntimeQualityTelemetry"));
    chosen.is_some_and(|(_, value)| value.trim().eq_ignore_ascii_case("true"))
}

fn engine(config: &Config) -> Arc<dyn Runtime> {
    let mut options = DockerOptions::new(&config.moby_runtime.socket);
    options.rules =
        CreateRules { allow_elevated: config.allow_elevated_docker_permissions, ..CreateRules::default() };
    Arc::new(DockerRuntime::new(options))
}

/// For its owner alone: manifests hold passwords, sealed or not.
fn private_folder(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
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
) {
    let at = |ip| figures::serve(SocketAddr::new(ip, figures::PORT), agent.clone());
    match asked {
        Some(Metrics::Off) => {}
        Some(Metrics::At(address)) => figures::serve(address, agent.clone()).await,
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

/// Told once, heard by every run.
struct Stop {
    told: Arc<Notify>,
}

impl Stop {
    async fn asked(&self) {
        self.told.notified().await;
    }
}

fn stop_signal() -> Result<Stop, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("The edge stops; modules run on.");
        // Kept for whoever asks later.
        tell.notify_one();
    });
    Ok(Stop { told })
}
