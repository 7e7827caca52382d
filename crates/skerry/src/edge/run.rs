//! `skerry edge run`: daemon and agent, until told to stop.

use std::process::ExitCode;
use std::sync::Arc;

use skerry_edge_daemon::config::{Config, Snapshot, apply};
use skerry_edge_daemon::{Activated, Inherited, Outcome, Parts, inherited};
use skerry_runtime::{CreateRules, DockerOptions, DockerRuntime, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::journal;
use super::options::EdgeRunOptions;
use super::parts::parts;
use super::places::Directories;
use super::running::{Edge, EdgeOptions};
use crate::failure::Failure;
use crate::world::variable;

/// The configuration cannot be read: systemd does not start it again.
const UNCONFIGURED: u8 = 153;
/// It is to be started again: the device is provisioned anew, or sockets of systemd's are to be opened anew.
const AGAIN: u8 = 154;

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
        let edge = Edge::start(EdgeOptions {
            directories: &directories,
            engine: engine(&config),
            config,
            metrics: options.metrics,
            activated: inherited,
            is_activated,
            parts,
        });
        match Box::pin(Box::pin(edge).await?.run(stop.asked())).await {
            Outcome::Stopped => return Ok(ExitCode::SUCCESS),
            Outcome::Reprovision => return Ok(ExitCode::from(AGAIN)),
            // Sockets of systemd's were closed with the daemon; it opens them for the next one.
            Outcome::Reload if is_activated => return Ok(ExitCode::from(AGAIN)),
            Outcome::Reload => tracing::info!("The new configuration counts from here on."),
        }
    }
}

/// What was applied; the operator's file where nothing was yet.
pub fn configuration(directories: &Directories) -> Result<Config, Failure> {
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

fn engine(config: &Config) -> Arc<dyn Runtime> {
    let mut options = DockerOptions::new(&config.moby_runtime.socket);
    options.rules =
        CreateRules { allow_elevated: config.allow_elevated_docker_permissions, ..CreateRules::default() };
    Arc::new(DockerRuntime::new(options))
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
