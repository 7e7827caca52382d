//! Modules and the edge runtime's own two.

use http::Method;
use serde_json::json;

use crate::world::everywhere;

#[test]
fn a_module_lives_its_life() {
    everywhere(|world| async move {
        world.put("/devices/d1/modules/m1", json!({})).await.refused(404, "DeviceNotFound");
        world.get("/devices/d1/modules").await.refused(404, "DeviceNotFound");
        world.device("d1", json!({})).await;
        world.get("/devices/d1/modules/m1").await.refused(404, "ModuleNotFound");
        let body = json!({"deviceId": "d1", "moduleId": "m1", "managedBy": "me"});
        let module = world.put("/devices/d1/modules/m1", body).await.expect(200);
        assert_eq!((&module["managedBy"], &module["moduleId"]), (&json!("me"), &json!("m1")));
        assert_eq!(module["authentication"]["type"], "sas");
        world.put("/devices/d1/modules/m1", json!({})).await.refused(409, "ModuleAlreadyExistsOnDevice");
        let update = json!({"managedBy": "you"});
        let changed =
            world.call_with(Method::PUT, "/devices/d1/modules/m1", Some(update), &[("if-match", "*")]).await;
        let changed = changed.expect(200);
        assert_eq!(changed["managedBy"], "you");
        assert_eq!(changed["authentication"], module["authentication"]);
        assert_eq!(world.get("/devices/d1/modules").await.expect(200).as_array().unwrap().len(), 1);
        let etag = format!("\"{}\"", module["etag"].as_str().unwrap());
        let stale =
            world.call_with(Method::DELETE, "/devices/d1/modules/m1", None, &[("if-match", &etag)]).await;
        stale.refused(412, "PreconditionFailed");
        world.delete("/devices/d1/modules/m1").await.expect(204);
        world.get("/devices/d1/modules/m1").await.refused(404, "ModuleNotFound");
    });
}

#[test]
fn deleting_a_device_takes_its_modules_along() {
    everywhere(|world| async move {
        for device in ["d1", "d2"] {
            world.device(device, json!({})).await;
            world.put(&format!("/devices/{device}/modules/m1"), json!({})).await.expect(200);
        }
        world.delete("/devices/d1").await.expect(204);
        world.device("d1", json!({})).await;
        assert_eq!(world.get("/devices/d1/modules").await.expect(200), json!([]));
        assert_eq!(world.get("/devices/d2/modules").await.expect(200).as_array().unwrap().len(), 1);
    });
}

#[test]
fn the_fifty_first_module_is_refused() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        for n in 0..50 {
            world.put(&format!("/devices/d1/modules/m{n}"), json!({})).await.expect(200);
        }
        world.put("/devices/d1/modules/one-more", json!({})).await.refused(413, "TooManyModulesOnDevice");
        world.delete("/devices/d1/modules/m7").await.expect(204);
        world.put("/devices/d1/modules/one-more", json!({})).await.expect(200);
    });
}

#[test]
fn an_edge_device_brings_its_runtime() {
    everywhere(|world| async move {
        let edge = world.put("/devices/edge", json!({"capabilities": {"iotEdge": true}})).await.expect(200);
        assert!(edge["deviceScope"].as_str().unwrap().starts_with("ms-azure-iot-edge://edge-"));
        let modules = world.get("/devices/edge/modules").await.expect(200);
        for (module, name) in modules.as_array().unwrap().iter().zip(["$edgeAgent", "$edgeHub"]) {
            assert_eq!(module["moduleId"], name);
            assert_eq!(
                (&module["managedBy"], &module["authentication"]["type"]),
                (&json!("iotEdge"), &json!("none"))
            );
        }
        let refused = world.delete("/devices/edge/modules/$edgeHub").await;
        refused.refused(401, "SystemModuleModifyUnauthorizedAccess");
        world
            .put("/devices/edge/modules/%24edgeHub", json!({}))
            .await
            .refused(409, "ModuleAlreadyExistsOnDevice");
        let keys = json!({"authentication": {"type": "sas"}, "managedBy": "iotEdge"});
        let path = "/devices/edge/modules/$edgeAgent";
        let set = world.call_with(Method::PUT, path, Some(keys), &[("if-match", "*")]).await.expect(200);
        assert_eq!(set["authentication"]["type"], "sas");
        assert_eq!(world.get("/twins/edge/modules/$edgeAgent").await.expect(200)["moduleId"], "$edgeAgent");

        world.device("plain", json!({})).await;
        let refused = world.put("/devices/plain/modules/$edgeAgent", json!({})).await;
        refused.refused(401, "SystemModuleModifyUnauthorizedAccess");
        let body = json!({"capabilities": {"iotEdge": true}});
        world.call_with(Method::PUT, "/devices/plain", Some(body), &[("if-match", "*")]).await.expect(200);
        assert_eq!(world.get("/devices/plain/modules").await.expect(200).as_array().unwrap().len(), 2);
    });
}
