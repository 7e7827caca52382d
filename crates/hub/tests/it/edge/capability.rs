//! What comes and goes with the edge capability, and who can be whose parent.

use http::Method;
use serde_json::{Value, json};

use super::{edge, ids, leaf};
use crate::world::{World, everywhere};

async fn update(world: &World, id: &str, body: Value) -> Value {
    let path = format!("/devices/{id}");
    world.call_with(Method::PUT, &path, Some(body), &[("if-match", "*")]).await.expect(200)
}

#[test]
fn the_runtime_goes_with_the_capability() {
    everywhere(|world| async move {
        let parent = edge(&world, "parent", None).await;
        let child = edge(&world, "child", Some(&parent)).await;
        world.put("/devices/child/modules/m1", json!({})).await.expect(200);
        let before = world.get("/devices/child/modules/$edgeAgent").await.expect(200);

        // As a tool sends it: everything that it has read, and the capability.
        let mut back = child.clone();
        back["capabilities"]["iotEdge"] = json!(false);
        let plain = update(&world, "child", back).await;
        assert_eq!(plain["capabilities"]["iotEdge"], false);
        assert_eq!(plain["deviceScope"], parent["deviceScope"], "it is a leaf of its parent now");
        assert_eq!(plain["parentScopes"], json!([parent["deviceScope"]]));
        assert_eq!(ids(&world.get("/devices/child/modules").await.expect(200), "moduleId"), ["m1"]);
        world.get("/twins/child/modules/$edgeHub").await.refused(404, "ModuleNotFound");

        let again = update(&world, "child", json!({"capabilities": {"iotEdge": true}})).await;
        assert_ne!(again["deviceScope"], child["deviceScope"], "who was behind it is so no more");
        assert!(again["deviceScope"].as_str().unwrap().starts_with("ms-azure-iot-edge://child-"));
        assert_eq!(again["parentScopes"], json!([parent["deviceScope"]]));
        let after = world.get("/devices/child/modules/$edgeAgent").await.expect(200);
        assert_ne!(after["generationId"], before["generationId"]);
        assert_eq!(after["authentication"]["type"], "none");

        // Who says nothing of parents means the same.
        edge(&world, "quiet", Some(&parent)).await;
        let plain = update(&world, "quiet", json!({"capabilities": {"iotEdge": false}})).await;
        assert_eq!(plain["deviceScope"], parent["deviceScope"]);
        let alone = edge(&world, "alone", None).await;
        let mut back = alone.clone();
        back["capabilities"]["iotEdge"] = json!(false);
        let plain = update(&world, "alone", back).await;
        assert_eq!((&plain["deviceScope"], &plain["parentScopes"]), (&json!(null), &json!([])));
    });
}

#[test]
fn a_device_without_room_for_the_runtime_cannot_become_an_edge_device() {
    everywhere(|world| async move {
        world.device("full", json!({})).await;
        for n in 0..49 {
            world.put(&format!("/devices/full/modules/m{n}"), json!({})).await.expect(200);
        }
        let body = json!({"capabilities": {"iotEdge": true}});
        let path = "/devices/full";
        let refused = world.call_with(Method::PUT, path, Some(body.clone()), &[("if-match", "*")]).await;
        refused.refused(413, "TooManyModulesOnDevice");
        world.delete("/devices/full/modules/m0").await.expect(204);
        update(&world, "full", body).await;
        assert_eq!(world.get("/devices/full/modules").await.expect(200).as_array().unwrap().len(), 50);
    });
}

#[test]
fn nobody_is_behind_itself_and_rows_have_an_end() {
    everywhere(|world| async move {
        let first = edge(&world, "e1", None).await;
        let second = edge(&world, "e2", Some(&first)).await;
        let mut last = second.clone();
        for n in 3..=5 {
            last = edge(&world, &format!("e{n}"), Some(&last)).await;
        }
        leaf(&world, "leaf", &last).await;
        let sixth = json!({"capabilities": {"iotEdge": true}, "parentScopes": [last["deviceScope"]]});
        let refused = world.put("/devices/e6", sixth).await;
        assert!(refused.body.to_string().contains("at most 5 edge devices"), "{}", refused.body);
        refused.refused(400, "InvalidDeviceScope");
        for parent in [&first, &second, &last] {
            let body = json!({"capabilities": {"iotEdge": true}, "parentScopes": [parent["deviceScope"]]});
            let circle = world.call_with(Method::PUT, "/devices/e1", Some(body), &[("if-match", "*")]).await;
            circle.refused(400, "InvalidDeviceScope");
        }
        // A parent that is gone stays named until the child has another; what is said of it is not said again.
        world.delete("/devices/e5").await.expect(204);
        let kept = update(&world, "leaf", json!({"deviceScope": last["deviceScope"]})).await;
        assert_eq!(kept["parentScopes"], json!([last["deviceScope"]]));
        let moved = update(&world, "leaf", json!({"deviceScope": first["deviceScope"]})).await;
        assert_eq!(moved["parentScopes"], json!([first["deviceScope"]]));
    });
}
