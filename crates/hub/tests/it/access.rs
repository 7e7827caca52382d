//! Who is let in, and what each policy may do.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::json;
use skerry_store::documents::Documents;
use skerry_store::{EmbeddedDocuments, EmbeddedOptions};
use skerry_tokens::SharedKey;

use crate::world::{Answer, HOST, World, everywhere};

async fn with_token(world: &World, method: Method, path: &str, token: &str) -> Answer {
    let uri = format!("{path}?api-version=2021-04-12");
    world.raw(method, &uri, b"{}".to_vec(), &[("authorization", token)]).await
}

#[test]
fn wrong_tokens_get_their_answer() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let good = world.token("iothubowner");
        with_token(&world, Method::GET, "/devices/d1", &good).await.expect(200);
        let owner = world.policies.get("iothubowner").unwrap();
        let secondary = world.token_signed_with(Some("iothubowner"), owner.secondary, HOST);
        with_token(&world, Method::GET, "/devices/d1", &secondary).await.expect(200);

        let foreign = SharedKey::from_bytes(&[9; 32]).unwrap();
        let wrong_key = world.token_signed_with(Some("iothubowner"), foreign.clone(), HOST);
        let unknown = world.token_signed_with(Some("nobody"), foreign, HOST);
        let elsewhere = world.token_signed_with(Some("iothubowner"), owner.primary, "hub2.skerry.test");
        for token in [
            "",
            "Bearer x",
            "SharedAccessSignature",
            &wrong_key,
            &unknown,
            &elsewhere,
            &good.replace("sig=", "sig=A"),
        ] {
            with_token(&world, Method::GET, "/devices/d1", token)
                .await
                .refused(401, "IotHubUnauthorizedAccess");
        }
        world
            .raw(Method::GET, "/devices/d1?api-version=2021-04-12", vec![], &[])
            .await
            .refused(401, "IotHubUnauthorizedAccess");
        world
            .raw(Method::GET, "/devices/d1", vec![], &[("authorization", &good)])
            .await
            .refused(400, "InvalidProtocolVersion");
        world
            .raw(Method::GET, "/devices/d1?api-version=new", vec![], &[("authorization", &good)])
            .await
            .refused(400, "InvalidProtocolVersion");

        world.clock.advance(Duration::from_secs(3600 + 299));
        with_token(&world, Method::GET, "/devices/d1", &good).await.expect(200);
        world.clock.advance(Duration::from_secs(2));
        with_token(&world, Method::GET, "/devices/d1", &good).await.refused(401, "IotHubUnauthorized");
    });
}

#[test]
fn each_policy_may_do_what_it_says() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let table = [
            (Method::GET, "/devices/d1", ["registryRead", "registryReadWrite", "iothubowner"].as_slice()),
            (Method::GET, "/devices", &["registryRead", "registryReadWrite", "iothubowner"]),
            (Method::GET, "/statistics/devices", &["registryRead", "registryReadWrite", "iothubowner"]),
            (Method::GET, "/devices/d1/modules", &["registryRead", "registryReadWrite", "iothubowner"]),
            (Method::GET, "/twins/d1", &["service", "iothubowner"]),
            (Method::PATCH, "/twins/d1", &["service", "iothubowner"]),
            (Method::PUT, "/devices/d1", &["registryReadWrite", "iothubowner"]),
            (Method::GET, "/skerry/v1/status", &["iothubowner"]),
            (Method::GET, "/skerry/v1/policies", &["iothubowner"]),
        ];
        for (method, path, allowed) in table {
            for policy in ["iothubowner", "service", "device", "registryRead", "registryReadWrite"] {
                let answer = with_token(&world, method.clone(), path, &world.token(policy)).await;
                let let_in = answer.status != 401;
                assert_eq!(let_in, allowed.contains(&policy), "{policy} on {method} {path}: {}", answer.body);
                if !let_in {
                    answer.refused(401, "IotHubUnauthorizedAccess");
                }
            }
        }
    });
}

