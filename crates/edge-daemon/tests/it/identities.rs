//! Identities of modules, with a hub and without one.

use serde_json::json;

use crate::hub::DEVICE;
use crate::world::World;

#[tokio::test]
async fn an_identity_is_made_in_two_steps_and_given_its_keys() {
    let world = World::new().await;
    let daemon = world.start().await;
    let api = world.management();
    let made = api.post("/identities", &json!({ "moduleId": "$edgeAgent" })).await.expect(200);
    let expected = json!({
        "moduleId": "$edgeAgent", "managedBy": "iotedge", "generationId": "generation-1", "authType": "sas",
    });
    assert_eq!(made, expected);
    let path = format!("/devices/{DEVICE}/modules/$edgeAgent?api-version=2017-11-08-preview");
    assert_eq!(world.hub.take_seen(), [format!("PUT {path} -"), format!("PUT {path} *")]);
    let registered = world.hub.module("$edgeAgent").unwrap();
    assert_eq!(registered["authentication"]["type"], "sas");
    let keys = registered["authentication"]["symmetricKey"].clone();
    assert_ne!(keys["primaryKey"], keys["secondaryKey"]);

    // Again: the same keys, whoever was in between.
    assert_eq!(api.post("/identities", &json!({ "moduleId": "$edgeAgent" })).await.expect(200), expected);
    let updated = api.send("PUT", "/identities/%24edgeAgent", Some(&json!("anything"))).await.expect(200);
    assert_eq!(updated, expected);
    assert_eq!(world.hub.module("$edgeAgent").unwrap()["authentication"]["symmetricKey"], keys);

    api.post("/identities", &json!({ "moduleId": "m%1", "managedBy": "me" })).await.expect(200);
    let list = api.get("/identities/").await.expect(200);
    assert_eq!(list["identities"].as_array().unwrap().len(), 2);
    assert_eq!(list["identities"][1]["managedBy"], "me");
    api.send("DELETE", "/identities/m%251", None).await.expect(204);
    api.send("DELETE", "/identities/m%251", None).await.expect(204);
    assert!(world.hub.module("m%1").is_none());

    api.post("/identities", &json!({ "moduleId": "a b" })).await.refused(400, "invalid parameter: moduleId");
    api.send("PUT", "/identities/absent", Some(&json!({}))).await.refused(500, "no such module");
    daemon.stop().await;
}

#[tokio::test]
async fn a_device_that_nobody_knows_is_told_so() {
    let mut world = World::new().await;
    world.more = "cloud_retries = 0\n".into();
    world.provisioning = world.provisioning.replace("MDEy", "AAAA");
    let daemon = world.start().await;
    world.management().get("/identities").await.refused(500, "who? (IotHubUnauthorized)");
    // A hub that fails for itself is no reason to forget its modules.
    world.hub.answer_all(Some(503));
    assert_eq!(world.management().get("/identities").await.expect(200), json!({ "identities": [] }));
    world.hub.answer_all(Some(400));
    world.management().get("/identities").await.refused(500, "as it was told (Told) (HTTP status 400)");
    daemon.stop().await;
}

#[tokio::test]
async fn a_start_without_a_network_works_from_what_is_remembered() {
    let world = World::new().await;
    let daemon = world.start().await;
    let sensor = "sensor".parse().unwrap();
    daemon.handle.identities().create(&sensor, None).await.unwrap();
    world.hub.put("other", "5");
    daemon.handle.identities().list().await.unwrap();
    let signed = daemon.handle.identities().sign(&sensor, b"x".to_vec()).await.unwrap();
    daemon.stop().await;

    world.hub.set_down(true);
    world.container("sensor").await;
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    let identities = daemon.handle.identities();
    assert_eq!(identities.sign(&sensor, b"x".to_vec()).await.unwrap(), signed, "the same key as before");
    assert_eq!(identities.get(&"other".parse().unwrap()).await.unwrap().generation_id, "5");
    let answer = world.management().get("/modules").await.expect(200);
    assert_eq!(answer["modules"][0]["name"], "sensor");
    daemon.stop().await;
}

