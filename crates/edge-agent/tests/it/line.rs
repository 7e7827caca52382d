//! The line over MQTT against a hub that is played by hand, over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use skerry_edge_agent::link::{
    Before, CallId, HubEvent, HubLink, Line, LineOptions, Protocol, Ticket, Way, WayError, WayIn,
};
use skerry_model::Random;
use skerry_mqtt::packet::{
    Connack, ConnectCode, Packet, Packets, Publish, Qos, Sender, Suback, SubackCode, Text, whole,
};
use skerry_runtime::Answer;
use skerry_uplink::{Identity, Place, Proof, Token};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

struct Even;

impl Random for Even {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// Knows the way, except the first time.
struct Guide {
    place: Place,
    asked: AtomicU32,
    renew_after: Duration,
}

impl Guide {
    fn ticket_now(&self) -> Ticket {
        let token = Token { audience: "hub1/devices/edge-1".to_owned(), text: "a ticket".to_owned() };
        Ticket { token, renew_after: self.renew_after }
    }
}

impl WayIn for Guide {
    fn way(&self, before: Before) -> Answer<'_, Way, WayError> {
        Box::pin(async move {
            if self.asked.fetch_add(1, Ordering::Relaxed) == 0 {
                return Err(WayError { reason: "no name server".to_owned(), is_refused: false });
            }
            assert!(before.failures <= 1, "a connection that stood is not counted as a failure");
            let identity = Identity {
                host: "hub1".to_owned(),
                device: "edge-1".parse().unwrap(),
                module: Some("$edgeAgent".parse().unwrap()),
                proof: Proof::Certificate,
            };
            let place = self.place.clone();
            Ok(Way { place, protocol: Protocol::Mqtt, identity, ticket: self.ticket_now() })
        })
    }

    fn ticket(&self) -> Answer<'_, Ticket, WayError> {
        Box::pin(async { Ok(self.ticket_now()) })
    }
}

struct Hub {
    stream: TcpStream,
    input: BytesMut,
    packets: std::vec::IntoIter<Packet>,
}

impl Hub {
    async fn say(&mut self, packet: &Packet) {
        let mut out = Vec::new();
        packet.encode(&mut out);
        self.stream.write_all(&out).await.unwrap();
    }

    async fn publish(&mut self, topic: &str, payload: &Value) {
        let publish = Publish {
            topic: Text::from(topic),
            payload: Bytes::from(payload.to_string()),
            qos: Qos::AtMostOnce,
            packet_id: None,
            dup: false,
            retain: false,
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
                let read = timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await.unwrap();
                assert!(read.unwrap() > 0, "the agent has gone");
            }
        }
    }

    async fn hear_publish(&mut self) -> (String, Value) {
        let Packet::Publish(publish) = self.hear().await else { panic!("a PUBLISH is expected") };
        let payload = serde_json::from_slice(&publish.payload).unwrap_or_default();
        (publish.topic.as_str().to_owned(), payload)
    }
}

/// Lets the agent in, and grants what it subscribes to.
async fn welcome(listener: &TcpListener) -> Hub {
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut hub = Hub { stream, input: BytesMut::new(), packets: Vec::new().into_iter() };
    let Packet::Connect(connect) = hub.hear().await else { panic!("the first packet") };
    assert_eq!(connect.client_id.as_str(), "edge-1/$edgeAgent");
    assert_eq!(connect.password.as_deref(), Some(b"a ticket".as_slice()));
    hub.say(&Packet::Connack(Connack { session_present: false, code: ConnectCode::Accepted })).await;
    let Packet::Subscribe(subscribe) = hub.hear().await else { panic!("then subscriptions") };
    let filters: Vec<&str> = subscribe.filters.iter().map(|(filter, _)| filter.as_str()).collect();
    assert_eq!(
        filters,
        ["$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#", "$iothub/methods/POST/#"]
    );
    let codes = vec![SubackCode::Granted(Qos::AtMostOnce); 3];
    hub.say(&Packet::Suback(Suback { packet_id: subscribe.packet_id, codes })).await;
    hub
}

async fn open(renew_after: Duration) -> (TcpListener, Line) {
    open_with_pauses_of(Duration::from_millis(10), renew_after).await
}

async fn open_with_pauses_of(pause_first: Duration, renew_after: Duration) -> (TcpListener, Line) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let place = Place {
        address: listener.local_addr().unwrap(),
        tls: None,
        websocket: None,
        relay: None,
        connect_timeout: PATIENCE,
    };
    let link = Line::new(LineOptions {
        way_in: Arc::new(Guide { place, asked: AtomicU32::new(0), renew_after }),
        random: Arc::new(Even),
        pause_first,
        pause_last: pause_first * 10,
        answer_timeout: Duration::from_millis(500),
    });
    (listener, link)
}

async fn next(link: &mut Line) -> HubEvent {
    timeout(PATIENCE, link.next()).await.expect("something happens")
}

/// In and up, after the first way failed.
async fn up() -> (TcpListener, Line, Hub) {
    up_with_tickets_of(PATIENCE).await
}

async fn up_with_tickets_of(renew_after: Duration) -> (TcpListener, Line, Hub) {
    let (listener, mut link) = open(renew_after).await;
    let HubEvent::Down { reason, is_refused: false } = next(&mut link).await else {
        panic!("no way at first")
    };
    assert!(reason.contains("no name server"), "{reason}");
    let (hub, event) = tokio::join!(welcome(&listener), next(&mut link));
    assert_eq!(event, HubEvent::Up);
    (listener, link, hub)
}