#[test]
fn an_edge_device_manages_its_own_modules_and_nothing_else() {
    everywhere(|world| async move {
        let edge = world.put("/devices/edge", json!({"capabilities": {"iotEdge": true}})).await.expect(200);
        let leaf = world.put("/devices/leaf", json!({})).await.expect(200);
        let token = |device: &serde_json::Value, resource: &str| {
            let key =
                device["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().parse().unwrap();
            world.token_signed_with(None, key, &format!("{HOST}/devices/{resource}"))
        };
        let own = token(&edge, "edge");
        with_token(&world, Method::GET, "/devices/edge/modules", &own).await.expect(200);
        with_token(&world, Method::PUT, "/devices/edge/modules/m1", &own).await.expect(200);
        with_token(&world, Method::DELETE, "/devices/edge/modules/m1", &own).await.expect(204);
        for (path, token) in [
            ("/devices/edge", own.clone()),
            ("/twins/edge", own.clone()),
            ("/devices/leaf/modules", own.clone()),
            ("/devices/leaf/modules", token(&leaf, "leaf")),
            ("/devices/edge/modules", token(&leaf, "edge")),
            ("/devices/absent/modules", token(&leaf, "absent")),
        ] {
            with_token(&world, Method::GET, path, &token).await.refused(401, "IotHubUnauthorizedAccess");
        }
        let disabled = json!({"status": "disabled", "capabilities": {"iotEdge": true}});
        world.call_with(Method::PUT, "/devices/edge", Some(disabled), &[("if-match", "*")]).await.expect(200);
        with_token(&world, Method::GET, "/devices/edge/modules", &own)
            .await
            .refused(401, "IotHubUnauthorizedAccess");
    });
}

#[test]
fn policies_are_made_changed_and_deleted() {
    everywhere(|world| async move {
        let made = world
            .put("/skerry/v1/policies/ops", json!({"rights": "RegistryRead, ServiceConnect"}))
            .await
            .expect(200);
        assert_eq!(
            (&made["keyName"], &made["rights"]),
            (&json!("ops"), &json!("RegistryRead, ServiceConnect"))
        );
        let old = world.token("ops");
        with_token(&world, Method::GET, "/devices", &old).await.expect(200);
        let rotated = world
            .post("/skerry/v1/policies/ops/regenerate", json!({"policyKey": "primaryKey"}))
            .await
            .expect(200);
        assert_eq!(rotated["secondaryKey"], made["secondaryKey"]);
        with_token(&world, Method::GET, "/devices", &old).await.refused(401, "IotHubUnauthorizedAccess");
        with_token(&world, Method::GET, "/devices", &world.token("ops")).await.expect(200);
        world.put("/skerry/v1/policies/ops", json!({"rights": "RegistryRead"})).await.expect(409);
        world
            .put("/skerry/v1/policies/bad", json!({"rights": "Everything"}))
            .await
            .refused(400, "ArgumentInvalid");
        world
            .put("/skerry/v1/policies/b%20d", json!({"rights": "RegistryRead"}))
            .await
            .refused(400, "ArgumentInvalid");
        world.delete("/skerry/v1/policies/ops").await.expect(204);
        world.get("/skerry/v1/policies/ops").await.expect(404);
        world.delete("/skerry/v1/policies/iothubowner").await.refused(400, "ArgumentInvalid");
        assert_eq!(world.get("/skerry/v1/policies").await.expect(200).as_array().unwrap().len(), 5);
    });
}

#[test]
fn the_status_and_the_metrics_count() {
    everywhere(|world| async move {
        // Several: a weak store does not count a commit whose outcome it does not know.
        for id in ["d1", "d2", "d3", "d4", "d5"] {
            world.device(id, json!({})).await;
        }
        world.put("/devices/d1", json!({})).await.expect(409);
        let status = world.get("/skerry/v1/status").await.expect(200);
        assert_eq!(
            (&status["hubName"], &status["version"]),
            (&json!("hub1"), &json!(env!("CARGO_PKG_VERSION")))
        );
        assert!(status["figures"]["documents_commits"].as_u64().unwrap() >= 1);
        assert!(status["figures"]["documents_conflicts"].as_u64().unwrap() >= 1);
        let text = world.get_text("/skerry/v1/metrics").await;
        for line in ["# TYPE skerry_hub_documents_commits_total counter", "skerry_hub_identities_connected 0"]
        {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
        // Whatever is told is listed, with the meaning that it is told with.
        let listed = skerry_hub::rest::metrics();
        for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
            let known = |metric: &skerry_model::Metric| line == format!("{} {}.", metric.name, metric.help);
            assert!(listed.iter().any(known), "{line}");
        }
    });
}

#[test]
fn whoever_asks_is_told_whether_the_hub_is_alive_and_ready() {
    everywhere(|world| async move {
        for (path, body) in [("live", json!({"live": true})), ("ready", json!({"ready": true}))] {
            let answer = world.raw(Method::GET, &format!("/skerry/v1/{path}"), Vec::new(), &[]).await;
            assert_eq!(answer.expect(200), body);
            let answer = world.raw(Method::POST, &format!("/skerry/v1/{path}"), Vec::new(), &[]).await;
            answer.refused(405, "MethodNotAllowed");
        }
        world.hub.end_streams();
        let answer = world.raw(Method::GET, "/skerry/v1/ready", Vec::new(), &[]).await;
        assert_eq!(answer.expect(503), json!({"ready": false, "why": "the hub is stopping"}));
        world.raw(Method::GET, "/skerry/v1/live", Vec::new(), &[]).await.expect(200);
    });
}

#[tokio::test]
async fn a_hub_whose_documents_are_gone_is_alive_and_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions::new(folder.path().join("documents.db"));
    let documents = Arc::new(EmbeddedDocuments::open(options).unwrap());
    let world = World::over(Arc::clone(&documents) as Arc<dyn Documents>);
    world.raw(Method::GET, "/skerry/v1/ready", Vec::new(), &[]).await.expect(200);
    documents.close();
    let answer = world.raw(Method::GET, "/skerry/v1/ready", Vec::new(), &[]).await.expect(503);
    assert_eq!(answer, json!({"ready": false, "why": "the documents cannot be read"}));
    world.raw(Method::GET, "/skerry/v1/live", Vec::new(), &[]).await.expect(200);
}