#[tokio::test]
async fn what_the_hub_says_replaces_what_was_remembered() {
    let mut world = World::new().await;
    world.more = "cloud_retries = 0\n".into();
    world.hub.put("a", "1");
    world.hub.put("b", "1");
    let daemon = world.start().await;
    let identities = daemon.handle.identities();
    assert_eq!(identities.list().await.unwrap().len(), 2);
    let signed = identities.sign(&"a".parse().unwrap(), Vec::new()).await.unwrap();
    // Made anew in the hub: another generation, another key.
    world.hub.put("a", "2");
    identities.delete(&"b".parse().unwrap()).await.unwrap();
    identities.list().await.unwrap();
    assert_ne!(identities.sign(&"a".parse().unwrap(), Vec::new()).await.unwrap(), signed);
    daemon.stop().await;

    world.hub.set_down(true);
    let daemon = world.start().await;
    let remembered = daemon.handle.identities().list().await.unwrap();
    assert_eq!(remembered.len(), 1);
    assert_eq!(remembered[0].generation_id, "2");
    let error = daemon.handle.identities().get(&"b".parse().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("cannot be asked"), "{error}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_device_that_was_made_anew_has_its_modules_back() {
    let world = World::new().await;
    for module in ["agent", "a", "b", "gone"] {
        world.hub.put(module, "1");
    }
    let daemon = world.start().await;
    let identities = daemon.handle.identities();
    let id = |text: &str| text.parse().unwrap();
    // Whoever made them, the hub has this device's keys before anything is signed with them.
    for module in ["agent", "a", "b", "gone"] {
        identities.sign(&id(module), Vec::new()).await.unwrap();
        assert_eq!(world.hub.module(module).unwrap()["authentication"]["type"], "sas", "{module}");
    }
    identities.create(&id("own"), Some("IotEdge")).await.unwrap();
    for module in ["agent", "a", "foreign"] {
        world.hub.put(module, "2");
    }
    world.hub.remove("gone");
    world.hub.remove("own");
    identities.update(&id("agent")).await.unwrap();
    let keys = |module: &str| world.hub.module(module).unwrap()["authentication"].clone();
    for module in ["agent", "a"] {
        assert_eq!(keys(module)["type"], "sas", "{module}");
        assert_eq!(identities.get(&id(module)).await.unwrap().generation_id, "2", "{module}");
    }
    assert!(keys("foreign").is_null(), "what is none of ours keeps its keys");
    assert_eq!(world.hub.module("own").unwrap()["managedBy"], "IotEdge", "it runs on, and is made again");
    assert_eq!(keys("own")["type"], "sas");
    identities.get(&id("gone")).await.unwrap_err();
    // It comes later than the others, and is given its keys when it signs.
    world.hub.put("gone", "3");
    identities.sign(&id("gone"), Vec::new()).await.unwrap();
    assert_eq!(keys("gone")["type"], "sas");
    daemon.stop().await;
}

#[tokio::test]
async fn what_breaks_off_while_modules_get_their_keys_back_is_begun_again() {
    let mut world = World::new().await;
    world.more = "cloud_retries = 0\n".into();
    for module in ["agent", "a"] {
        world.hub.put(module, "1");
    }
    let daemon = world.start().await;
    let identities = daemon.handle.identities();
    let (agent, a) = ("agent".parse().unwrap(), "a".parse().unwrap());
    for module in [&agent, &a] {
        identities.sign(module, Vec::new()).await.unwrap();
    }
    for module in ["agent", "a"] {
        world.hub.put(module, "2");
    }
    // The hub tells of the agent, and nothing more.
    world.hub.answer_after(1, 400);
    identities.update(&agent).await.unwrap_err();
    assert_eq!(identities.get(&agent).await.unwrap().generation_id, "1");
    world.hub.answer_all(None);
    identities.update(&agent).await.unwrap();
    assert_eq!(identities.get(&a).await.unwrap().generation_id, "2");
    assert_eq!(world.hub.module("a").unwrap()["authentication"]["type"], "sas");
    daemon.stop().await;
}

#[tokio::test]
async fn what_is_remembered_comes_first_where_the_operator_wants_it() {
    let mut world = World::new().await;
    world.more = "prefer_module_identity_cache = true\n".into();
    world.hub.put("a", "1");
    let daemon = world.start().await;
    assert_eq!(daemon.handle.identities().list().await.unwrap().len(), 1, "nothing is remembered yet");
    world.hub.put("b", "1");
    assert_eq!(daemon.handle.identities().list().await.unwrap().len(), 1);
    daemon.stop().await;
}

#[tokio::test]
async fn damaged_memories_are_passed_over() {
    let world = World::new().await;
    world.hub.put("a", "1");
    let daemon = world.start().await;
    daemon.handle.identities().list().await.unwrap();
    daemon.stop().await;
    let folder = std::fs::read_dir(world.path("identityd/modules")).unwrap().next().unwrap().unwrap().path();
    for file in std::fs::read_dir(&folder).unwrap() {
        std::fs::write(file.unwrap().path(), "{").unwrap();
    }
    let daemon = world.start().await;
    assert_eq!(daemon.handle.identities().get(&"a".parse().unwrap()).await.unwrap().generation_id, "1");
    daemon.stop().await;
}
