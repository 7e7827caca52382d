//! The edge hub inside of the daemon's process.
//!
//! ```text
//!  daemon ──► home.rs: keys, the hub over HTTPS ──┐
//!  edged/hub: documents, log, tls ────────────────┼──► EdgeHub ──► front doors: loopback, the modules' network
//!  way.rs: where the hub is ──────────────────────┘
//! ```

mod certificate;
mod doors;
mod home;
mod life;
mod store;
mod thread;
mod way;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use skerry_edge_daemon::Handle;
use skerry_edge_daemon::cloud::{Https, HttpsOptions, ProxySettings};
use skerry_edge_daemon::config::Config;
use skerry_edge_hub::{EdgeHub, EdgeHubOptions, Settings};
use skerry_model::{Clock, EDGE_HUB, ModuleId, Random};
use tokio::runtime;
use tokio::sync::watch;

use super::doors::Doors;
use super::settings::OfHub;
use crate::failure::Failure;
use crate::world::MachineUptime;
use home::DaemonHome;

pub use certificate::CERTIFICATE;

/// A hub that is there is told within this.
const TOLD_WITHIN: Duration = Duration::from_millis(500);
/// Between tries to have an identity, or a store.
const PAUSE: Duration = Duration::from_secs(5);

pub struct HubOptions {
    pub daemon: Handle,
    pub config: Config,
    /// Of the hub alone.
    pub folder: PathBuf,
    pub tls: Arc<ClientConfig>,
    /// The ways to the hub.
    pub doors: Arc<Doors>,
    /// What the manifest says of the hub; another word begins it anew.
    pub wanted: watch::Sender<OfHub>,
    pub proxy: ProxySettings,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

pub fn hub_id() -> ModuleId {
    EDGE_HUB.parse().expect("the hub's own name is one of a module")
}

/// Runs until `stopping`; what goes wrong is told, and tried again: modules run on meanwhile.
/// `seen` has the hub while it is there.
pub async fn run(
    options: Arc<HubOptions>,
    seen: watch::Sender<Option<EdgeHub>>,
    stopping: watch::Receiver<bool>,
) {
    loop {
        let (options, seen, stopping) = (Arc::clone(&options), seen.clone(), stopping.clone());
        let work = thread::on_own_thread(move |elsewhere| run_here(options, seen, stopping, elsewhere));
        let Err(error) = work.await else { return };
        tracing::error!(%error, "The edge hub has no thread of its own; free some, it tries again.");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn run_here(
    options: Arc<HubOptions>,
    seen: watch::Sender<Option<EdgeHub>>,
    mut stopping: watch::Receiver<bool>,
    elsewhere: runtime::Handle,
) {
    let ended = async {
        // Only a sender that is gone fails; either way it is over.
        drop(stopping.wait_for(|is_over| *is_over).await);
    };
    let mut ended = std::pin::pin!(ended);
    let mut wanted = options.wanted.subscribe();
    loop {
        let said = wanted.borrow_and_update().clone();
        let settings = Settings::read(&said.env, &said.options);
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let hub = tokio::select! {
            () = &mut ended => return,
            hub = open(&options, &settings) => hub,
        };
        match hub {
            Ok(opened) => {
                seen.send_replace(Some(opened.hub.clone()));
                let mut over = false;
                let until = async {
                    tokio::select! {
                        () = &mut ended => over = true,
                        // Its sender lives in the options.
                        _ = wanted.changed() => {
                            tracing::info!("The manifest says something else of the hub, which begins anew.");
                        }
                    }
                };
                Box::pin(serve(&options, &settings, opened, &elsewhere, until)).await;
                seen.send_replace(None);
                if over {
                    return;
                }
            }
            Err(failure) => {
                tracing::error!("The edge hub is not there yet: {failure}");
                tokio::select! {
                    () = &mut ended => return,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }
}

struct Opened {
    hub: EdgeHub,
    store: store::Store,
}

async fn open(options: &HubOptions, settings: &Settings) -> Result<Opened, Failure> {
    let HubOptions { daemon, config, folder, tls, proxy, clock, random, .. } = options;
    let id = hub_id();
    // The hub is told its keys; if it takes its time, what is remembered will do meanwhile.
    let (teller, told) = (daemon.clone(), id.clone());
    let mut telling = tokio::spawn(async move {
        if let Err(error) = teller.identities().update(&told).await {
            tracing::info!(%error, "The hub was not told the keys of $edgeHub.");
        }
    });
    // Whatever came of it, it is told there.
    drop(tokio::time::timeout(TOLD_WITHIN, &mut telling).await);
    daemon.identities().get(&id).await.map_err(Failure::failed)?;
    let store = store::Store::open(folder, clock, random)?;
    let device = daemon.device();
    let gateway = &device.gateway;
    let https = Https::new(HttpsOptions {
        host: gateway.name().to_owned(),
        port: gateway.port().unwrap_or(config.own.hub_https_port),
        address: config.own.hub_address,
        proxy: proxy.clone(),
        tls: Arc::clone(tls),
        timeout: config.cloud_timeout,
    });
    let home = DaemonHome::new(daemon.clone(), https, Arc::clone(clock), Arc::clone(random));
    let host_names =
        vec![device.hub.name().to_owned(), gateway.name().to_owned(), daemon.host_name().to_owned()];
    let hub = EdgeHub::open(EdgeHubOptions {
        device: device.id.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host_names,
        documents: store.documents(),
        log: store.log(),
        dialer: way::dialer(options, settings, &home)?,
        home: Arc::new(home),
        clock: Arc::clone(clock),
        machine: Arc::new(MachineUptime::new().map_err(Failure::failed)?),
        random: Arc::clone(random),
        rules: settings.rules,
    });
    Ok(Opened { hub: hub.await.map_err(Failure::failed)?, store })
}

async fn serve(
    options: &HubOptions,
    settings: &Settings,
    opened: Opened,
    elsewhere: &runtime::Handle,
    ended: impl Future<Output = ()>,
) {
    let Opened { hub, store } = opened;
    let (stop, stopping) = watch::channel(false);
    let front = doors::keep_open(options, settings, hub.clone(), elsewhere, stopping.clone());
    let mut until = stopping;
    let work = hub.run(async move {
        // Only a sender that is gone fails; either way it is over.
        drop(until.wait_for(|is_over| *is_over).await);
    });
    let told = async {
        ended.await;
        stop.send_replace(true);
    };
    tokio::join!(told, Box::pin(work), Box::pin(front));
    store.close().await;
    tracing::info!("The edge hub has stopped; what waits is kept.");
}
