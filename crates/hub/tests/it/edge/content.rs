//! Setting the modules of an edge device.

use std::future::poll_fn;
use std::time::Duration;

use http::Method;
use serde_json::{Map, Value, json};
use skerry_front::device::{
    Claim, Connected, DeviceService as _, Order, Orders, Proof, SessionKind, Subscriptions,
};
use skerry_mqtt::packet::Qos;
use skerry_mqtt::topic::Subscription;

use super::{edge, ids};
use crate::world::{HOST, World, everywhere};

const APPLY: &str = "/devices/edge/applyConfigurationContent";

fn manifest(image: &str) -> Value {
    let agent =
        json!({"schemaVersion": "1.1", "modules": {"m1": {"type": "docker", "settings": {"image": image}}}});
    let hub = json!({"schemaVersion": "1.2", "routes": {"up": "FROM /messages/* INTO $upstream"}});
    json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": agent},
        "$edgeHub": {"properties.desired": hub},
        "m1": {"properties.desired": {"limit": 1}},
    }})
}

async fn twin(world: &World, module: &str) -> Value {
    world.get(&format!("/twins/edge/modules/{module}")).await.expect(200)
}

fn plain(section: &Value) -> Value {
    let mut section: Map<String, Value> = section.as_object().unwrap().clone();
    section.retain(|key, _| !key.starts_with('$'));
    section.into()
}

#[test]
fn modules_are_made_and_told() {
    everywhere(|world| async move {
        edge(&world, "edge", None).await;
        let applied = world.post(APPLY, manifest("a:1")).await;
        assert_eq!((applied.status, applied.body.is_null()), (204, true));
        let made = world.get("/devices/edge/modules/m1").await.expect(200);
        assert_eq!(
            (&made["managedBy"], &made["authentication"]["type"]),
            (&json!("iotEdge"), &json!("none"))
        );
        let agent = twin(&world, "$edgeAgent").await;
        let wanted = &manifest("a:1")["modulesContent"]["$edgeAgent"]["properties.desired"];
        assert_eq!(&plain(&agent["properties"]["desired"]), wanted);
        let of_agent = &agent["properties"]["desired"];
        assert_eq!(of_agent["$metadata"]["modules"]["m1"]["$lastUpdatedVersion"], of_agent["$version"]);
        assert_eq!(plain(&twin(&world, "m1").await["properties"]["desired"]), json!({"limit": 1}));
        if !world.weak {
            assert_eq!((&of_agent["$version"], &agent["etag"]), (&json!(2), &json!("AAAAAAAAAAI=")));
            assert_eq!(twin(&world, "m1").await["properties"]["desired"]["$version"], 2);
        }

        // What is not named stays: the module's own identity, its keys, and other modules' twins.
        world.put("/devices/edge/modules/other", json!({})).await.expect(200);
        world
            .patch("/twins/edge/modules/other", json!({"properties": {"desired": {"keep": 1}}}))
            .await
            .expect(200);
        let second = json!({"modulesContent": {
            "$edgeAgent": {"properties.desired.modules.m1.settings": {"image": "a:2"}, "properties.desired.modules.m2": {"type": "docker"}},
            "m1": {},
        }});
        world.post(APPLY, second).await.expect(204);
        let now = plain(&twin(&world, "$edgeAgent").await["properties"]["desired"]);
        assert_eq!(
            now["modules"],
            json!({"m1": {"type": "docker", "settings": {"image": "a:2"}}, "m2": {"type": "docker"}})
        );
        assert_eq!(now["schemaVersion"], "1.1");
        assert_eq!(plain(&twin(&world, "m1").await["properties"]["desired"]), json!({"limit": 1}));
        assert_eq!(plain(&twin(&world, "other").await["properties"]["desired"]), json!({"keep": 1}));
        assert_eq!(world.get("/devices/edge/modules/m1").await.expect(200), made);
        let all = ids(&world.get("/devices/edge/modules").await.expect(200), "moduleId");
        assert_eq!(all, ["$edgeAgent", "$edgeHub", "m1", "other"], "the agent's own list makes nothing");
    });
}

#[test]
fn the_device_s_own_twin_may_go_along() {
    everywhere(|world| async move {
        edge(&world, "edge", None).await;
        world.patch("/twins/edge", json!({"properties": {"desired": {"a": 1}}})).await.expect(200);
        let mut content = manifest("a:1");
        content["deviceContent"] = json!({"properties.desired.b.c": 2});
        content["moduleContent"] = json!(null);
        world.post(APPLY, content).await.expect(204);
        let twin = world.get("/twins/edge").await.expect(200);
        assert_eq!(plain(&twin["properties"]["desired"]), json!({"a": 1, "b": {"c": 2}}));
        assert_eq!(world.get("/devices/edge/modules").await.expect(200).as_array().unwrap().len(), 3);
    });
}

