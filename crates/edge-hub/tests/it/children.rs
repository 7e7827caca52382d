//! Edge devices behind this one: their hubs speak for what is behind them, and ask here as of their own hub.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use skerry_edge_hub::EdgeHub;
use skerry_front::device::{CloseReason, Proof, Refused};
use skerry_front::link::{LinkService as _, SpeaksFor};
use skerry_front::{HttpService as _, Request};
use skerry_model::IdentityId;
use skerry_mqtt::topic::Subscription;

use super::sim::World;

const HOUR: Duration = Duration::from_secs(3600);
const BEHALF: &str = "/devices/edge/modules/$edgeHub/";

/// `edge` ◄── `mid` (with `m`, and `leaf` behind it) ◄── `low` (with `deep` behind it); `a` is right behind `edge`.
async fn world() -> World {
    let mut world = World::new();
    for id in ["mid", "mid/$edgeHub", "mid/m", "leaf", "low", "low/$edgeHub", "deep", "a"] {
        world.register(id);
    }
    for (id, is_edge, parent) in [
        ("mid", true, "edge"),
        ("leaf", false, "mid"),
        ("low", true, "mid"),
        ("deep", false, "low"),
        ("a", false, "edge"),
    ] {
        world.hub.places(id, is_edge, parent);
    }
    world.start().await;
    // Until the scope is known.
    tokio::time::sleep(Duration::from_secs(5)).await;
    world
}

