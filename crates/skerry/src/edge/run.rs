//! `skerry edge run`: daemon and agent, until told to stop.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use skerry_edge_daemon::cloud::ProxySettings;
use skerry_edge_daemon::config::{Config, Snapshot, apply};
use skerry_edge_daemon::{Activated, Daemon, Inherited, Options, Outcome, Part, Parts, inherited};
use skerry_edge_hub::EdgeHub;
use skerry_model::{Clock, Random};
use skerry_runtime::{CreateRules, DockerOptions, DockerRuntime, Record, RecordedRuntime, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::agent::Seat;
use super::doors::Doors;
use super::hub::{self, HubOptions};
use super::journal;
use super::options::EdgeRunOptions;
use super::parts::{AGENT, HUB, keep_running, parts};
use super::places::Directories;
use super::settings::OfHub;
use super::uploads::BlobUploads;
use super::view::HubView;
use super::way::{HubWay, client_config};
use crate::failure::Failure;
use crate::iotedge::Evidence;
use crate::world::{MachineClock, MachineRandom, host_name, uid, variable};

/// The configuration cannot be read: systemd does not start it again.
const UNCONFIGURED: u8 = 153;
/// It is to be started again: the device is provisioned anew, or sockets of systemd's are to be opened anew.
const AGAIN: u8 = 154;
/// After the parts were told to end, which have a little less.
const GOODBYE: Duration = Duration::from_secs(12);

pub fn run(options: &EdgeRunOptions) -> Result<ExitCode, Failure> {
    // What they have written is kept while configurations come and go.
    let parts = parts();
    journal::start(parts.clone(), options.log_format)?;
    // Before anything else opens files.
    let (pid, count, names) = (variable("LISTEN_PID"), variable("LISTEN_FDS"), variable("LISTEN_FDNAMES"));
    let environment = Inherited { pid: pid.as_deref(), count: count.as_deref(), names: names.as_deref() };
    let activated = inherited(&environment, std::process::id());
    let is_activated = pid.is_some_and(|pid| pid == std::process::id().to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(Box::pin(until_stopped(options, activated, is_activated, &parts)))
}

async fn until_stopped(
    options: &EdgeRunOptions,
    mut activated: Activated,
    is_activated: bool,
    parts: &Parts,
) -> Result<ExitCode, Failure> {
    let directories = Directories::new(&options.places);
    let stop = stop_signal()?;
    loop {
        let config = match configuration(&directories) {
            Ok(config) => config,
            // What cannot be read, or not be done, would not be so at another start either.
            Err(failure) => {
                tracing::error!("{failure}");
                return Ok(ExitCode::from(UNCONFIGURED));
            }
        };
        let inherited = std::mem::take(&mut activated);
        let edge = Edge::start(options, &directories, config, inherited, is_activated, parts);
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
    snapshot.config.supported().map_err(Failure::failed)?;
    for warning in &snapshot.warnings {
        tracing::warn!("{}:{warning}", directories.config.display());
    }
    Ok(snapshot.config)
}

/// A daemon that has started, and what the agent will be made of.
struct Edge {
    daemon: Daemon,
    seat: Seat,
    agent: Arc<Part>,
    hub: Arc<Part>,
    hub_options: Arc<HubOptions>,
    hub_seen: watch::Sender<Option<EdgeHub>>,
    clock: Arc<dyn Clock>,
}

impl Edge {
    async fn start(
        options: &EdgeRunOptions,
        directories: &Directories,
        mut config: Config,
        activated: Activated,
        is_activated: bool,
        parts: &Parts,
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
                metrics: options.metrics,
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

    async fn run(self, stop: &Stop) -> Outcome {
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
                stop.asked().await;
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

fn engine(config: &Config) -> Arc<dyn Runtime> {
    let mut options = DockerOptions::new(&config.moby_runtime.socket);
    options.rules =
        CreateRules { allow_elevated: config.allow_elevated_docker_permissions, ..CreateRules::default() };
    Arc::new(DockerRuntime::new(options))
}

/// For its owner alone: manifests hold passwords, sealed or not.
pub(super) fn private_folder(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
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
