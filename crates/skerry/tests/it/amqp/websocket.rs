//! The same inside WebSockets, on the port of HTTPS.

use std::sync::Arc;

use skerry_model::Random;
use skerry_mqtt::client::ClientLimits;
use skerry_mqtt::packet::Text;
use skerry_uplink::amqp::{Client, Event, Outcome};
use skerry_uplink::{Error, Place, Tunnel};

use super::{HOUR, authorize, message, next, now, opening, place, sender};
use crate::mqtt::new_device;
use crate::process::{HOST, Hub};

/// Masks need no secrecy here.
struct Counted;

impl Random for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = 0x5e ^ at as u8);
    }
}

fn tunnelled(hub: &Hub, path: &str) -> Place {
    let tunnel = Tunnel { host: HOST.to_owned(), path: path.to_owned(), random: Arc::new(Counted) };
    Place { address: hub.address, websocket: Some(tunnel), ..place(hub) }
}

#[test]
fn both_protocols_go_through_where_only_https_does() {
    let hub = Hub::start();
    let identity = new_device(&hub, "d1");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for path in ["/$iothub/websocket", "/$servicebus/websocket"] {
            let mut client: Client<usize> = Client::connect(&tunnelled(&hub, path), opening()).await.unwrap();
            authorize(&mut client, &identity, HOUR).await;
            let link = sender(&mut client, &identity).await;
            // More than a frame, a read and a piece, up to the largest that devices may send.
            for (item, len) in [1, 70_000, 250_000].into_iter().enumerate() {
                while !client.is_ready(link) {
                    next(&mut client).await.unwrap();
                }
                client.send(link, message(&"x".repeat(len), &[]), item).unwrap();
                loop {
                    match next(&mut client).await.unwrap() {
                        Event::Sent { item: known, outcome, .. } => {
                            assert_eq!((known, outcome), (item, Outcome::Accepted));
                            break;
                        }
                        Event::Ready { .. } => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
            client.close().await;
        }
        let greeting = identity.connect(now(), HOUR, 60);
        let place = tunnelled(&hub, "/$iothub/websocket");
        let mut client: skerry_uplink::Client<()> =
            skerry_uplink::Client::connect(&place, greeting, ClientLimits::default()).await.unwrap();
        client.publish(Text::from("devices/d1/messages/events/"), "hello".into(), ()).unwrap();
        assert_eq!(client.event().await.unwrap(), skerry_mqtt::client::Event::Published(()));
        client.close().await;
        let nowhere = Client::<()>::connect(&tunnelled(&hub, "/elsewhere"), opening()).await.unwrap_err();
        assert!(matches!(nowhere, Error::NoWebSocket { .. }) && !nowhere.is_passing(), "{nowhere}");
    });
    hub.stop();
}
