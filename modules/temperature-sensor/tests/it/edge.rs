//! The edge around the sensor.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use skerry_model::{Clock, Random, Timestamp};
use skerry_mqtt::packet::{
    Ack, Connack, ConnectCode, Packet, PacketId, Packets, Publish, Qos, Sender, Suback, SubackCode, Text,
    whole,
};
use skerry_mqtt::topic::Inbound;
use skerry_temperature_sensor::{Host, Sensor, SensorOptions, Settings, Workload};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the played edge signs with: the test looks at what was signed, not at how.
pub(crate) const DIGEST: [u8; 32] = [7; 32];

struct At;

impl Clock for At {
    fn now(&self) -> Timestamp {
        "2024-05-01T12:00:00.25Z".parse().unwrap()
    }
}

struct Even;

impl Random for Even {
    fn fill(&self, bytes: &mut [u8]) {
        // One half, wherever a chance is made of it.
        bytes.iter_mut().zip([0, 0, 0, 0x80].into_iter().cycle()).for_each(|(byte, even)| *byte = even);
    }
}

pub(crate) struct Edge {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    /// What the workload API was asked: paths, and bodies.
    pub(crate) asked: Arc<Mutex<Vec<(String, Value)>>>,
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    sensor: JoinHandle<()>,
    workload: JoinHandle<()>,
    _folder: TempDir,
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.sensor.abort();
        self.workload.abort();
    }
}

