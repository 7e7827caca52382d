use std::sync::Arc;

use bytes::Bytes;
use skerry_mqtt::client::{ClientLimits, Event};
use skerry_mqtt::packet::{Ack, Packet, Packets, Sender, Text};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::client::{bytes, connect, id, telemetry};
use crate::world::{NAME, PATIENCE, World, until, within};

/// Asks for a WebSocket; the answer's head, and the stream behind it.
async fn ask(world: &World, protocol: &str) -> (String, TlsStream<TcpStream>) {
    let mut stream = world.client(&["http/1.1"]).connect().await;
    let request = format!(
        "GET /$iothub/websocket?iothub-no-client-cert=true HTTP/1.1\r\nHost: hub1.iot.test:443\r\n\
         Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    (String::from_utf8(head).unwrap().to_ascii_lowercase(), stream)
}

/// A client's side, by hand.
struct Socket(TlsStream<TcpStream>);

impl Socket {
    async fn open(world: &World) -> Self {
        let (head, stream) = ask(world, "MQTT").await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        Self(stream)
    }

    async fn send(&mut self, first: u8, payload: &[u8]) {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap()];
        frame.extend(mask);
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at & 3]));
        self.0.write_all(&frame).await.unwrap();
    }

    /// The first byte and the payload of the next frame.
    async fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = within(self.0.read_u8()).await.ok()?;
        let len = self.0.read_u8().await.ok()?;
        let mut payload = vec![0; len.into()];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((first, payload))
    }

    async fn packet(&mut self) -> Option<Packet> {
        let (first, payload) = self.receive().await?;
        assert_eq!(first, 0x82);
        Packets::new(payload.into(), Sender::Server).next().map(Result::unwrap)
    }
}

#[tokio::test]
async fn mqtt_inside_a_websocket_is_a_stream_of_bytes() {
    let world = World::start();
    let mut socket = Socket::open(&world).await;
    let all = bytes(&[Packet::Connect(Box::new(connect("good"))), telemetry(4, "by the way")]);
    // Packets begin and end where they like.
    for piece in all.chunks(7) {
        socket.send(0x82, piece).await;
    }
    assert!(matches!(socket.packet().await, Some(Packet::Connack(_))));
    assert_eq!(socket.packet().await, Some(Packet::Ack(Ack::puback(id(4)))));
    socket.send(0x89, b"you there").await;
    assert_eq!(socket.receive().await, Some((0x8a, b"you there".to_vec())));
    socket.send(0x81, b"not bytes").await;
    assert_eq!(socket.receive().await, None);
    until("the session is over", || *world.devices.gone.borrow() == 1).await;
    world.stopped().await;
}

#[tokio::test]
async fn a_goodbye_in_the_websocket_is_answered() {
    let world = World::start();
    let mut socket = Socket::open(&world).await;
    socket.send(0x82, &bytes(&[Packet::Connect(Box::new(connect("good")))])).await;
    assert!(socket.packet().await.is_some());
    socket.send(0x88, &1000_u16.to_be_bytes()).await;
    assert_eq!(socket.receive().await, Some((0x88, 1000_u16.to_be_bytes().to_vec())));
    until("the session is over", || *world.devices.gone.borrow() == 1).await;
    world.stopped().await;
}

#[tokio::test]
async fn a_websocket_for_something_else_is_refused_and_http_goes_on() {
    let world = World::start();
    let (head, _stream) = ask(&world, "chat").await;
    assert!(head.starts_with("http/1.1 400 "), "{head}");
    let mut socket = Socket::open(&world).await;
    socket.send(0x82, &bytes(&[Packet::Connect(Box::new(connect("good")))])).await;
    assert!(socket.packet().await.is_some());
    // A stop does not wait for it.
    world.stopped().await;
}

#[tokio::test]
async fn our_own_client_comes_through_as_well() {
    let world = World::start();
    let client = world.client(&["http/1.1"]);
    let websocket = skerry_uplink::Tunnel {
        host: NAME.to_owned(),
        path: "/$iothub/websocket".to_owned(),
        random: Arc::new(crate::world::TestRandom::default()),
    };
    let place = skerry_uplink::Place {
        address: client.address,
        tls: Some((NAME.try_into().unwrap(), Arc::clone(&client.config))),
        websocket: Some(websocket),
        relay: None,
        connect_timeout: PATIENCE,
    };
    let limits = ClientLimits::default();
    let mut client = within(skerry_uplink::Client::connect(&place, connect("good"), limits)).await.unwrap();
    // Longer than one frame, and than what is read at once.
    let payload = Bytes::from(vec![b'x'; 200_000]);
    let topic = || Text::from("devices/d1/messages/events/");
    client.publish(topic(), payload, 1).unwrap();
    client.publish(topic(), Bytes::from_static(b"short"), 2).unwrap();
    for item in [1, 2] {
        assert_eq!(within(client.event()).await.unwrap(), Event::Published(item));
    }
    client.close().await;
    until("the session is over", || *world.devices.gone.borrow() == 1).await;
    world.stopped().await;
}
