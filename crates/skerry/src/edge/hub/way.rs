//! The edge hub's way to its hub: MQTT, in a WebSocket where the protocol that was asked for is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::ServerName;
use skerry_edge_hub::{Dialer, MqttDialer, MqttDialerOptions, Settings};
use skerry_mqtt::client::ClientLimits;
use skerry_uplink::{Place, Tunnel};

use super::HubOptions;
use super::home::DaemonHome;
use crate::edge::way::upstream_protocol;
use crate::failure::Failure;

const WEBSOCKET_PATH: &str = "/$iothub/websocket";
/// A connection is begun anew before its token ends.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);
const KEEP_ALIVE_S: u16 = 60;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Letters of one identity on their way at a time.
const WINDOW: u16 = 512;

pub(super) fn dialer(
    options: &HubOptions,
    settings: &Settings,
    home: &DaemonHome,
) -> Result<Arc<dyn Dialer>, Failure> {
    let device = options.daemon.device();
    let (gateway, own) = (device.gateway.name().to_owned(), &options.config.own);
    let chosen = settings.upstream_protocol.clone().or_else(|| upstream_protocol(&options.config));
    let protocol = chosen.unwrap_or_default().to_ascii_lowercase();
    let is_websocket = protocol.ends_with("ws");
    let port = if is_websocket { own.hub_https_port } else { own.hub_mqtt_port };
    let name = ServerName::try_from(gateway.clone()).map_err(Failure::failed)?;
    let (doors, tls, random) =
        (Arc::clone(&options.doors), Arc::clone(&options.tls), Arc::clone(&options.random));
    let (home, tries) = (home.clone(), Arc::new(AtomicUsize::new(0)));
    let way = move || -> skerry_front::device::Soon<Result<(Place, String), String>> {
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
    };
    Ok(Arc::new(MqttDialer::new(MqttDialerOptions {
        host: device.hub.name().to_owned(),
        way: Arc::new(way),
        product: concat!("EdgeHub/", env!("CARGO_PKG_VERSION")).to_owned(),
        keep_alive_s: KEEP_ALIVE_S,
        limits: ClientLimits {
            window: WINDOW,
            connect_timeout: CONNECT_TIMEOUT,
            ping_timeout: Duration::from_secs(20),
            ..ClientLimits::default()
        },
    })))
}
