//! Many identities in one request.

use serde_json::{Value, json};

use crate::world::everywhere;

fn item(id: &str, mode: &str) -> Value {
    json!({"id": id, "importMode": mode})
}

#[test]
fn each_item_has_a_result_of_its_own() {
    everywhere(|world| async move {
        let batch: Vec<Value> = (0..100).map(|n| item(&format!("d{n}"), "create")).collect();
        let done = world.post("/devices", json!(batch)).await.expect(200);
        assert_eq!(done, json!({"isSuccessful": true, "errors": [], "warnings": []}));
        assert_eq!(world.get("/statistics/devices").await.expect(200)["totalDeviceCount"], 100);

        let mixed = world
            .post(
                "/devices/",
                json!([
                    item("d1", "Create"),
                    item("new", "create"),
                    item("gone", "update"),
                    item("a b", "create")
                ]),
            )
            .await;
        assert_eq!(mixed.header("iothub-errorcode"), Some("BulkRegistryOperationFailure"));
        let mixed = mixed.expect(400);
        assert_eq!(mixed["isSuccessful"], false);
        let names: Vec<_> = mixed["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| (&e["deviceId"], &e["errorCode"], &e["operation"]))
            .collect();
        assert_eq!(
            names,
            [
                (&json!("d1"), &json!("DeviceAlreadyExists"), &json!("create")),
                (&json!("gone"), &json!("DeviceNotFound"), &json!("update")),
                (&json!("a b"), &json!("ArgumentInvalid"), &json!("create")),
            ]
        );
        world.get("/devices/new").await.expect(200);

        let batch: Vec<Value> = (0..100).map(|n| item(&format!("d{n}"), "Delete")).collect();
        world.post("/devices", json!(batch)).await.expect(200);
        assert_eq!(world.get("/statistics/devices").await.expect(200)["totalDeviceCount"], 1);
    });
}

#[test]
fn modes_twins_modules_and_etags_are_honoured() {
    everywhere(|world| async move {
        let keys = json!({"type": "sas", "symmetricKey": {"primaryKey": "AAAAAAAAAAAAAAAAAAAAAA==", "secondaryKey": "AAAAAAAAAAAAAAAAAAAAAA=="}});
        let create = json!([
            {"id": "d1", "importMode": "create", "status": "disabled", "authentication": keys, "tags": {"a": 1}, "properties": {"desired": {"b": 2}}},
        ]);
        world.post("/devices", create).await.expect(200);
        world
            .post(
                "/devices",
                json!([{"id": "d1", "moduleId": "m1", "importMode": "create", "managedBy": "x"}]),
            )
            .await
            .expect(200);
        let twin = world.get("/twins/d1").await.expect(200);
        assert_eq!((&twin["tags"], &twin["properties"]["desired"]["b"]), (&json!({"a": 1}), &json!(2)));
        let device = world.get("/devices/d1").await.expect(200);
        assert_eq!(
            (&device["status"], &device["authentication"]["symmetricKey"]["primaryKey"]),
            (&json!("disabled"), &json!("AAAAAAAAAAAAAAAAAAAAAA=="))
        );
        assert_eq!(world.get("/devices/d1/modules/m1").await.expect(200)["managedBy"], "x");

        let twins = json!([{"id": "d1", "importMode": "updateTwin", "tags": {"a": null, "c": 3}}]);
        world.post("/devices", twins).await.expect(200);
        assert_eq!(world.get("/twins/d1").await.expect(200)["tags"], json!({"c": 3}));
        let stale = json!([{"id": "d1", "importMode": "updateTwinIfMatchETag", "twinETag": "AAAAAAAAAAE=", "tags": {"z": 1}}]);
        assert_eq!(
            world.post("/devices", stale).await.expect(400)["errors"][0]["errorCode"],
            "PreconditionFailed"
        );
        for (mode, etag, status) in [
            ("updateIfMatchETag", json!("c3RhbGU="), 400),
            ("updateIfMatchETag", Value::Null, 400),
            ("deleteIfMatchEtag", json!("*"), 200),
        ] {
            let batch = json!([{"id": "d1", "etag": etag, "importMode": mode}]);
            world.post("/devices", batch).await.expect(status);
        }
        world.get("/devices/d1").await.refused(404, "DeviceNotFound");
        world.post("/devices", json!([{"id": "d2"}])).await.expect(200);
        world.post("/devices", json!([{"id": "d2", "status": "disabled"}])).await.expect(200);
        assert_eq!(world.get("/devices/d2").await.expect(200)["status"], "disabled");
    });
}

#[test]
fn requests_that_make_no_sense_are_refused_whole() {
    everywhere(|world| async move {
        let many: Vec<Value> = (0..101).map(|n| item(&format!("d{n}"), "create")).collect();
        world.post("/devices", json!(many)).await.refused(400, "ArgumentInvalid");
        world
            .post("/devices", json!([item("d1", "create"), item("d1", "delete")]))
            .await
            .refused(400, "DeviceDefinedMultipleTimes");
        world.post("/devices", json!([item("d1", "conjure")])).await.refused(400, "ArgumentInvalid");
        world.post("/devices", json!([{"id": 7}])).await.refused(400, "ArgumentInvalid");
        world.post("/devices", json!({"id": "d1"})).await.refused(400, "IotHubFormatError");
        assert_eq!(world.get("/statistics/devices").await.expect(200)["totalDeviceCount"], 0);
    });
}
