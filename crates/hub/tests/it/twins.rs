//! Twins over REST: etags, merge, replace, limits.

use http::Method;
use serde_json::json;

use crate::world::everywhere;

#[test]
fn a_twin_is_read_merged_and_replaced() {
    everywhere(|world| async move {
        world.get("/twins/d1").await.refused(404, "DeviceNotFound");
        world.device("d1", json!({})).await;
        world.get("/twins/d1/modules/m1").await.refused(404, "ModuleNotFound");
        let fresh = world.get("/twins/d1").await;
        assert_eq!(fresh.header("etag"), Some("\"AAAAAAAAAAE=\""));
        let fresh = fresh.expect(200);
        assert_eq!((&fresh["version"], &fresh["etag"]), (&json!(2), &json!("AAAAAAAAAAE=")));
        assert_eq!(fresh["deviceEtag"], world.get("/devices/d1").await.expect(200)["etag"]);
        let section = json!({"$metadata": {"$lastUpdated": "2026-01-01T00:00:00Z"}, "$version": 1});
        assert_eq!(fresh["properties"], json!({"desired": section, "reported": section}));
        assert_eq!(fresh["x509Thumbprint"], json!({"primaryThumbprint": null, "secondaryThumbprint": null}));

        let patch =
            json!({"tags": {"site": "oslo"}, "properties": {"desired": {"led": {"on": true, "x": 1}}}});
        let twin = world.patch("/twins/d1", patch).await.expect(200);
        assert_eq!(twin["tags"], json!({"site": "oslo"}));
        assert_eq!(twin["properties"]["desired"]["led"], json!({"on": true, "x": 1}));
        assert_eq!((&twin["properties"]["desired"]["$version"], &twin["version"]), (&json!(2), &json!(3)));
        let again = world.patch("/twins/d1", twin.clone()).await.expect(200);
        assert_eq!(again["tags"], twin["tags"], "the whole twin may be sent back");
        let unchanged = world.patch("/twins/d1", json!({})).await.expect(200);
        assert_eq!(unchanged, again, "nothing sent, nothing changed");

        let replaced = world.put("/twins/d1", json!({"tags": {"a": 1}})).await.expect(200);
        assert_eq!(replaced["tags"], json!({"a": 1}));
        assert_eq!(replaced["properties"]["desired"]["led"], json!(null));
        assert_eq!(replaced, world.get("/twins/d1").await.expect(200));
    });
}

#[test]
fn a_stale_etag_changes_nothing() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let patch = |n: u32| Some(json!({"tags": {"n": n}}));
        let first =
            world.call_with(Method::PATCH, "/twins/d1", patch(1), &[("if-match", "\"AAAAAAAAAAE=\"")]).await;
        let first = first.expect(200);
        assert_eq!(first["etag"], "AAAAAAAAAAI=");
        for method in [Method::PATCH, Method::PUT] {
            let stale =
                world.call_with(method, "/twins/d1", patch(2), &[("if-match", "\"AAAAAAAAAAE=\"")]).await;
            stale.refused(412, "PreconditionFailed");
        }
        assert_eq!(world.get("/twins/d1").await.expect(200), first);
        world.call_with(Method::PATCH, "/twins/d1", patch(3), &[("if-match", "\"*\"")]).await.expect(200);
    });
}

#[test]
fn what_a_twin_cannot_hold_is_refused_and_changes_nothing() {
    everywhere(|world| async move {
        world.device("d1", json!({"keep": "me"})).await;
        let before = world.get("/twins/d1").await.expect(200);
        let big: serde_json::Map<_, _> = (0..9).map(|n| (format!("k{n}"), json!("x".repeat(4000)))).collect();
        for bad in [
            json!({"tags": {"a.b": 1}}),
            json!({"tags": big}),
            json!({"properties": {"desired": big}}),
            json!({"properties": {"desired": {"n": 4_503_599_627_370_496_i64}}}),
            json!({"tags": "text"}),
            json!([1]),
        ] {
            world.patch("/twins/d1", bad.clone()).await.refused(400, "ArgumentInvalid");
            world.put("/twins/d1", bad).await.refused(400, "ArgumentInvalid");
        }
        let token = world.token("iothubowner");
        for (body, name) in [("{", "IotHubFormatError"), ("", "ArgumentNull"), ("\u{0}", "IotHubFormatError")]
        {
            let uri = "/twins/d1?api-version=2021-04-12";
            let bad = world.raw(Method::PATCH, uri, body.into(), &[("authorization", &token)]).await;
            bad.refused(400, name);
        }
        assert_eq!(world.get("/twins/d1").await.expect(200), before);
        world.delete("/twins/d1").await.refused(405, "MethodNotAllowed");
    });
}

#[test]
fn modules_have_twins_of_their_own() {
    everywhere(|world| async move {
        world.device("d1", json!({"of": "device"})).await;
        world.put("/devices/d1/modules/m1", json!({})).await.expect(200);
        let patch = json!({"tags": {"of": "module"}, "properties": {"desired": {"a": 1}}});
        let twin = world.patch("/twins/d1/modules/m1", patch).await.expect(200);
        assert_eq!((&twin["moduleId"], &twin["tags"]["of"]), (&json!("m1"), &json!("module")));
        assert_eq!(world.get("/twins/d1").await.expect(200)["tags"]["of"], "device");
        assert_eq!(world.get("/twins/d1/modules/m1").await.expect(200), twin);
    });
}
