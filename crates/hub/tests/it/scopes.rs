//! Parents and children.

use http::Method;
use serde_json::json;

use crate::world::everywhere;

#[test]
fn children_name_their_parent_s_scope() {
    everywhere(|world| async move {
        let edge = json!({"capabilities": {"iotEdge": true}});
        let parent = world.put("/devices/parent", edge.clone()).await.expect(200);
        let scope = parent["deviceScope"].as_str().unwrap().to_owned();
        assert_eq!(parent["parentScopes"], json!([]));

        let leaf = world.put("/devices/leaf", json!({"deviceScope": scope})).await.expect(200);
        assert_eq!((&leaf["deviceScope"], &leaf["parentScopes"]), (&json!(scope), &json!([scope])));
        let other = world.put("/devices/other", json!({"parentScopes": [scope]})).await.expect(200);
        assert_eq!((&other["deviceScope"], &other["parentScopes"]), (&json!(scope), &json!([scope])));
        let mut nested = edge.clone();
        nested["parentScopes"] = json!([scope]);
        let child = world.put("/devices/child", nested).await.expect(200);
        assert_ne!(child["deviceScope"], json!(scope));
        assert_eq!(child["parentScopes"], json!([scope]));

        let query = json!({"query": format!("select deviceId from devices where array_contains(parentScopes, '{scope}')")});
        let found = world.post("/devices/query", query).await.expect(200);
        assert_eq!(found, json!([{"deviceId": "child"}, {"deviceId": "leaf"}, {"deviceId": "other"}]));

        let removed = json!({"deviceScope": "", "parentScopes": [scope]});
        let leaf = world
            .call_with(Method::PUT, "/devices/leaf", Some(removed), &[("if-match", "*")])
            .await
            .expect(200);
        assert_eq!((&leaf["deviceScope"], &leaf["parentScopes"]), (&json!(null), &json!([])));

        // The parent's own scope never changes, whatever a client sends.
        let mut back = parent.clone();
        back["deviceScope"] = json!("ms-azure-iot-edge://parent-1");
        let kept = world
            .call_with(Method::PUT, "/devices/parent", Some(back), &[("if-match", "*")])
            .await
            .expect(200);
        assert_eq!(kept["deviceScope"], json!(scope));
    });
}

#[test]
fn scopes_that_lead_nowhere_are_refused() {
    everywhere(|world| async move {
        world.device("plain", json!({})).await;
        let edge = world.put("/devices/edge", json!({"capabilities": {"iotEdge": true}})).await.expect(200);
        let own = edge["deviceScope"].clone();
        for bad in [
            json!({"deviceScope": "nonsense"}),
            json!({"deviceScope": "ms-azure-iot-edge://absent-1"}),
            json!({"deviceScope": "ms-azure-iot-edge://plain-1"}),
            json!({"deviceScope": "ms-azure-iot-edge://edge-1"}),
            json!({"parentScopes": [own, "ms-azure-iot-edge://x-2"]}),
        ] {
            world.put("/devices/leaf", bad).await.refused(400, "InvalidDeviceScope");
        }
        let body = json!({"capabilities": {"iotEdge": true}, "parentScopes": [own]});
        world
            .call_with(Method::PUT, "/devices/edge", Some(body), &[("if-match", "*")])
            .await
            .refused(400, "InvalidDeviceScope");
    });
}
