//! Devices: create, read, update, delete, list, count.

use http::Method;
use serde_json::json;

use crate::world::everywhere;

#[test]
fn a_device_lives_its_life() {
    everywhere(|world| async move {
        let made = world.put("/devices/d1", json!({"deviceId": "d1", "status": "enabled"})).await;
        let header = made.header("etag").unwrap().to_owned();
        let device = made.expect(200);
        assert_eq!(format!("\"{}\"", device["etag"].as_str().unwrap()), header);
        assert_eq!(device["authentication"]["type"], "sas");
        assert_eq!(device["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().len(), 44);
        assert_eq!(device["connectionState"], "Disconnected");
        assert_eq!(device["capabilities"], json!({"iotEdge": false}));
        assert_eq!(device["parentScopes"], json!([]));
        assert_eq!(device["statusUpdatedTime"], "0001-01-01T00:00:00Z");
        assert_eq!(world.get("/devices/d1").await.expect(200), device);

        world.put("/devices/d1", json!({"deviceId": "d1"})).await.refused(409, "DeviceAlreadyExists");
        let with = |etag: &'static str| [("if-match", etag)];
        let body = json!({"deviceId": "d1", "status": "disabled", "statusReason": "lost"});
        let stale =
            world.call_with(Method::PUT, "/devices/d1", Some(body.clone()), &with("\"c3RhbGU=\"")).await;
        stale.refused(412, "PreconditionFailed");
        let changed = world
            .call_with(Method::PUT, "/devices/d1", Some(body.clone()), &[("if-match", &header)])
            .await
            .expect(200);
        assert_eq!((&changed["status"], &changed["statusReason"]), (&json!("disabled"), &json!("lost")));
        assert_eq!(changed["statusUpdatedTime"], "2026-01-01T00:00:00Z");
        assert_eq!(changed["authentication"], device["authentication"], "keys stay when none are sent");
        assert_eq!(changed["generationId"], device["generationId"]);
        assert_ne!(changed["etag"], device["etag"]);

        let stale = world.call_with(Method::DELETE, "/devices/d1", None, &[("if-match", &header)]).await;
        stale.refused(412, "PreconditionFailed");
        let gone = world.call_with(Method::DELETE, "/devices/d1", None, &with("\"*\"")).await;
        assert_eq!((gone.status, gone.body.is_null()), (204, true));
        world.get("/devices/d1").await.refused(404, "DeviceNotFound");
        world.delete("/devices/d1").await.refused(404, "DeviceNotFound");
        world
            .call_with(Method::PUT, "/devices/d1", Some(body), &with("*"))
            .await
            .refused(404, "DeviceNotFound");

        let again = world.put("/devices/d1", json!({})).await.expect(200);
        assert_ne!(again["generationId"], device["generationId"]);
        assert_ne!(again["etag"], device["etag"]);
    });
}

#[test]
fn every_form_of_authentication_is_kept() {
    everywhere(|world| async move {
        let (one, two) = ("AAAAAAAAAAAAAAAAAAAAAA==", "MTIzNDU2Nzg5MDEyMzQ1Ng==");
        let sas = json!({"authentication": {"type": "sas", "symmetricKey": {"primaryKey": one, "secondaryKey": two}}});
        let device = world.put("/devices/sas", sas).await.expect(200);
        assert_eq!(device["authentication"]["symmetricKey"], json!({"primaryKey": one, "secondaryKey": two}));

        let print = "ab".repeat(20);
        let body =
            json!({"authentication": {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": print}}});
        let device = world.put("/devices/self", body).await.expect(200);
        let upper = print.to_uppercase();
        let wanted = json!({"primaryThumbprint": upper, "secondaryThumbprint": null});
        assert_eq!(device["authentication"]["x509Thumbprint"], wanted);
        assert_eq!(
            device["authentication"]["symmetricKey"],
            json!({"primaryKey": null, "secondaryKey": null})
        );

        let body = json!({"authentication": {"type": "certificateAuthority"}});
        let device = world.put("/devices/ca", body).await.expect(200);
        assert_eq!(device["authentication"]["type"], "certificateAuthority");

        for bad in [
            json!({"authentication": {"type": "none"}}),
            json!({"authentication": {"type": "magic"}}),
            json!({"authentication": {"type": "sas", "symmetricKey": {"primaryKey": "???"}}}),
            json!({"authentication": {"type": "selfSigned"}}),
            json!({"authentication": {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": "12"}}}),
            json!({"status": "asleep"}),
            json!({"statusReason": "x".repeat(129)}),
            json!({"deviceId": "another"}),
        ] {
            world.put("/devices/bad", bad).await.refused(400, "ArgumentInvalid");
        }
        world.get("/devices/bad").await.refused(404, "DeviceNotFound");
    });
}

#[test]
fn ids_are_decoded_once_and_checked() {
    everywhere(|world| async move {
        let id = "A-z:.+%_#*?!(),=@;$'";
        let encoded = "A-z%3A.%2B%25_%23*%3F!()%2C%3D%40%3B%24'".replace('*', "%2A");
        world.put(&format!("/devices/{encoded}"), json!({"deviceId": id})).await.expect(200);
        assert_eq!(world.get(&format!("/devices/{encoded}")).await.expect(200)["deviceId"], id);
        assert_eq!(world.get(&format!("/devices%2F{encoded}")).await.expect(200)["deviceId"], id);
        assert_eq!(world.get(&format!("/twins%2F{encoded}")).await.expect(200)["deviceId"], id);
        world.delete(&format!("/devices/{encoded}")).await.expect(204);
        let long = format!("/devices/{}", "x".repeat(129));
        for bad in ["/devices/a%20b", "/devices/%C3%A4", "/devices/a%26b", long.as_str()] {
            world.put(bad, json!({})).await.refused(400, "ArgumentInvalid");
        }
        for unknown in ["/", "/device", "/devices/d/e/f/g", "/twins", "/devices/%ff"] {
            world.get(unknown).await.refused(404, "OperationNotFound");
        }
        world.post("/devices/d1", json!({})).await.refused(405, "MethodNotAllowed");
    });
}

#[test]
fn listing_is_in_order_and_bounded_and_counts_are_right() {
    everywhere(|world| async move {
        for n in 0..25 {
            world.device(&format!("d{n:02}"), json!({})).await;
        }
        let ids = |body: serde_json::Value| -> Vec<String> {
            body.as_array()
                .unwrap()
                .iter()
                .map(|device| device["deviceId"].as_str().unwrap().to_owned())
                .collect()
        };
        let all = ids(world.get("/devices").await.expect(200));
        assert_eq!(all.len(), 25);
        assert!(all.is_sorted());
        assert_eq!(ids(world.get("/devices/?top=3").await.expect(200)), ["d00", "d01", "d02"]);
        for all in ["0", "-1", "1001"] {
            assert_eq!(ids(world.get(&format!("/devices?top={all}")).await.expect(200)).len(), 25);
        }
        world.get("/devices?top=x").await.refused(400, "ArgumentInvalid");

        for n in 0..5 {
            let path = format!("/devices/d{n:02}");
            let body = json!({"status": "Disabled"});
            world.call_with(Method::PUT, &path, Some(body), &[("if-match", "*")]).await.expect(200);
        }
        let counts = world.get("/statistics/devices").await.expect(200);
        assert_eq!(
            counts,
            json!({"totalDeviceCount": 25, "enabledDeviceCount": 20, "disabledDeviceCount": 5})
        );
        assert_eq!(world.get("/statistics/service").await.expect(200), json!({"connectedDeviceCount": 0}));
    });
}

#[test]
fn keys_are_rotated_one_by_one() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let keys = |body: &serde_json::Value| body["authentication"]["symmetricKey"].clone();
        let before = keys(&world.get("/devices/d1").await.expect(200));
        let body = json!({"policyKey": "primaryKey", "devices": [{"id": "d1"}]});
        let rotated = world.post("/devices/keys/regenerate", body).await.expect(200);
        let after = keys(&world.get("/devices/d1").await.expect(200));
        assert_ne!(after["primaryKey"], before["primaryKey"]);
        assert_eq!(after["secondaryKey"], before["secondaryKey"]);
        assert_eq!(rotated["rotatedKeys"][0]["primaryKey"], after["primaryKey"]);
        let body = json!({"policyKey": "swap", "devices": [{"id": "d1"}, {"id": "absent"}]});
        let mixed = world.post("/devices/keys/regenerate", body).await.expect(207);
        assert_eq!(mixed["errors"][0]["errorCode"], "DeviceNotFound");
        assert_eq!(mixed["rotatedKeys"][0]["primaryKey"], after["secondaryKey"]);
        let body = json!({"policyKey": "third", "devices": []});
        world.post("/devices/keys/regenerate", body).await.refused(400, "ArgumentInvalid");
    });
}
