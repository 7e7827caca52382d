//! Connected clients and what becomes of them, on every store, through the front door's traits.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use skerry_front::device::{
    Call, Claim, CloseReason, Connected, DeviceService as _, Order, Orders, Proof, Refused, Session,
    SessionKind, Subscriptions,
};
use skerry_hub::devices::{Invocation, InvokeError};
use skerry_model::message::Message;
use skerry_mqtt::packet::Qos;
use skerry_mqtt::topic::Subscription;
use skerry_store::{MemoryDocuments, MemoryOptions};
use skerry_tokens::SharedKey;

use crate::world::{HOST, World, everywhere};

const SOON: Duration = Duration::from_secs(20);

pub struct Client {
    pub session: Arc<dyn Session>,
    orders: Box<dyn Orders>,
    kept: Option<Subscriptions>,
}

/// Does what the hub does beside the front door, for as long as the scenario goes.
fn run(world: &World) {
    let devices = world.hub.devices().clone();
    tokio::spawn(async move { devices.run(std::future::pending()).await });
}

/// The device, with the token that it makes of its own key.
pub async fn device(world: &World, id: &str) -> String {
    world.device(id, json!({})).await;
    let made = world.get(&format!("/devices/{id}")).await.expect(200);
    let key: SharedKey =
        made["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().parse().unwrap();
    world.token_signed_with(None, key, &format!("{HOST}/devices/{id}"))
}

pub async fn connect_as(
    world: &World,
    id: &str,
    token: &str,
    session: SessionKind,
) -> Result<Client, Refused> {
    let claim = Claim {
        device: id.parse().unwrap(),
        module: None,
        host: HOST.into(),
        proof: Proof::Token(token.to_owned()),
        model: None,
        client: None,
        chain: None,
        session,
        peer: "127.0.0.1:1".parse().unwrap(),
    };
    let Connected { session, orders, kept } = world.hub.devices().connect(claim).await?;
    Ok(Client { session, orders, kept })
}

impl Client {
    async fn new(world: &World, id: &str, token: &str) -> Self {
        connect_as(world, id, token, SessionKind::Kept).await.unwrap()
    }

    async fn subscribe(&self, kinds: &[Subscription]) {
        let mut subscriptions = Subscriptions::default();
        kinds.iter().for_each(|kind| subscriptions.set(*kind, Some(Qos::AtMostOnce)));
        self.session.subscribe(subscriptions).await.unwrap();
    }

    async fn order(&mut self) -> Order {
        let order = poll_fn(|context| self.orders.poll_next(context));
        tokio::time::timeout(SOON, order).await.expect("an order comes")
    }

    async fn desired(&mut self) -> Value {
        match self.order().await {
            Order::Desired(desired) => serde_json::from_slice(&desired.patch).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn call(&mut self) -> Call {
        match self.order().await {
            Order::Call(call) => call,
            other => panic!("{other:?}"),
        }
    }

    async fn is_closed(&mut self, reason: CloseReason) -> bool {
        matches!(self.order().await, Order::Close(why) if why == reason)
    }
}

async fn desire(world: &World, id: &str, desired: Value) {
    let path = format!("/twins/{id}");
    world.call(Method::PATCH, &path, Some(json!({"properties": {"desired": desired}}))).await.expect(200);
}

fn invocation(method: &str, connect_within: u64) -> Invocation {
    Invocation {
        method: method.into(),
        payload: Bytes::from_static(b"null"),
        connect_within: Duration::from_secs(connect_within),
        answer_within: Duration::from_secs(10),
    }
}

#[test]
fn each_change_of_desired_properties_is_told_once_and_in_order() {
    everywhere(|world| async move {
        run(&world);
        let token = device(&world, "d1").await;
        let mut client = Client::new(&world, "d1", &token).await;
        client.subscribe(&[Subscription::Desired]).await;
        for n in 0..5 {
            desire(&world, "d1", json!({"n": n})).await;
        }
        let mut versions = Vec::new();
        while versions.last() != Some(&6) {
            let patch = client.desired().await;
            versions.push(patch["$version"].as_u64().unwrap());
            // A version may have been counted twice where a commit's outcome was not known.
            assert!(world.weak || patch["n"] == json!(versions.len() - 1), "{patch}");
            if patch["n"] == json!(4) {
                break;
            }
        }
        assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "{versions:?}");
        assert!(world.weak || versions == [2, 3, 4, 5, 6], "{versions:?}");
        // A whole twin: what is gone is null.
        let whole = json!({"properties": {"desired": {"other": 1}}});
        world.call(Method::PUT, "/twins/d1", Some(whole)).await.expect(200);
        let patch = client.desired().await;
        assert_eq!((&patch["n"], &patch["other"]), (&Value::Null, &json!(1)));
        // A second try finds that it is gone already.
        assert!(world.weak || patch.as_object().unwrap().contains_key("n"));
    });
}

#[test]
fn the_newest_connection_has_the_identity() {
    everywhere(|world| async move {
        let token = device(&world, "d1").await;
        let mut older = Client::new(&world, "d1", &token).await;
        let newer = Client::new(&world, "d1", &token).await;
        assert!(older.is_closed(CloseReason::Superseded).await);
        drop(older);
        let twin = world.get("/twins/d1").await.expect(200);
        assert_eq!(twin["connectionState"], "Connected");
        drop(newer);
        let twin = world.get("/twins/d1").await.expect(200);
        assert_eq!(twin["connectionState"], "Disconnected");
    });
}

#[test]
fn a_connection_ends_with_its_token_and_with_its_proof() {
    everywhere(|world| async move {
        run(&world);
        let token = device(&world, "d1").await;
        let mut client = Client::new(&world, "d1", &token).await;
        // An hour, and what clocks may differ.
        world.pass(Duration::from_secs(3600 + 300 + 1)).await;
        assert!(client.is_closed(CloseReason::Expired).await);
        drop(client);
        assert!(matches!(
            connect_as(&world, "d1", &token, SessionKind::Kept).await.err(),
            Some(Refused::Unauthorised { .. })
        ));
        for (id, end) in [("d2", "disable"), ("d3", "delete"), ("d4", "new keys")] {
            let token = device(&world, id).await;
            let mut client = Client::new(&world, id, &token).await;
            let path = format!("/devices/{id}");
            match end {
                "disable" => {
                    let mut document = world.get(&path).await.expect(200);
                    document["status"] = json!("disabled");
                    world
                        .call_with(Method::PUT, &path, Some(document), &[("if-match", "*")])
                        .await
                        .expect(200);
                }
                "delete" => {
                    world.delete(&path).await.expect(204);
                }
                _ => {
                    let document = json!({"deviceId": id, "authentication": {"type": "sas", "symmetricKey": {
                        "primaryKey": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                        "secondaryKey": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
                    }}});
                    world
                        .call_with(Method::PUT, &path, Some(document), &[("if-match", "*")])
                        .await
                        .expect(200);
                }
            }
            assert!(client.is_closed(CloseReason::Revoked).await, "{end}");
            let refused = connect_as(&world, id, &token, SessionKind::Kept).await.err();
            match end {
                "disable" => assert_eq!(refused, Some(Refused::Disabled)),
                _ => assert!(matches!(refused, Some(Refused::Unauthorised { .. })), "{end}"),
            }
        }
    });
}

#[test]
fn subscriptions_are_kept_for_who_wants_that_and_only_for_the_same_identity() {
    everywhere(|world| async move {
        let token = device(&world, "d1").await;
        let client = Client::new(&world, "d1", &token).await;
        assert_eq!(client.kept, None);
        client.subscribe(&[Subscription::Methods, Subscription::Desired]).await;
        drop(client);
        let reborn = world.reborn();
        let key = |world: &World| world.token("device");
        let client = Client::new(&reborn, "d1", &key(&reborn)).await;
        let kept = client.kept.unwrap();
        assert!(kept.has(Subscription::Methods) && kept.has(Subscription::Desired));
        assert!(!kept.has(Subscription::Commands));
        drop(client);
        // A clean session forgets them.
        drop(connect_as(&reborn, "d1", &key(&reborn), SessionKind::Clean).await.unwrap());
        assert_eq!(Client::new(&reborn, "d1", &key(&reborn)).await.kept, None);
        let client = Client::new(&reborn, "d1", &key(&reborn)).await;
        client.subscribe(&[Subscription::Methods]).await;
        drop(client);
        reborn.delete("/devices/d1").await.expect(204);
        reborn.device("d1", json!({})).await;
        assert_eq!(Client::new(&reborn, "d1", &key(&reborn)).await.kept, None);
    });
}

#[test]
fn a_method_is_answered_or_told_why_not() {
    everywhere(|world| async move {
        let token = device(&world, "d1").await;
        let devices = world.hub.devices().clone();
        let (d1, nobody) = ("d1".parse().unwrap(), "nobody".parse().unwrap());
        let lost = devices.invoke(&nobody, None, invocation("m", 0)).await;
        assert!(matches!(lost, Err(InvokeError::Registry(_))), "{lost:?}");
        assert_eq!(devices.invoke(&d1, None, invocation("m", 0)).await, Err(InvokeError::NotOnline));
        // It waits for the device to come, and to listen.
        let (waiting, id) = (devices.clone(), d1.clone());
        let waiting = tokio::spawn(async move { waiting.invoke(&id, None, invocation("m", 60)).await });
        tokio::task::yield_now().await;
        let mut client = Client::new(&world, "d1", &token).await;
        client.subscribe(&[Subscription::Methods]).await;
        let call = client.call().await;
        assert_eq!((call.method.as_str(), call.payload.as_ref()), ("m", &b"null"[..]));
        client.session.answer(&call.id, 200, Bytes::from_static(b"[1]"));
        let answered = waiting.await.unwrap().unwrap();
        assert_eq!((answered.status, answered.payload.as_ref()), (200, &b"[1]"[..]));
        // Nobody waits for a second answer.
        client.session.answer(&call.id, 500, Bytes::new());
        let (asking, id) = (devices.clone(), d1.clone());
        let asking = tokio::spawn(async move { asking.invoke(&id, None, invocation("slow", 0)).await });
        let slow = client.call().await;
        assert_eq!(slow.method, "slow");
        let mut orders = client.orders;
        let watching = tokio::spawn(async move { poll_fn(|context| orders.poll_next(context)).await });
        tokio::task::yield_now().await;
        world.pass(Duration::from_secs(11)).await;
        assert_eq!(asking.await.unwrap(), Err(InvokeError::TimedOut));
        watching.abort();
    });
}

#[test]
fn who_goes_while_it_is_asked_is_told_of() {
    everywhere(|world| async move {
        let token = device(&world, "d1").await;
        let mut client = Client::new(&world, "d1", &token).await;
        client.subscribe(&[Subscription::Methods]).await;
        let (asking, id) = (world.hub.devices().clone(), "d1".parse().unwrap());
        let asking = tokio::spawn(async move { asking.invoke(&id, None, invocation("m", 0)).await });
        client.call().await;
        drop(client);
        assert_eq!(asking.await.unwrap(), Err(InvokeError::Lost));
    });
}

/// Whether each of many messages is taken, sent one after the other over a log that fails now and then.
async fn taken(seed: u64, session: SessionKind) -> Vec<bool> {
    let world = World::over_both(Arc::new(MemoryDocuments::new(MemoryOptions::default())), Some(seed));
    let token = device(&world, "d1").await;
    let client = connect_as(&world, "d1", &token, session).await.unwrap();
    let mut taken = Vec::new();
    for number in 0..300 {
        let message = Message { body: Bytes::from(number.to_string()), ..Message::default() };
        taken.push(client.session.publish(vec![message]).await.is_ok());
    }
    taken
}

#[tokio::test]
async fn a_sender_that_stays_goes_on_after_a_failure() {
    let mut failures = 0;
    for seed in 0..5 {
        // The connection is closed by then.
        let closed = taken(seed, SessionKind::Clean).await;
        assert!(closed.is_sorted_by(|before, after| before >= after), "{closed:?}");
        let stays = taken(seed, SessionKind::Passing).await;
        failures += stays.iter().filter(|taken| !**taken).count();
        assert!(stays.iter().filter(|taken| **taken).count() > 200, "{stays:?}");
    }
    assert!(failures > 0);
}