#[tokio::test(start_paused = true)]
async fn an_edge_hub_speaks_for_what_is_behind_it() {
    let world = world().await;
    for (id, actor, chain, upwards) in [
        ("leaf", "mid", "leaf;mid", "leaf;mid;edge"),
        ("mid/m", "mid", "mid/m;mid", "mid/m;mid;edge"),
        ("deep", "mid", "deep;low;mid", "deep;low;mid;edge"),
        ("low/$edgeHub", "mid", "low/$edgeHub;low;mid", "low/$edgeHub;low;mid;edge"),
        // Itself, with a chain or without one.
        ("mid/$edgeHub", "mid", "mid/$edgeHub;mid", "mid/$edgeHub;mid;edge"),
    ] {
        let client = world.connect_behind(id, actor, chain).await.unwrap();
        client.subscribe(&[Subscription::Methods]).await;
        client.publish_all(0..3).await;
        world.until("its letters are there", |world| world.hub.count(id) == 3).await;
        assert_eq!(world.hub.chain(id).as_deref(), Some(upwards));
        let call = format!("call of {id}");
        world.hub.call(id, &call, "m");
        world.until("it is called", |world| world.hub.answer(&call) == Some(200)).await;
    }
    // None of its own, but of a device that is behind it and of one that is not.
    let by_itself = world.connect("leaf").await;
    by_itself.publish(3).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_is_not_known_yet_is_asked_for_with_all_on_whose_word_it_comes() {
    let mut world = world().await;
    for (id, is_edge, parent) in
        [("new", true, "mid"), ("new/$edgeHub", false, "mid"), ("newest", false, "new")]
    {
        world.register(id);
        world.hub.places(id, is_edge, parent);
    }
    let client = world.connect_behind("newest", "mid", "newest;new;mid").await.unwrap();
    client.publish(0).await.unwrap();
    world.until("its letter is there", |world| world.hub.count("newest") == 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_edge_hub_speaks_for_nobody_else() {
    let world = world().await;
    for (id, actor, chain) in [
        ("a", "mid", "a;mid"),
        ("a", "mid", "a;edge;mid"),
        ("deep", "mid", "deep;mid"),
        ("deep", "low", "deep;low;mid"),
        ("leaf", "mid", "deep;low;mid"),
        ("leaf", "mid", "leaf;low;mid"),
        ("mid/m", "mid", "mid/other;mid"),
        ("edge/$edgeHub", "mid", "edge/$edgeHub;edge;mid"),
        ("leaf", "edge", "leaf;mid;edge"),
        ("nobody", "mid", "nobody;mid"),
    ] {
        let refused = world.connect_behind(id, actor, chain).await.err().unwrap();
        assert!(matches!(refused, Refused::Unauthorised { .. }), "{id} by {chain}: {refused}");
    }
    let leaf = world.connect_behind("leaf", "mid", "leaf;mid").await.unwrap();
    let deep = world.connect_behind("deep", "mid", "deep;low;mid").await.unwrap();
    // Who was let in goes when the chain does not hold any more.
    world.hub.disable("low");
    world.until_after("the scope is looked at anew", 2 * HOUR, |_| deep.closed().is_some()).await;
    assert_eq!((deep.closed(), leaf.closed()), (Some(CloseReason::Revoked), None));
    assert!(world.connect_behind("deep", "mid", "deep;low;mid").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_token_is_shown_for_who_is_behind_an_edge_hub() {
    let world = world().await;
    let Proof::Token(token) = world.token("mid/$edgeHub", HOUR) else { panic!() };
    let show = async |audience: &str| world.edge().show(&format!("hub.example{audience}"), &token).await;
    let own = show("/devices/mid/modules/$edgeHub").await.unwrap();
    assert!(matches!(own.speaks_for, SpeaksFor::Identity(id) if id.to_string() == "mid/$edgeHub"));
    let behind = show("/devices/deep").await.unwrap();
    let deep = IdentityId { device: "deep".parse().unwrap(), module: None };
    assert!(behind.speaks_for.is_behind(&deep));
    let Proof::Token(token) = world.token("mid/m", HOUR) else { panic!() };
    assert_eq!(world.edge().show("hub.example/devices/leaf", &token).await.unwrap_err().status, 401);
}

async fn ask(
    world: &World,
    (method, path): (Method, &str),
    who: &str,
    body: &Value,
    if_match: bool,
) -> (u16, Value) {
    let Proof::Token(token) = world.token(who, HOUR) else { panic!() };
    let mut request = http::Request::builder().method(method).uri(path).header("authorization", token);
    if if_match {
        request = request.header("if-match", "*");
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let hub: &EdgeHub = world.edge();
    let response = hub.handle(Request { head, body: Bytes::from(body.to_string()), peer }).await;
    let status = response.status().as_u16();
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn ids(items: &Value) -> Vec<String> {
    let name = |item: &Value| match item["moduleId"].as_str() {
        Some(module) => format!("{}/{module}", item["deviceId"].as_str().unwrap()),
        None => item["deviceId"].as_str().unwrap().to_owned(),
    };
    items.as_array().unwrap().iter().map(name).collect()
}

#[tokio::test(start_paused = true)]
async fn an_edge_hub_learns_its_scope_here_with_or_without_the_hub() {
    let world = world().await;
    let scope =
        "/devices/mid/modules/$edgeHub/devicesAndModulesInTargetDeviceScope?api-version=2020-06-30-preview";
    let one = "/devices/mid/modules/%24edgeHub/getDeviceAndModuleOnBehalfOf?api-version=2020-06-30-preview";
    for is_away in [false, true] {
        if is_away {
            world.hub.go_away();
        }
        let asked = json!({"pageSize": 100, "continuationLink": "", "authChain": "mid"});
        let (status, page) = ask(&world, (Method::POST, scope), "mid/$edgeHub", &asked, false).await;
        assert_eq!((status, &page["continuationLink"]), (200, &Value::Null));
        assert_eq!(ids(&page["devices"]), ["mid", "leaf", "low"]);
        assert_eq!(ids(&page["modules"]), ["mid/$edgeHub", "mid/m"]);
        let leaf = &page["devices"][1];
        assert_eq!(leaf["deviceScope"], "ms-azure-iot-edge://mid-1");
        assert!(leaf["authentication"]["symmetricKey"]["primaryKey"].is_string(), "{leaf}");
        // Page by page.
        let (mut found, mut link) = (Vec::new(), Value::from(""));
        while !link.is_null() {
            let asked = json!({"pageSize": 1, "continuationLink": link, "authChain": "mid"});
            let (_, page) = ask(&world, (Method::POST, scope), "mid/$edgeHub", &asked, false).await;
            found.extend(ids(&page["devices"]));
            link = page["continuationLink"].clone();
        }
        assert_eq!(found, ["mid", "leaf", "low"]);
        // Of an edge device that is behind it.
        let asked = json!({"authChain": "low;mid"});
        let (_, page) = ask(&world, (Method::POST, scope), "mid/$edgeHub", &asked, false).await;
        assert_eq!(
            (ids(&page["devices"]), ids(&page["modules"])),
            (vec!["low".to_owned(), "deep".to_owned()], vec!["low/$edgeHub".to_owned()])
        );
        let asked = json!({"targetDeviceId": "deep", "targetModuleId": "", "authChain": "mid"});
        let (status, found) = ask(&world, (Method::POST, one), "mid/$edgeHub", &asked, false).await;
        assert_eq!((status, ids(&found["devices"])), (200, vec!["deep".to_owned()]));
        // What is not behind it is nobody's business; without the hub it may be.
        let asked = json!({"targetDeviceId": "a", "authChain": "mid"});
        let (status, _) = ask(&world, (Method::POST, one), "mid/$edgeHub", &asked, false).await;
        assert!(status == 404 || (is_away && status == 503), "{status}");
        for (who, chain) in
            [("mid/$edgeHub", "low"), ("mid/$edgeHub", "edge"), ("mid/$edgeHub", "a;mid"), ("mid/m", "mid")]
        {
            let (status, _) =
                ask(&world, (Method::POST, scope), who, &json!({"authChain": chain}), false).await;
            assert_eq!(status, 401, "{who} by {chain}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn modules_of_an_edge_device_are_managed_at_the_hub() {
    let world = world().await;
    let module = json!({"deviceId": "mid", "moduleId": "m", "managedBy": "iotEdge"});
    let on_behalf = |question: &str| format!("{BEHALF}{question}?api-version=2020-06-30-preview");
    let list = "/devices/mid/modules?api-version=1";
    let one = "/devices/mid/modules/m?api-version=1";
    for (method, path, body, if_match, question, passed) in [
        (Method::GET, list, Value::Null, false, "getModulesOnTargetDevice", json!({"authChain": "mid;edge"})),
        (
            Method::GET,
            one,
            Value::Null,
            false,
            "getModuleOnBehalfOf",
            json!({"authChain": "mid;edge", "targetModuleId": "m"}),
        ),
        (
            Method::PUT,
            one,
            module.clone(),
            false,
            "putModuleOnBehalfOf",
            json!({"authChain": "mid;edge", "module": module}),
        ),
        (
            Method::PUT,
            one,
            module.clone(),
            true,
            "putModuleOnBehalfOf",
            json!({"authChain": "mid;edge", "module": module}),
        ),
        (
            Method::DELETE,
            one,
            Value::Null,
            true,
            "deleteModuleOnBehalfOf",
            json!({"authChain": "mid;edge", "moduleId": "m"}),
        ),
    ] {
        let answer = ask(&world, (method, path), "mid", &body, if_match).await;
        assert_eq!(answer, (201, json!({"as": "it is"})), "{question}");
        assert_eq!(world.hub.asked().pop().unwrap(), (on_behalf(question), if_match, passed));
    }
    // What the hub of an edge device asks for one that is behind it.
    let asked = json!({"authChain": "low;mid", "module": {"deviceId": "low", "moduleId": "n"}});
    let put = "/devices/mid/modules/$edgeHub/putModuleOnBehalfOf?api-version=2020-06-30-preview";
    for method in [Method::POST, Method::PUT] {
        let (status, _) = ask(&world, (method, put), "mid/$edgeHub", &asked, true).await;
        let passed = json!({"authChain": "low;mid;edge", "module": {"deviceId": "low", "moduleId": "n"}});
        assert_eq!(
            (status, world.hub.asked().pop().unwrap()),
            (201, (on_behalf("putModuleOnBehalfOf"), true, passed))
        );
    }
    let count = world.hub.asked().len();
    for (path, who) in [
        (list, "low"),
        (list, "leaf"),
        ("/devices/leaf/modules", "leaf"),
        ("/devices/edge/modules", "edge"),
        ("/devices/low/modules/$edgeHub/getModulesOnTargetDevice", "mid/$edgeHub"),
    ] {
        let method = if path.contains("$edgeHub") { Method::POST } else { Method::GET };
        let (status, _) = ask(&world, (method, path), who, &json!({"authChain": "low;mid"}), false).await;
        assert_eq!(status, 401, "{path} by {who}");
    }
    // The hub would hear it in the name of this edge.
    let strange = "/devices/mid/modules/$edgeHub/x%2F..%2F..%2Fm%3FOnBehalfOf";
    let chain = json!({"authChain": "mid"});
    assert_eq!(ask(&world, (Method::POST, strange), "mid/$edgeHub", &chain, false).await.0, 404);
    assert_eq!(world.hub.asked().len(), count);
    world.hub.go_away();
    assert_eq!(ask(&world, (Method::GET, list), "mid", &Value::Null, false).await.0, 503);
}