#[test]
fn what_cannot_be_applied_changes_nothing() {
    everywhere(|world| async move {
        edge(&world, "edge", None).await;
        world.device("plain", json!({})).await;
        world.post(APPLY, manifest("a:1")).await.expect(204);
        let before = [twin(&world, "$edgeAgent").await, twin(&world, "m1").await];
        let big: Map<String, Value> = (0..9).map(|n| (format!("k{n}"), json!("x".repeat(4000)))).collect();
        let many: Map<String, Value> = (0..48).map(|n| (format!("x{n}"), json!({}))).collect();
        for (content, says) in [
            (json!({}), "the content is empty"),
            (json!({"modulesContent": {"m1": {"properties.desire": {}}}}), "m1 holds"),
            (json!({"deviceContent": {"properties.desired": {}}}), "modulesContent is missing"),
            (
                json!({"modulesContent": {"m1": {}}, "moduleContent": {"properties.desired": {}}}),
                "moduleContent is for",
            ),
            (
                json!({"modulesContent": {"$edgeAgent": {"properties.desired": {}}, "m1": {"properties.desired": big}}}),
                "applied to m1, the desired properties would take",
            ),
            (
                json!({"modulesContent": {"$edgeAgent": {"properties.desired": {}}, "new": {"properties.desired.a b": 1}}}),
                "applied to new, the key",
            ),
        ] {
            let refused = world.post(APPLY, content).await;
            assert!(refused.body["Message"].as_str().unwrap().contains(says), "{} for {says}", refused.body);
            refused.refused(400, "InvalidConfigurationContent");
        }
        world.post(APPLY, json!({"modulesContent": many})).await.refused(413, "TooManyModulesOnDevice");
        let token = world.token("iothubowner");
        let uri = format!("{APPLY}?api-version=2021-04-12");
        let no_json = world.raw(Method::POST, &uri, b"{".to_vec(), &[("authorization", &token)]).await;
        no_json.refused(400, "IotHubFormatError");
        let path = "/devices/plain/applyConfigurationContent";
        let refused = world.post(path, manifest("a:1")).await;
        assert!(refused.body.to_string().contains("not an Azure IoT Edge device"), "{}", refused.body);
        refused.refused(400, "ArgumentInvalid");
        let path = "/devices/absent/applyConfigurationContent";
        world.post(path, manifest("a:1")).await.refused(404, "DeviceNotFound");
        world.get(APPLY).await.refused(405, "MethodNotAllowed");
        assert_eq!([twin(&world, "$edgeAgent").await, twin(&world, "m1").await], before);
        assert_eq!(world.get("/devices/edge/modules").await.expect(200).as_array().unwrap().len(), 3);
    });
}

#[test]
fn it_takes_the_rights_for_identities_and_for_twins() {
    everywhere(|world| async move {
        edge(&world, "edge", None).await;
        world
            .put("/skerry/v1/policies/both", json!({"rights": "RegistryWrite, ServiceConnect"}))
            .await
            .expect(200);
        for (policy, status) in [
            ("service", 401),
            ("device", 401),
            ("registryReadWrite", 401),
            ("both", 204),
            ("iothubowner", 204),
        ] {
            let token = world.token(policy);
            let answer = super::with_token(&world, Method::POST, APPLY, Some(manifest("a:1")), &token).await;
            assert_eq!(answer.status, status, "{policy}: {}", answer.body);
        }
    });
}

#[test]
fn two_who_set_modules_at_once_do_not_mix() {
    everywhere(|world| async move {
        edge(&world, "edge", None).await;
        let (one, two) = (manifest("one"), manifest("two"));
        let mut two = two;
        two["modulesContent"]["m1"]["properties.desired"]["limit"] = json!(2);
        let (first, second) = tokio::join!(world.post(APPLY, one), world.post(APPLY, two));
        assert_eq!((first.status, second.status), (204, 204));
        let image =
            &twin(&world, "$edgeAgent").await["properties"]["desired"]["modules"]["m1"]["settings"]["image"];
        let limit = &twin(&world, "m1").await["properties"]["desired"]["limit"];
        assert!(
            [(json!("one"), json!(1)), (json!("two"), json!(2))].contains(&(image.clone(), limit.clone())),
            "{image} {limit}"
        );
    });
}

#[test]
fn a_module_that_listens_is_told_what_changed() {
    everywhere(|world| async move {
        edge(&world, "edge", None).await;
        world.post(APPLY, manifest("a:1")).await.expect(204);
        let devices = world.hub.devices().clone();
        tokio::spawn(async move { devices.run(std::future::pending()).await });
        let claim = Claim {
            device: "edge".parse().unwrap(),
            module: Some("$edgeAgent".parse().unwrap()),
            host: HOST.into(),
            proof: Proof::Token(world.token("device")),
            model: None,
            client: None,
            chain: None,
            session: SessionKind::Clean,
            peer: "127.0.0.1:1".parse().unwrap(),
        };
        let Connected { session, mut orders, .. } = world.hub.devices().connect(claim).await.unwrap();
        let mut subscriptions = Subscriptions::default();
        subscriptions.set(Subscription::Desired, Some(Qos::AtMostOnce));
        session.subscribe(subscriptions).await.unwrap();
        session.room(true);
        let mut next = manifest("a:2");
        next["modulesContent"]["$edgeAgent"]["properties.desired"]["schemaVersion"] = json!("1.0");
        world.post(APPLY, next).await.expect(204);
        let version = twin(&world, "$edgeAgent").await["properties"]["desired"]["$version"].clone();
        let mut told = desired(&mut orders).await;
        // In doubt about its own commit a hub makes it again, which tells a version twice and nothing else.
        while world.weak && told["$version"] != version && told["modules"].is_null() {
            told = desired(&mut orders).await;
        }
        let wanted = json!({"schemaVersion": "1.0", "modules": {"m1": {"settings": {"image": "a:2"}}}});
        assert_eq!(plain(&told), wanted);
    });
}

async fn desired(orders: &mut Box<dyn Orders>) -> Value {
    let order =
        tokio::time::timeout(Duration::from_secs(20), poll_fn(|context| orders.poll_next(context))).await;
    match order.expect("an order comes") {
        Order::Desired(desired) => serde_json::from_slice(&desired.patch).unwrap(),
        other => panic!("{other:?}"),
    }
}
