//! What stands above the edge: where its hub's MQTT would be, a server that answers every question with
//! the edge hub's routes, acknowledges every message, and can be away.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::{Bytes, BytesMut};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use skerry_mqtt::packet::{
    Ack, Connack, ConnectCode, Packet, Packets, Publish, Qos, Sender, Suback, SubackCode, Text, whole,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::door::{Door, Host};
use crate::meter::Trouble;
use crate::papers::Papers;

const READ_BYTES: usize = 64 << 10;
const PACKET_BYTES_MAX: usize = 1 << 20;
const TWIN: &str = "$iothub/twin/";
const EDGE_HUB: &str = "/$edgeHub";

pub(crate) struct Above {
    door: Door<Inside>,
}

struct Inside {
    acceptor: TlsAcceptor,
    /// What the edge hub is to do.
    desired: Value,
    taken: AtomicU64,
}

impl Above {
    pub(crate) fn start(papers: &Papers, routes: &BTreeMap<&str, String>) -> Result<Self, Trouble> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(papers.certificate())?],
                PrivateKeyDer::from_pem_file(papers.key())?,
            )?;
        let desired = json!({
            "schemaVersion": "1.1",
            "routes": routes,
            "storeAndForwardConfiguration": {"timeToLiveSecs": 86_400},
        });
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { door: Door::open(Inside { acceptor, desired, taken: AtomicU64::new(0) })? })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.door.address
    }

    /// Comes back, to the same place.
    pub(crate) fn come(&mut self) -> Result<(), Trouble> {
        self.door.come()
    }

    /// Goes, with all its connections.
    pub(crate) async fn leave(&mut self) {
        self.door.leave().await;
    }

    /// Messages that it acknowledged.
    pub(crate) fn taken(&self) -> u64 {
        self.door.host.taken.load(Relaxed)
    }
}

impl Host for Inside {
    async fn converse(&self, tcp: TcpStream) -> Result<(), Trouble> {
        tcp.set_nodelay(true)?;
        let mut stream = self.acceptor.accept(tcp).await?;
        let (mut input, mut out) = (BytesMut::with_capacity(READ_BYTES), Vec::new());
        let mut is_edge_hub = false;
        while stream.read_buf(&mut input).await? > 0 {
            let found = whole(&input, PACKET_BYTES_MAX)?;
            for packet in Packets::new(input.split_to(found.bytes).freeze(), Sender::Client) {
                match packet? {
                    Packet::Connect(connect) => {
                        is_edge_hub = connect.client_id.ends_with(EDGE_HUB);
                        Packet::Connack(Connack { session_present: false, code: ConnectCode::Accepted })
                            .encode(&mut out);
                    }
                    Packet::Publish(publish) => match publish.packet_id {
                        Some(id) => {
                            self.taken.fetch_add(1, Relaxed);
                            Packet::Ack(Ack::puback(id)).encode(&mut out);
                        }
                        None => self.answer(&publish.topic, is_edge_hub, &mut out),
                    },
                    Packet::Subscribe(subscribe) => {
                        let codes = vec![SubackCode::Granted(Qos::AtLeastOnce); subscribe.filters.len()];
                        Packet::Suback(Suback { packet_id: subscribe.packet_id, codes }).encode(&mut out);
                    }
                    Packet::Pingreq => Packet::Pingresp.encode(&mut out),
                    Packet::Disconnect => return Ok(()),
                    _ => {}
                }
            }
            stream.write_all(&out).await?;
            stream.flush().await?;
            out.clear();
            input.reserve(READ_BYTES);
        }
        Ok(())
    }
}

impl Inside {
    /// A twin that was asked for, or something that was reported.
    fn answer(&self, topic: &str, is_edge_hub: bool, out: &mut Vec<u8>) {
        let Some(asked) = topic.strip_prefix(TWIN) else { return };
        let Some((_, request)) = asked.split_once("$rid=") else { return };
        let (head, payload) = match asked.starts_with("GET/") {
            true => (format!("{TWIN}res/200/?$rid={request}"), self.twin(is_edge_hub).to_string()),
            false => (format!("{TWIN}res/204/?$rid={request}&$version=2"), String::new()),
        };
        let topic = Text::from(head.as_str());
        let answer = Publish {
            dup: false,
            qos: Qos::AtMostOnce,
            retain: false,
            topic,
            packet_id: None,
            payload: Bytes::from(payload),
        };
        Packet::Publish(answer).encode(out);
    }

    fn twin(&self, is_edge_hub: bool) -> Value {
        let mut desired = if is_edge_hub { self.desired.clone() } else { json!({}) };
        desired["$version"] = json!(1);
        json!({"desired": desired, "reported": {"$version": 1}})
    }
}
