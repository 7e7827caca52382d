//! The way of a test's agent to its hub.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use skerry_edge_agent::link::{Before, Protocol, Ticket, Upstream, Way, WayError, WayIn};
use skerry_model::Random;
use skerry_runtime::Answer;
use skerry_tokens::{Secret, SharedKey};
use skerry_uplink::{Identity, Place, Proof, Relay, TlsOptions, Tunnel};

use super::proxy;
use crate::mqtt::PATIENCE;
use crate::process::{HOST, Hub};

pub(crate) struct Guide {
    pub(crate) upstream: Upstream,
    pub(crate) proxy: Option<SocketAddr>,
    pub(crate) key: SharedKey,
    pub(crate) root: Vec<u8>,
    /// Of MQTT, AMQP and HTTPS; a hub that is started anew has others.
    pub(crate) ports: Mutex<[u16; 3]>,
    pub(crate) ticket_life: Duration,
    pub(crate) renew_after: Duration,
    /// Tickets that were given on the way, without those of new connections.
    pub(crate) renewals: AtomicU32,
}

pub(crate) fn ports(hub: &Hub) -> [u16; 3] {
    [hub.mqtt_address, hub.amqp_address, hub.address].map(|address| address.port())
}

/// Masks and pauses need no secrecy here.
pub(crate) struct Even;

impl Random for Even {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0x2a);
    }
}

impl Guide {
    fn identity(&self) -> Identity {
        Identity {
            host: HOST.to_owned(),
            device: super::DEVICE.parse().unwrap(),
            module: Some("$edgeAgent".parse().unwrap()),
            proof: Proof::Key(self.key.clone()),
        }
    }

    fn sign(&self) -> Ticket {
        let token = self.identity().token(super::now().plus(self.ticket_life)).unwrap();
        Ticket { token, renew_after: self.renew_after }
    }
}

impl WayIn for Guide {
    fn way(&self, _: Before) -> Answer<'_, Way, WayError> {
        Box::pin(async {
            let [mqtt, amqp, https] = *self.ports.lock().unwrap();
            let port = match (self.upstream.is_websocket(), self.upstream.protocol()) {
                (true, _) => https,
                (false, Protocol::Mqtt) => mqtt,
                (false, Protocol::Amqp) => amqp,
            };
            let tls = TlsOptions { roots: &self.root, certificate: None, resumption: false }.build().unwrap();
            let authorization = Some(Secret::new(proxy::AUTHORIZATION.to_owned()));
            let place = Place {
                address: self.proxy.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port))),
                relay: self.proxy.map(|_| Relay { host: HOST.to_owned(), port, authorization }),
                tls: Some((HOST.to_owned().try_into().unwrap(), tls)),
                websocket: self.upstream.is_websocket().then(|| Tunnel {
                    host: HOST.to_owned(),
                    path: "/$iothub/websocket".to_owned(),
                    random: Arc::new(Even),
                }),
                connect_timeout: PATIENCE,
            };
            let (protocol, ticket) = (self.upstream.protocol(), self.sign());
            Ok(Way { place, protocol, identity: self.identity(), ticket })
        })
    }

    fn ticket(&self) -> Answer<'_, Ticket, WayError> {
        self.renewals.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(self.sign()) })
    }
}
