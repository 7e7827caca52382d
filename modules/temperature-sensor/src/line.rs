//! Into the edge hub: its address, its certificate, and this module's token.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::ServerName;
use skerry_mqtt::client::ClientLimits;
use skerry_mqtt::packet::Connect;
use skerry_uplink::{Client, Identity, Place, Proof, TlsOptions, Tunnel};
use tokio::net::lookup_host;

use crate::sensor::Sensor;
use crate::settings::Transport;

const WEBSOCKET_PATH: &str = "/$iothub/websocket";
const MQTT_PORT: u16 = 8883;
const HTTPS_PORT: u16 = 443;
/// The hub ends a connection with its token.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);
const KEEP_ALIVE_S: u16 = 60;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// Messages that may wait for the hub.
const WINDOW: u16 = 10;

impl<T> Sensor<T> {
    /// Connects, or connects again with what was not acknowledged. A name may have several addresses,
    /// and the edge hub need not listen on all of them.
    pub(crate) async fn open<M>(
        &self,
        mut before: Option<Client<M>>,
    ) -> Result<Client<M>, (Option<Client<M>>, String)> {
        let ways = match self.ways().await {
            Ok(ways) => ways,
            Err(reason) => return Err((before, reason)),
        };
        let mut reason = String::new();
        for (place, connect) in ways {
            let failed = match before.take() {
                Some(mut client) => match client.reconnect(&place, connect).await {
                    Ok(()) => return Ok(client),
                    Err(error) => {
                        before = Some(client);
                        error
                    }
                },
                None => {
                    let limits = ClientLimits { window: WINDOW, ..ClientLimits::default() };
                    match Client::connect(&place, connect, limits).await {
                        Ok(client) => return Ok(client),
                        Err(error) => error,
                    }
                }
            };
            reason = failed.to_string();
        }
        Err((before, reason))
    }

    async fn ways(&self) -> Result<Vec<(Place, Connect)>, String> {
        let options = self.options();
        let host = &options.host;
        let port = match options.settings.transport {
            Transport::Mqtt => MQTT_PORT,
            Transport::MqttWebSocket => HTTPS_PORT,
        };
        let addresses = self.addresses(options.port.unwrap_or(port)).await?;
        let bundle = options.workload.trust_bundle().await.map_err(|error| error.to_string())?;
        let trusted = TlsOptions { roots: bundle.as_bytes(), certificate: None, resumption: true };
        let tls = trusted.build().map_err(|error| error.to_string())?;
        let name = ServerName::try_from(host.gateway_host.clone()).map_err(|error| error.to_string())?;
        let websocket = (options.settings.transport == Transport::MqttWebSocket).then(|| Tunnel {
            host: host.gateway_host.clone(),
            path: WEBSOCKET_PATH.to_owned(),
            random: Arc::clone(&options.random),
        });
        let now = options.clock.now();
        let token = options.workload.token(now.plus(TOKEN_LIFE)).await.map_err(|error| error.to_string())?;
        let identity = Identity {
            host: host.hub_host.clone(),
            device: host.device.clone(),
            module: Some(host.module.clone()),
            proof: Proof::Ticket(Bytes::from(token.reveal())),
        };
        let connect = identity.connect(now, TOKEN_LIFE, KEEP_ALIVE_S);
        let place = |address| Place {
            address,
            tls: Some((name.clone(), tls.clone())),
            websocket: websocket.clone(),
            relay: None,
            connect_timeout: CONNECT_TIMEOUT,
        };
        Ok(addresses.into_iter().map(|address| (place(address), connect.clone())).collect())
    }

    async fn addresses(&self, port: u16) -> Result<Vec<SocketAddr>, String> {
        let host = &self.options().host.gateway_host;
        let found = lookup_host((host.as_str(), port)).await;
        let found: Vec<SocketAddr> =
            found.map_err(|error| format!("{host} is not found: {error}"))?.collect();
        if found.is_empty() { Err(format!("{host} has no address")) } else { Ok(found) }
    }
}
