//! AMQP inside a WebSocket.

use bytes::{Buf as _, BytesMut};
use skerry_amqp::performative::Outcome;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::client::{Peer, body, options};
use crate::world::{World, until, within};

const MASK: [u8; 4] = [1, 2, 3, 4];

/// Opens a WebSocket; the answer's head, and the stream behind it.
async fn ask(world: &World, path: &str) -> (String, TlsStream<TcpStream>) {
    let mut stream = world.client(&["http/1.1"]).connect().await;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: hub1.iot.test:443\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: AMQPWSB10\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    (String::from_utf8(head).unwrap(), stream)
}

/// The bytes inside, in frames as browsers make them; it ends when either side does.
async fn carry(stream: TlsStream<TcpStream>, inside: DuplexStream) {
    let (mut read, mut write) = tokio::io::split(stream);
    let (mut inner_read, mut inner_write) = tokio::io::split(inside);
    let out = async {
        let mut piece = vec![0; 1000];
        while let Ok(len @ 1..) = inner_read.read(&mut piece).await {
            let mut frame = vec![0x82, 0x80 | 126];
            frame.extend((len as u16).to_be_bytes());
            frame.extend(MASK);
            frame.extend(piece[..len].iter().enumerate().map(|(at, byte)| byte ^ MASK[at & 3]));
            write.write_all(&frame).await.ok();
            write.flush().await.ok();
        }
    };
    let into = async {
        let mut bytes = BytesMut::new();
        loop {
            while let Some(payload) = unframed(&mut bytes) {
                inner_write.write_all(&payload).await.ok();
            }
            if !matches!(read.read_buf(&mut bytes).await, Ok(1..)) {
                inner_write.shutdown().await.ok();
                return;
            }
        }
    };
    tokio::select! {
        () = out => {}
        () = into => {}
    }
}

/// The payload of the next whole frame of the server.
fn unframed(bytes: &mut BytesMut) -> Option<BytesMut> {
    let (head, len) = match *bytes.get(1)? {
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize),
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()).into()),
        short => (2, short.into()),
    };
    if bytes.len() < head + len {
        return None;
    }
    let is_binary = bytes[0] == 0x82;
    bytes.advance(head);
    let payload = bytes.split_to(len);
    is_binary.then_some(payload).or(Some(BytesMut::new()))
}

#[tokio::test]
async fn amqp_is_spoken_inside_on_every_path() {
    let world = World::start();
    for (count, path) in (1..).zip([
        "/$iothub/websocket",
        "/$servicebus/websocket",
        "/$iothub/websocket?iothub-no-client-cert=true",
        "/%24servicebus/websocket/",
    ]) {
        let (head, stream) = ask(&world, path).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{path}: {head}");
        assert!(head.to_ascii_lowercase().contains("sec-websocket-protocol: amqpwsb10"), "{head}");
        let (mine, inside) = tokio::io::duplex(1 << 16);
        let carrying = tokio::spawn(carry(stream, inside));
        let mut peer = Peer::open(mine, options(), None).await;
        peer.put_token("hub1.iot.test/devices/d1", "good").await;
        let sender = peer.sender("/devices/d1/messages/events").await;
        let large = vec![b'x'; 200 << 10];
        assert_eq!(peer.deliver(sender, body(&large)).await, Outcome::Accepted);
        assert_eq!(*world.devices.bodies.lock().unwrap().last().unwrap(), large);
        peer.machine.close(None);
        assert_eq!(peer.closed().await, None);
        within(carrying).await.unwrap();
        until("the session is over", || *world.devices.gone.borrow() == count).await;
    }
    assert_eq!(world.handle.figures().amqp_left.get(), 4);
    world.stopped().await;
}
