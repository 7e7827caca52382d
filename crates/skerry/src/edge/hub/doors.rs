//! Where modules and devices come in: loopback, the modules' network, and what the operator opens.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use skerry_edge_daemon::config::Own;
use skerry_edge_hub::{EdgeHub, Head, Settings};
use skerry_front::{Address, Front, Options, Services, TlsMaterial};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::HubOptions;
use super::certificate::Certificate;

/// Between looks for addresses that are not there yet: the modules' network comes with the engine.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(10);

/// Opens the doors when the hub knows its routes, and keeps them open until `stopping`.
pub(super) async fn keep_open(
    options: &HubOptions,
    settings: &Settings,
    hub: EdgeHub,
    elsewhere: &runtime::Handle,
    stopping: watch::Receiver<bool>,
) {
    let mut until = stopping.clone();
    let doors = async {
        hub.ready().await;
        let certificate = issued(options).await;
        let tls = certificate.tls();
        tokio::join!(certificate.keep(), open_all(options, settings, (&hub, elsewhere), &tls, &stopping));
    };
    tokio::select! {
        () = doors => {}
        _ = until.wait_for(|is_over| *is_over) => {}
    }
}

async fn issued(options: &HubOptions) -> Certificate {
    let HubOptions { daemon, folder, clock, random, .. } = options;
    loop {
        match Certificate::issue(daemon, folder, clock, random).await {
            Ok(certificate) => return certificate,
            Err(failure) => tracing::error!("The edge hub has no certificate yet: {failure}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn open_all(
    options: &HubOptions,
    settings: &Settings,
    hub: (&EdgeHub, &runtime::Handle),
    tls: &TlsMaterial,
    stopping: &watch::Receiver<bool>,
) {
    let mut open: Vec<(Head, SocketAddr)> = Vec::new();
    let mut told = BTreeSet::new();
    let mut fronts = JoinSet::new();
    loop {
        for (head, place) in wanted(options, settings).await {
            let covers = |known: &SocketAddr| known.port() == place.port() && known.ip().is_unspecified();
            if open.iter().any(|(of, known)| *of == head && (*known == place || covers(known))) {
                continue;
            }
            match bind(place, head, hub, tls) {
                Ok(front) => {
                    tracing::info!(%place, ?head, "The edge hub is here for modules and devices.");
                    open.push((head, place));
                    let mut until = stopping.clone();
                    fronts.spawn(front.run(async move {
                        // Only a sender that is gone fails; either way it is over.
                        drop(until.wait_for(|is_over| *is_over).await);
                    }));
                }
                Err(error) if told.insert(place) => {
                    tracing::error!(%place, %error, "The edge hub cannot be here yet; it tries again.");
                }
                Err(_) => {}
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            Some(ended) = fronts.join_next() => if let Err(error) = ended {
                tracing::error!(%error, "A door of the edge hub broke off; restart the edge.");
            },
        }
    }
}

/// One protocol at one place, so that a port that is taken closes no other.
fn bind(
    place: SocketAddr,
    head: Head,
    (hub, elsewhere): (&EdgeHub, &runtime::Handle),
    tls: &TlsMaterial,
) -> Result<Front, skerry_front::StartError> {
    let only = |wanted: Head| if head == wanted { Address::One(place) } else { Address::Off };
    let mut options = Options::new(only(Head::Https), only(Head::Mqtt), only(Head::Amqp), tls.clone());
    options.handshakes = Some(elsewhere.clone());
    let hub = Arc::new(hub.clone());
    Front::bind(options, Services { http: Arc::clone(&hub) as _, devices: Arc::clone(&hub) as _, links: hub })
}

/// Where each head is wanted: what the manifest publishes first, for it may be everywhere. Where that cannot be
/// had, because somebody else has a part of it, modules still find their hub in the other places.
async fn wanted(options: &HubOptions, settings: &Settings) -> Vec<(Head, SocketAddr)> {
    let listen = &options.config.own.edge_hub_listen;
    let places: Vec<IpAddr> = match listen.is_empty() {
        false => listen.clone(),
        true => {
            let network = &options.config.moby_runtime.network.name;
            // Without an engine there is no such network, nor a module in it.
            let gateway = options.daemon.runtime().gateway(network).await.ok().flatten();
            std::iter::once(IpAddr::from(Ipv4Addr::LOCALHOST)).chain(gateway).collect()
        }
    };
    let mut wanted = Vec::new();
    for head in &settings.heads {
        let published = settings.published.iter().filter(|one| one.head == *head && listen.is_empty());
        wanted.extend(published.map(|one| (*head, one.at)));
        let port = port(&options.config.own, *head);
        wanted.extend(places.iter().map(|place| (*head, SocketAddr::new(*place, port))));
    }
    wanted
}

fn port(own: &Own, head: Head) -> u16 {
    match head {
        Head::Https => own.edge_hub_https_port,
        Head::Mqtt => own.edge_hub_mqtt_port,
        Head::Amqp => own.edge_hub_amqp_port,
    }
}
