//! What goes over a connection, and over the next one.

use bytes::Bytes;
use skerry_mqtt::client::{ClientLimits, Ended, Event, NotSent};
use skerry_mqtt::packet::{Filter, Packet, PacketId, Publish, Qos, Suback, SubackCode, Text};
use skerry_uplink::{Client, Error, Place};
use tokio::time::timeout;

use crate::peer::{Listener, PATIENCE, Peer, block, connect, puback, topic};

async fn joined(listener: &Listener, keep_alive_s: u16, window: u16) -> (Peer, Client<u32>, Place) {
    let place = listener.place();
    let limits = ClientLimits { window, ..ClientLimits::default() };
    let connecting = Client::connect(&place, connect(keep_alive_s), limits);
    let (served, client) = tokio::join!(listener.welcome(false), connecting);
    (served.0, client.unwrap(), place)
}

async fn event(client: &mut Client<u32>) -> Result<Event<u32>, Error> {
    timeout(PATIENCE, client.event()).await.expect("it hangs")
}

fn message(qos: Qos, payload: Bytes, id: Option<u16>) -> Packet {
    let packet_id = id.and_then(PacketId::new);
    Packet::Publish(Publish { dup: false, qos, retain: false, topic: topic(), packet_id, payload })
}

#[tokio::test]
async fn messages_are_acknowledged_both_ways() {
    let listener = Listener::open().await;
    let (mut peer, mut client, _) = joined(&listener, 0, 1).await;
    client.publish(topic(), Bytes::from_static(b"hello"), 1).unwrap();
    assert!(!client.has_room());
    let unsent = client.publish(topic(), Bytes::new(), 2).unwrap_err();
    assert_eq!((unsent.item, unsent.reason), (2, NotSent::Full));
    let serve = async {
        let publish = peer.hear_publish().await;
        assert_eq!((publish.qos, &publish.payload[..]), (Qos::AtLeastOnce, &b"hello"[..]));
        peer.say(&[puback(&publish), message(Qos::AtLeastOnce, Bytes::new(), Some(9))]).await;
        peer.hear().await
    };
    let act = async {
        assert_eq!(event(&mut client).await.unwrap(), Event::Published(1));
        let Event::Message(received) = event(&mut client).await.unwrap() else { panic!("a message") };
        client.settle(received.packet_id.unwrap());
        // What was written last goes out while the next event is waited for.
        client.event().await.map(drop)
    };
    tokio::select! {
        heard = serve => assert!(matches!(heard, Packet::Ack(ack) if ack.packet_id.get() == 9)),
        ended = act => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn subscriptions_are_answered() {
    let listener = Listener::open().await;
    let (mut peer, mut client, _) = joined(&listener, 0, 4).await;
    let filter = Filter::new(Text::from("a/#")).unwrap();
    let asked = client.subscribe(vec![(filter.clone(), Qos::AtLeastOnce)]).unwrap();
    let left = client.unsubscribe(vec![filter]).unwrap();
    let codes = vec![SubackCode::Granted(Qos::AtLeastOnce)];
    let answer = Packet::Suback(Suback { packet_id: asked, codes: codes.clone() });
    let serve = async {
        assert!(matches!(peer.hear().await, Packet::Subscribe(subscribe) if subscribe.packet_id == asked));
        assert!(
            matches!(peer.hear().await, Packet::Unsubscribe(unsubscribe) if unsubscribe.packet_id == left)
        );
        peer.say(&[answer]).await;
    };
    let ((), answered) = tokio::join!(serve, event(&mut client));
    assert_eq!(answered.unwrap(), Event::Subscribed { packet_id: asked, codes });
}

#[tokio::test]
async fn both_sides_may_send_much_at_once() {
    const COUNT: u16 = 64;
    let listener = Listener::open().await;
    let (mut peer, mut client, _) = joined(&listener, 0, COUNT).await;
    let serve = async move {
        // Nothing is read before everything is written: more than the system holds for us.
        let all: Vec<Packet> =
            (1..=COUNT).map(|id| message(Qos::AtLeastOnce, block(id as u8), Some(id))).collect();
        peer.say(&all).await;
        let (mut published, mut settled) = (0, 0);
        while published < COUNT || settled < COUNT {
            match peer.hear().await {
                Packet::Publish(publish) => {
                    assert_eq!(publish.payload, block(publish.packet_id.unwrap().get() as u8));
                    published += 1;
                    peer.say(&[puback(&publish)]).await;
                }
                Packet::Ack(_) => settled += 1,
                other => panic!("{other:?}"),
            }
        }
    };
    let act = async {
        let (mut sent, mut acknowledged, mut received) = (0, 0, 0);
        let mut last_settled = false;
        while acknowledged < COUNT || received < COUNT || !last_settled {
            while sent < COUNT && client.has_room() {
                sent += 1;
                client.publish(topic(), block(sent as u8), u32::from(sent)).unwrap();
            }
            if acknowledged == COUNT && received == COUNT {
                // The last acknowledgements are still to be written; the peer closes behind them.
                last_settled = client.event().await.is_err();
                continue;
            }
            match event(&mut client).await.unwrap() {
                Event::Published(_) => acknowledged += 1,
                Event::Message(publish) => {
                    received += 1;
                    client.settle(publish.packet_id.unwrap());
                }
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(PATIENCE, async { tokio::join!(serve, act) }).await.expect("both wait for each other");
}

#[tokio::test]
async fn what_may_wait_to_be_written_is_bounded() {
    let listener = Listener::open().await;
    let (_peer, mut client, _) = joined(&listener, 0, 1000).await;
    let sent = (0..1000).take_while(|item| client.publish(topic(), block(0), *item).is_ok()).count();
    assert_eq!(sent, 16, "one MiB");
    assert_eq!(client.send(topic(), Bytes::new()), Err(NotSent::Full));
    assert!(!client.has_room());
}

#[tokio::test]
async fn a_broken_connection_loses_nothing_that_was_not_acknowledged() {
    let listener = Listener::open().await;
    let (mut peer, mut client, place) = joined(&listener, 0, 4).await;
    for item in [1, 2, 3] {
        client.publish(topic(), Bytes::from(item.to_string()), item).unwrap();
    }
    let serve = async {
        let first = peer.hear_publish().await;
        peer.say(&[puback(&first)]).await;
        drop(peer);
    };
    let ((), ended) = tokio::join!(serve, async {
        assert_eq!(event(&mut client).await.unwrap(), Event::Published(1));
        event(&mut client).await.unwrap_err()
    });
    assert!(matches!(ended, Error::Closed | Error::Broken(_)) && ended.is_passing(), "{ended}");
    let (served, again) = tokio::join!(listener.welcome(true), client.reconnect(&place, connect(0)));
    again.unwrap();
    let (mut peer, _) = served;
    assert!(client.session_present());
    assert_eq!(client.pending_count(), 2);
    client.resend(|item| (topic(), Bytes::from(item.to_string())));
    let serve = async {
        for item in ["2", "3"] {
            let publish = peer.hear_publish().await;
            assert_eq!((publish.dup, &publish.payload[..]), (true, item.as_bytes()));
            peer.say(&[puback(&publish)]).await;
        }
    };
    let ((), events) =
        tokio::join!(serve, async { [event(&mut client).await.unwrap(), event(&mut client).await.unwrap()] });
    assert_eq!(events, [Event::Published(2), Event::Published(3)]);
}

#[tokio::test]
async fn a_silent_server_is_pinged_and_then_left() {
    let listener = Listener::open().await;
    let (mut peer, mut client, _) = joined(&listener, 60, 1).await;
    // From here on time passes whenever nobody has anything to do.
    tokio::time::pause();
    let ended = client.event().await.unwrap_err();
    assert!(matches!(ended, Error::Ended(Ended::Silent)), "{ended}");
    assert_eq!(peer.hear().await, Packet::Pingreq);
}

#[tokio::test]
async fn many_clients_live_side_by_side() {
    const CLIENTS: u32 = 200;
    let listener = Listener::open().await;
    let place = listener.place();
    let serve = async {
        let mut served = tokio::task::JoinSet::new();
        for _ in 0..CLIENTS {
            let (mut peer, _) = listener.welcome(false).await;
            served.spawn(async move {
                let publish = peer.hear_publish().await;
                peer.say(&[puback(&publish)]).await;
                assert_eq!(peer.hear_or_end().await, Some(Packet::Disconnect));
            });
        }
        served.join_all().await;
    };
    let act = async {
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..CLIENTS {
            let place = place.clone();
            clients.spawn(async move {
                let mut client = Client::connect(&place, connect(60), ClientLimits::default()).await.unwrap();
                client.publish(topic(), Bytes::new(), number).unwrap();
                assert_eq!(client.event().await.unwrap(), Event::Published(number));
                client.close().await;
            });
        }
        clients.join_all().await;
    };
    timeout(PATIENCE, async { tokio::join!(serve, act) }).await.expect("it hangs");
}