#[tokio::test]
async fn twins_patches_reports_and_calls_go_over_it() {
    let (_listener, mut link, mut hub) = up().await;
    link.ask_twin();
    let hubs = async {
        let (topic, _) = hub.hear_publish().await;
        let rid = topic.strip_prefix("$iothub/twin/GET/?$rid=").unwrap().to_owned();
        // An answer to somebody else's question first.
        hub.publish("$iothub/twin/res/200/?$rid=999", &json!({"desired": {"wrong": 1}})).await;
        let twin = json!({"desired": {"a": 1, "$version": 7}, "reported": {"b": 2, "$version": 3}});
        hub.publish(&format!("$iothub/twin/res/200/?$rid={rid}"), &twin).await;
        hub.publish("$iothub/twin/PATCH/properties/desired/?$version=8", &json!({"a": null, "$version": 8}))
            .await;
        hub.publish("$iothub/methods/POST/ping/?$rid=5", &json!({"x": 1})).await;
    };
    let ((), event) = tokio::join!(hubs, next(&mut link));
    let HubEvent::Twin { desired, reported } = event else { panic!("{event:?}") };
    assert_eq!(
        (desired["a"].clone(), desired["$version"].clone(), reported["b"].clone()),
        (json!(1), json!(7), json!(2))
    );
    let event = next(&mut link).await;
    assert!(matches!(&event, HubEvent::Patch { version: 8, patch } if patch["a"].is_null()), "{event:?}");
    let event = next(&mut link).await;
    let call = CallId("5".to_owned());
    let expected = HubEvent::Call {
        id: call.clone(),
        name: "ping".to_owned(),
        payload: Bytes::from_static(br#"{"x":1}"#),
    };
    assert_eq!(event, expected);

    link.answer(&call, 200, Bytes::from_static(b"{}"));
    link.report(json!({"c": 3}).as_object().unwrap());
    let hubs = async {
        assert_eq!(hub.hear_publish().await, ("$iothub/methods/res/200/?$rid=5".to_owned(), json!({})));
        let (topic, patch) = hub.hear_publish().await;
        let rid = topic.strip_prefix("$iothub/twin/PATCH/properties/reported/?$rid=").unwrap().to_owned();
        assert_eq!(patch, json!({"c": 3}));
        hub.publish(&format!("$iothub/twin/res/403/?$rid={rid}"), &json!("too long")).await;
    };
    let ((), event) = tokio::join!(hubs, next(&mut link));
    assert_eq!(event, HubEvent::Reported { status: 403, text: "\"too long\"".to_owned() });
}

#[tokio::test]
async fn a_line_that_breaks_comes_back_by_itself() {
    let (listener, mut link, hub) = up().await;
    link.ask_twin();
    drop(hub);
    assert!(matches!(next(&mut link).await, HubEvent::Down { .. }));
    let (mut hub, event) = tokio::join!(welcome(&listener), next(&mut link));
    assert_eq!(event, HubEvent::Up);
    // The question of the old line is forgotten, a new one is asked.
    link.ask_twin();
    let hubs = async {
        let (topic, _) = hub.hear_publish().await;
        let rid = topic.rsplit('=').next().unwrap().to_owned();
        hub.publish(&format!("$iothub/twin/res/200/?$rid={rid}"), &json!({"desired": {"$version": 1}})).await;
    };
    let ((), event) = tokio::join!(hubs, next(&mut link));
    assert!(matches!(event, HubEvent::Twin { .. }), "{event:?}");
}

#[tokio::test]
async fn a_pause_ends_when_there_is_hope() {
    let (listener, mut link) = open_with_pauses_of(PATIENCE * 10, PATIENCE).await;
    assert!(matches!(next(&mut link).await, HubEvent::Down { .. }));
    link.try_now();
    let (_hub, event) = tokio::join!(welcome(&listener), next(&mut link));
    assert_eq!(event, HubEvent::Up);
    // One that stands is left alone.
    link.try_now();
    assert!(timeout(Duration::from_millis(50), link.next()).await.is_err());
}

#[tokio::test]
async fn a_hub_that_does_not_answer_is_left() {
    let (listener, mut link, _silent) = up().await;
    link.ask_twin();
    let HubEvent::Down { reason, .. } = next(&mut link).await else { panic!("it is silent") };
    assert!(reason.contains("does not answer"), "{reason}");
    let (_hub, event) = tokio::join!(welcome(&listener), next(&mut link));
    assert_eq!(event, HubEvent::Up);
}

#[tokio::test]
async fn a_ticket_is_shown_anew_before_it_ends() {
    let (listener, mut link, _hub) = up_with_tickets_of(Duration::from_millis(20)).await;
    let (_hub, event) = tokio::join!(welcome(&listener), next(&mut link));
    assert_eq!(event, HubEvent::Up, "and nobody is told that the line was down");
}

#[tokio::test]
async fn a_refusal_is_told_as_one() {
    let (listener, mut link, hub) = up().await;
    drop(hub);
    assert!(matches!(next(&mut link).await, HubEvent::Down { is_refused: false, .. }));
    let hubs = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut hub = Hub { stream, input: BytesMut::new(), packets: Vec::new().into_iter() };
        hub.hear().await;
        hub.say(&Packet::Connack(Connack { session_present: false, code: ConnectCode::Unauthorised })).await;
        hub
    };
    let (_hub, event) = tokio::join!(hubs, next(&mut link));
    assert!(matches!(event, HubEvent::Down { is_refused: true, .. }), "{event:?}");
}
