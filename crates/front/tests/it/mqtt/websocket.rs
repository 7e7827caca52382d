use futures_util::{SinkExt as _, StreamExt as _};
use skerry_mqtt::packet::{Ack, Packet, Packets, Sender};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::client::{bytes, connect, id, telemetry};
use crate::world::{World, until, within};

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

async fn socket(world: &World) -> WebSocketStream<TlsStream<TcpStream>> {
    let (head, stream) = ask(world, "MQTT").await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    WebSocketStream::from_raw_socket(stream, Role::Client, None).await
}

async fn packet(socket: &mut WebSocketStream<TlsStream<TcpStream>>) -> Option<Packet> {
    loop {
        match within(socket.next()).await {
            Some(Ok(Message::Binary(block))) => {
                return Packets::new(block, Sender::Server).next().map(Result::unwrap);
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

#[tokio::test]
async fn mqtt_inside_a_websocket_is_a_stream_of_bytes() {
    let world = World::start();
    let mut socket = socket(&world).await;
    let all = bytes(&[Packet::Connect(Box::new(connect("good"))), telemetry(4, "by the way")]);
    // Packets begin and end where they like.
    for piece in all.chunks(7) {
        socket.send(Message::Binary(piece.to_vec().into())).await.unwrap();
    }
    assert!(matches!(packet(&mut socket).await, Some(Packet::Connack(_))));
    assert_eq!(packet(&mut socket).await, Some(Packet::Ack(Ack::puback(id(4)))));
    socket.send(Message::Ping(b"you there".to_vec().into())).await.unwrap();
    assert!(matches!(within(socket.next()).await, Some(Ok(Message::Pong(pong))) if pong == b"you there"[..]));
    socket.send(Message::Text("not bytes".into())).await.unwrap();
    assert_eq!(packet(&mut socket).await, None);
    until("the session is over", || *world.devices.gone.borrow() == 1).await;
    world.stopped().await;
}

#[tokio::test]
async fn a_websocket_for_something_else_is_refused_and_http_goes_on() {
    let world = World::start();
    let (head, _stream) = ask(&world, "chat").await;
    assert!(head.starts_with("http/1.1 400 "), "{head}");
    let mut socket = socket(&world).await;
    socket.send(Message::Binary(bytes(&[Packet::Connect(Box::new(connect("good")))]).into())).await.unwrap();
    assert!(packet(&mut socket).await.is_some());
    // A stop does not wait for it.
    world.stopped().await;
}
