//! Where modules and devices come in: loopback, the modules' network, and what the operator opens.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use skerry_edge_hub::EdgeHub;
use skerry_front::{Address, Front, Options, Services, TlsMaterial};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::HubOptions;
use super::certificate::Certificate;

const HTTPS_PORT: u16 = 443;
const MQTT_PORT: u16 = 8883;
const AMQP_PORT: u16 = 5671;
/// Between looks for addresses that are not there yet: the modules' network comes with the engine.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(10);

/// Opens the doors when the hub knows its routes, and keeps them open until `stopping`.
pub(super) async fn keep_open(options: &HubOptions, hub: EdgeHub, stopping: watch::Receiver<bool>) {
    let mut until = stopping.clone();
    let doors = async {
        hub.ready().await;
        let certificate = issued(options).await;
        let tls = certificate.tls();
        tokio::join!(certificate.keep(), open_all(options, &hub, &tls, &stopping));
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

async fn open_all(options: &HubOptions, hub: &EdgeHub, tls: &TlsMaterial, stopping: &watch::Receiver<bool>) {
    let mut open = BTreeSet::new();
    let mut told = BTreeSet::new();
    let mut fronts = JoinSet::new();
    loop {
        for address in wanted(options).await {
            for (kind, port) in [("https", HTTPS_PORT), ("mqtt", MQTT_PORT), ("amqp", AMQP_PORT)] {
                if open.contains(&(address, port)) {
                    continue;
                }
                let place = SocketAddr::new(address, port);
                match bind(place, kind, hub, tls) {
                    Ok(front) => {
                        tracing::info!(%place, kind, "The edge hub is here for modules and devices.");
                        open.insert((address, port));
                        let mut until = stopping.clone();
                        fronts.spawn(front.run(async move {
                            // Only a sender that is gone fails; either way it is over.
                            drop(until.wait_for(|is_over| *is_over).await);
                        }));
                    }
                    Err(error) if told.insert((address, port)) => {
                        tracing::error!(%place, %error, "The edge hub cannot be here yet; it tries again.");
                    }
                    Err(_) => {}
                }
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
    kind: &str,
    hub: &EdgeHub,
    tls: &TlsMaterial,
) -> Result<Front, skerry_front::StartError> {
    let only = |wanted: &str| if kind == wanted { Address::One(place) } else { Address::Off };
    let options = Options::new(only("https"), only("mqtt"), only("amqp"), tls.clone());
    let hub = Arc::new(hub.clone());
    Front::bind(options, Services { http: Arc::clone(&hub) as _, devices: Arc::clone(&hub) as _, links: hub })
}

async fn wanted(options: &HubOptions) -> Vec<IpAddr> {
    if !options.config.own.edge_hub_listen.is_empty() {
        return options.config.own.edge_hub_listen.clone();
    }
    let network = &options.config.moby_runtime.network.name;
    // Without an engine there is no such network, nor a module in it.
    let gateway = options.daemon.runtime().gateway(network).await.ok().flatten();
    std::iter::once(IpAddr::from(Ipv4Addr::LOCALHOST)).chain(gateway).collect()
}
