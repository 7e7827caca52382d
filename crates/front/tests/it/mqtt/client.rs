//! A client that sends what it is told, right or wrong.

use bytes::{Bytes, BytesMut};
use skerry_mqtt::packet::{
    Connect, Filter, Packet, PacketId, Packets, Publish, Qos, Sender, Subscribe, Text, whole,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::world::{Client, World, within};

pub struct Raw<S = TlsStream<TcpStream>> {
    pub stream: S,
    read: BytesMut,
    ready: Option<Packets>,
}

pub fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

pub fn connect(password: &str) -> Connect {
    Connect {
        level: 4,
        clean_session: false,
        keep_alive_s: 60,
        client_id: "d1".into(),
        user_name: Some("hub1.iot.test/d1/?api-version=2021-04-12".into()),
        password: Some(Bytes::copy_from_slice(password.as_bytes())),
        will: None,
    }
}

pub fn publish(topic: &str, number: Option<u16>, payload: &str) -> Packet {
    let qos = if number.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
    let (topic, payload) = (Text::from(topic), Bytes::copy_from_slice(payload.as_bytes()));
    Packet::Publish(Publish { dup: false, qos, retain: false, topic, packet_id: number.map(id), payload })
}

pub fn telemetry(number: u16, payload: &str) -> Packet {
    publish("devices/d1/messages/events/", Some(number), payload)
}

pub fn subscribe(number: u16, filters: &[(&str, Qos)]) -> Packet {
    let filters = filters.iter().map(|(text, qos)| (Filter::new(Text::from(*text)).unwrap(), *qos)).collect();
    Packet::Subscribe(Subscribe { packet_id: id(number), filters })
}

pub fn bytes(packets: &[Packet]) -> Vec<u8> {
    let mut bytes = Vec::new();
    packets.iter().for_each(|packet| packet.encode(&mut bytes));
    bytes
}

impl World {
    pub fn mqtt_client(&self) -> Client {
        let root = std::fs::read(self.root_path()).unwrap();
        Client::new(self.handle.mqtt_address().unwrap(), &root, &[], &self.clock)
    }

    /// TLS, and nothing said yet.
    pub async fn stranger(&self) -> Raw {
        Raw::over(self.mqtt_client().connect().await)
    }

    /// A client that is in, and whether its session was there.
    pub async fn device(&self) -> (Raw, bool) {
        self.device_with(connect("good")).await
    }

    pub async fn device_with(&self, connect: Connect) -> (Raw, bool) {
        let mut raw = self.stranger().await;
        raw.send(&[Packet::Connect(Box::new(connect))]).await;
        match raw.receive().await {
            Some(Packet::Connack(connack)) if connack.code.number() == 0 => (raw, connack.session_present),
            other => panic!("{other:?}"),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub fn over(stream: S) -> Self {
        Self { stream, read: BytesMut::new(), ready: None }
    }

    pub async fn send(&mut self, packets: &[Packet]) {
        self.send_bytes(&bytes(packets)).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        // Who is refused may be cut off while it still writes.
        self.stream.write_all(bytes).await.ok();
        self.stream.flush().await.ok();
    }

    /// The next packet; `None` when the server is gone.
    pub async fn receive(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.ready.as_mut().and_then(Iterator::next) {
                return Some(packet.unwrap());
            }
            let found = whole(&self.read, 1 << 20).unwrap();
            if found.bytes > 0 {
                let block = self.read.split_to(found.bytes).freeze();
                self.ready = Some(Packets::new(block, Sender::Server));
                continue;
            }
            match within(self.stream.read_buf(&mut self.read)).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub async fn is_closed(&mut self) -> bool {
        self.receive().await.is_none()
    }

    /// Nothing was sent that was not asked for: the answer to a ping comes next.
    pub async fn is_silent(&mut self) -> bool {
        self.send(&[Packet::Pingreq]).await;
        self.receive().await == Some(Packet::Pingresp)
    }
}
