//! The edge hub's way to its hub: MQTT or AMQP, in a WebSocket where the protocol that was asked for is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::ServerName;
use skerry_edge_agent::link::{Protocol, Routes, Upstream};
use skerry_edge_hub::{AmqpDialer, AmqpDialerOptions, Dialer, MqttDialer, MqttDialerOptions, Settings, Way};
use skerry_mqtt::client::ClientLimits;
use skerry_uplink::{Place, Tunnel};

use super::HubOptions;
use super::home::DaemonHome;
use crate::edge::way::upstream_protocol;
use crate::failure::Failure;

const WEBSOCKET_PATH: &str = "/$iothub/websocket";
const PRODUCT: &str = concat!("EdgeHub/", env!("CARGO_PKG_VERSION"));
/// A connection over MQTT is begun anew before its token ends; over AMQP a new one is shown.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);
const RENEW_AFTER: Duration = Duration::from_secs(45 * 60);
const KEEP_ALIVE_S: u16 = 60;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Letters of one identity on their way at a time.
const WINDOW: u16 = 512;

pub(super) fn dialer(
    options: &HubOptions,
    settings: &Settings,
    home: &DaemonHome,
) -> Result<Arc<dyn Dialer>, Failure> {
    let host = options.daemon.device().hub.name().to_owned();
    let ways = chosen(options, settings);
    tracing::debug!(?ways, "What the edge hub speaks to its hub is chosen.");
    let way = way(options, ways, home)?;
    Ok(match ways[0].protocol() {
        Protocol::Mqtt => Arc::new(MqttDialer::new(MqttDialerOptions {
            host,
            way,
            product: PRODUCT.to_owned(),
            keep_alive_s: KEEP_ALIVE_S,
            limits: ClientLimits {
                window: WINDOW,
                connect_timeout: CONNECT_TIMEOUT,
                ping_timeout: Duration::from_secs(20),
                ..ClientLimits::default()
            },
        })),
        Protocol::Amqp => {
            let home = home.clone();
            Arc::new(AmqpDialer::new(AmqpDialerOptions {
                host,
                way,
                token: Arc::new(move || {
                    let home = home.clone();
                    Box::pin(
                        async move { home.token_for(TOKEN_LIFE).await.map_err(|error| error.to_string()) },
                    )
                }),
                product: PRODUCT.to_owned(),
                token_life: TOKEN_LIFE,
                renew_after: RENEW_AFTER,
                silence_max: SILENCE_MAX,
            }))
        }
    })
}

/// What the manifest says of the hub, else what the configuration says of the agent; what is usual where nobody
/// chooses. All are of one protocol.
fn chosen(options: &HubOptions, settings: &Settings) -> &'static [Upstream] {
    let said = [settings.upstream_protocol.clone(), upstream_protocol(&options.config)];
    let mut readable = said.into_iter().flatten().filter_map(|text| {
        let told = |error| tracing::warn!(%error, "It is passed over.");
        text.parse::<Upstream>().map_err(told).ok()
    });
    match readable.next() {
        None => &Routes::USUAL,
        Some(Upstream::Mqtt) => &[Upstream::Mqtt],
        Some(Upstream::MqttWs) => &[Upstream::MqttWs],
        Some(Upstream::Amqp) => &[Upstream::Amqp],
        Some(Upstream::AmqpWs) => &[Upstream::AmqpWs],
    }
}

/// One after the other as long as they fail; the one that held is tried first.
fn way(options: &HubOptions, ways: &'static [Upstream], home: &DaemonHome) -> Result<Arc<Way>, Failure> {
    let device = options.daemon.device();
    let (gateway, own) = (device.gateway.name().to_owned(), &options.config.own);
    let (mqtt, amqp, https) = (own.hub_mqtt_port, own.hub_amqp_port, own.hub_https_port);
    let at = AtomicUsize::new(0);
    let name = ServerName::try_from(gateway.clone()).map_err(Failure::failed)?;
    let (doors, tls, random) =
        (Arc::clone(&options.doors), Arc::clone(&options.tls), Arc::clone(&options.random));
    let (home, tries) = (home.clone(), Arc::new(AtomicUsize::new(0)));
    Ok(Arc::new(move |failures| {
        let at = if failures > 0 { at.fetch_add(1, Ordering::SeqCst) + 1 } else { at.load(Ordering::SeqCst) };
        let upstream = ways[at % ways.len()];
        let is_websocket = upstream.is_websocket();
        let port = match (is_websocket, upstream.protocol()) {
            (true, _) => https,
            (false, Protocol::Mqtt) => mqtt,
            (false, Protocol::Amqp) => amqp,
        };
        let (home, tries, gateway) = (home.clone(), Arc::clone(&tries), gateway.clone());
        let (name, tls, random, doors) =
            (name.clone(), Arc::clone(&tls), Arc::clone(&random), Arc::clone(&doors));
        Box::pin(async move {
            // As with the original, a proxy is asked for WebSockets only.
            let proxy = doors.proxy(&gateway).filter(|_| is_websocket);
            let found = doors.find(&gateway, port, proxy, tries.fetch_add(1, Ordering::Relaxed)).await;
            let (address, relay) = found?;
            let token = home.token_for(TOKEN_LIFE).await.map_err(|error| error.to_string())?;
            let websocket =
                is_websocket.then(|| Tunnel { host: gateway, path: WEBSOCKET_PATH.to_owned(), random });
            let place =
                Place { address, relay, tls: Some((name, tls)), websocket, connect_timeout: CONNECT_TIMEOUT };
            Ok((place, token))
        })
    }))
}