impl Edge {
    /// Starts a sensor with these variables.
    pub(crate) async fn start(variables: &[(&'static str, &'static str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("workload.sock");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &root).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(leaf.pem().as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let workload =
            tokio::spawn(workload(UnixListener::bind(&socket).unwrap(), root.pem(), asked.clone()));
        let known = |name: &str| match name {
            "IOTEDGE_IOTHUBHOSTNAME" => Some("hub.example.com".to_owned()),
            "IOTEDGE_GATEWAYHOSTNAME" => Some("localhost".to_owned()),
            "IOTEDGE_DEVICEID" => Some("edge-1".to_owned()),
            "IOTEDGE_MODULEID" => Some("sensor".to_owned()),
            "IOTEDGE_MODULEGENERATIONID" => Some("638 5".to_owned()),
            "IOTEDGE_WORKLOADURI" => Some(format!("unix://{}", socket.display())),
            "IOTEDGE_APIVERSION" => Some("2022-08-03".to_owned()),
            _ => None,
        };
        let host = Host::read(known).unwrap();
        let found =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let sensor = Sensor::new(SensorOptions {
            workload: Workload::new(host.clone()),
            host,
            settings: Settings::read(found).unwrap(),
            clock: Arc::new(At),
            random: Arc::new(Even),
            log: move |line: &str| lines.lock().unwrap().push(line.to_owned()),
            port: Some(listener.local_addr().unwrap().port()),
        });
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let sensor = tokio::spawn(sensor.run());
        Self { listener, acceptor, asked, log, sensor, workload, _folder: folder }
    }

    /// Lets the sensor in and gives it a twin; what it said of itself.
    pub(crate) async fn welcome(&self, desired: &Value) -> (Hub, String, String) {
        let accepted = timeout(PATIENCE, self.listener.accept()).await;
        let (tcp, _) = accepted.unwrap_or_else(|_| panic!("nobody comes: {:?}", self.log)).unwrap();
        let stream = self.acceptor.accept(tcp).await.unwrap();
        let mut hub =
            Hub { stream, input: BytesMut::new(), packets: Vec::new().into_iter(), early: Vec::new() };
        let Packet::Connect(connect) = hub.hear().await else { panic!("the first packet") };
        hub.say(&Packet::Connack(Connack { session_present: false, code: ConnectCode::Accepted })).await;
        let Packet::Subscribe(subscribe) = hub.hear().await else { panic!("then subscriptions") };
        let codes = vec![SubackCode::Granted(Qos::AtLeastOnce); subscribe.filters.len()];
        hub.say(&Packet::Suback(Suback { packet_id: subscribe.packet_id, codes })).await;
        // Messages may come before the question for the twin.
        loop {
            let publish = hub.hear_publish().await;
            if let Some(request) = publish.topic.as_str().strip_prefix("$iothub/twin/GET/?$rid=") {
                let topic = format!("$iothub/twin/res/200/?$rid={request}");
                hub.send(&topic, &json!({"desired": desired, "reported": {}}), None).await;
                break;
            }
            hub.early.push(publish);
        }
        let user = connect.user_name.unwrap().as_str().to_owned();
        let password = String::from_utf8(connect.password.unwrap().to_vec()).unwrap();
        (hub, user, password)
    }
}

/// The edge hub's end of one connection.
pub(crate) struct Hub {
    stream: TlsStream<TcpStream>,
    input: BytesMut,
    packets: std::vec::IntoIter<Packet>,
    early: Vec<Publish>,
}

impl Hub {
    async fn say(&mut self, packet: &Packet) {
        let mut out = Vec::new();
        packet.encode(&mut out);
        self.stream.write_all(&out).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(crate) async fn send(&mut self, topic: &str, payload: &Value, id: Option<u16>) {
        let publish = Publish {
            dup: false,
            qos: if id.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce },
            retain: false,
            topic: Text::from(topic),
            packet_id: id.map(|id| PacketId::new(id).unwrap()),
            payload: Bytes::from(payload.to_string()),
        };
        self.say(&Packet::Publish(publish)).await;
    }

    async fn hear(&mut self) -> Packet {
        loop {
            if let Some(packet) = self.packets.next() {
                return packet;
            }
            let found = whole(&self.input, 1 << 20).unwrap();
            let block = self.input.split_to(found.bytes).freeze();
            let packets: Vec<Packet> = Packets::new(block, Sender::Client).map(Result::unwrap).collect();
            self.packets = packets.into_iter();
            if self.packets.len() == 0 {
                let read =
                    timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await.expect("it says nothing");
                assert!(read.unwrap() > 0, "the sensor has gone");
            }
        }
    }

    async fn hear_publish(&mut self) -> Publish {
        loop {
            match self.hear().await {
                Packet::Publish(publish) => return publish,
                Packet::Ack(_) => {}
                other => panic!("{other:?} is no PUBLISH"),
            }
        }
    }

    /// The next message, acknowledged: its number, and its body.
    pub(crate) async fn message(&mut self) -> (u64, Value) {
        loop {
            let publish = self.any().await;
            if let Some(found) = message(&publish) {
                self.say(&Packet::Ack(Ack::puback(publish.packet_id.unwrap()))).await;
                return found;
            }
        }
    }

    /// The next message, which stays unacknowledged.
    pub(crate) async fn message_in_vain(&mut self) -> (u64, Value) {
        loop {
            if let Some(found) = message(&self.any().await) {
                return found;
            }
        }
    }

    /// The next publish that is no message; messages before it are acknowledged.
    pub(crate) async fn answer(&mut self) -> (String, Value) {
        loop {
            let publish = self.any().await;
            if message(&publish).is_none() {
                let payload = serde_json::from_slice(&publish.payload).unwrap_or_default();
                return (publish.topic.as_str().to_owned(), payload);
            }
            self.say(&Packet::Ack(Ack::puback(publish.packet_id.unwrap()))).await;
        }
    }

    async fn any(&mut self) -> Publish {
        if self.early.is_empty() { self.hear_publish().await } else { self.early.remove(0) }
    }
}

/// Number and body of a message; its properties are those of the original.
fn message(publish: &Publish) -> Option<(u64, Value)> {
    let (device, module) = ("edge-1".parse().unwrap(), "sensor".parse().unwrap());
    let Ok(Inbound::Telemetry(bag)) = Inbound::parse(publish.topic.as_str(), &device, Some(&module)) else {
        return None;
    };
    assert_eq!(bag.system.output.as_deref(), Some("temperatureOutput"));
    assert_eq!(bag.system.content_type.as_deref(), Some("application/json"));
    assert_eq!(bag.system.content_encoding.as_deref(), Some("utf-8"));
    let property =
        |name: &str| bag.application.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    assert_eq!(property("batchId").unwrap(), "00000080-0000-4080-8000-008000000080");
    let number = property("sequenceNumber").unwrap().parse().unwrap();
    Some((number, serde_json::from_slice(&publish.payload).unwrap()))
}

/// Signs everything, and gives the root away.
async fn workload(listener: UnixListener, root: String, asked: Arc<Mutex<Vec<(String, Value)>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut input = Vec::new();
        let (path, body) = loop {
            let mut bytes = [0; 4096];
            let len = stream.read(&mut bytes).await.unwrap();
            input.extend_from_slice(&bytes[..len]);
            let text = String::from_utf8_lossy(&input).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
            });
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                break (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned());
            }
        };
        let answer = if path.starts_with("/trust-bundle") {
            json!({ "certificate": root })
        } else {
            json!({"digest": STANDARD.encode(DIGEST)})
        };
        asked.lock().unwrap().push((path, serde_json::from_str(&body).unwrap_or_default()));
        let answer = answer.to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
        stream.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
    }
}
