//! What an edge hub learns of those it lets in.

use http::Method;
use serde_json::{Value, json};

use super::{edge, hub_token, ids, key_of, leaf, own_token, with_token};
use crate::world::{HOST, World, everywhere};

const OF_TARGET: &str = "/devices/top/modules/$edgeHub/devicesAndModulesInTargetDeviceScope";
const ON_BEHALF: &str = "/devices/top/modules/$edgeHub/getDeviceAndModuleOnBehalfOf";
const FLAT: &str = "/devices/top/modules/%24edgeHub/devicesAndModulesInDeviceScope";
const ONE_FLAT: &str = "/devices/top/modules/$edgeHub/deviceAndModuleInDeviceScope";

/// `top` with leaves and the edge device `mid`, which has the edge device `low` with a leaf of its own; and others.
async fn family(world: &World) -> Value {
    let top = edge(world, "top", None).await;
    let mid = edge(world, "mid", Some(&top)).await;
    let low = edge(world, "low", Some(&mid)).await;
    for id in ["a1", "a2", "z9"] {
        leaf(world, id, &top).await;
    }
    leaf(world, "lowest", &low).await;
    let stranger = edge(world, "stranger", None).await;
    leaf(world, "elsewhere", &stranger).await;
    world.device("nobodys", json!({})).await;
    world.put("/devices/top/modules/m1", json!({"managedBy": "me"})).await.expect(200);
    world.put("/devices/mid/modules/m2", json!({})).await.expect(200);
    top
}

async fn scope_of(world: &World, token: &str, chain: &str, size: Value, link: Value) -> Value {
    let body = json!({"pageSize": size, "continuationLink": link, "authChain": chain});
    with_token(world, Method::POST, OF_TARGET, Some(body), token).await.expect(200)
}

#[test]
fn a_scope_is_the_edge_device_its_modules_and_who_is_right_behind_it() {
    everywhere(|world| async move {
        let top = family(&world).await;
        let token = hub_token(&world, "top").await;
        let found = scope_of(&world, &token, "top", json!(100), json!(null)).await;
        assert_eq!(ids(&found["devices"], "deviceId"), ["top", "a1", "a2", "mid", "z9"]);
        assert_eq!(ids(&found["modules"], "moduleId"), ["$edgeAgent", "$edgeHub", "m1"]);
        assert_eq!(found["continuationLink"], json!(null));
        let wanted = json!({
            "deviceId": "top",
            "generationId": top["generationId"],
            "status": "enabled",
            "authentication": {"type": "sas", "symmetricKey": top["authentication"]["symmetricKey"], "x509Thumbprint": null},
            "capabilities": {"iotEdge": true},
            "deviceScope": top["deviceScope"],
            "parentScopes": [],
        });
        assert_eq!(found["devices"][0], wanted);
        let agent = json!({
            "deviceId": "top", "moduleId": "$edgeAgent", "managedBy": "iotEdge",
            "generationId": found["modules"][0]["generationId"],
            "authentication": {"type": "none", "symmetricKey": null, "x509Thumbprint": null},
        });
        assert_eq!(found["modules"][0], agent);
        assert_eq!(found["devices"][1]["parentScopes"], json!([top["deviceScope"]]));

        // An edge hub goes on with each edge device that it finds.
        let below = scope_of(&world, &token, "mid;top", json!(100), json!(null)).await;
        assert_eq!(ids(&below["devices"], "deviceId"), ["mid", "low"]);
        assert_eq!(ids(&below["modules"], "moduleId"), ["$edgeAgent", "$edgeHub", "m2"]);
        let lowest = scope_of(&world, &token, "low;mid;top", json!(0), json!(null)).await;
        assert_eq!(ids(&lowest["devices"], "deviceId"), ["low", "lowest"]);

        let flat = with_token(&world, Method::GET, FLAT, None, &token).await.expect(200);
        assert_eq!(flat, found);
    });
}

#[test]
fn pages_have_everybody_once_with_an_index_or_without() {
    everywhere(|world| async move {
        let top = edge(&world, "top", None).await;
        let mut wanted = vec!["top".to_owned()];
        for n in 0..12 {
            world.device(&format!("n{n:02}"), json!({})).await;
            leaf(&world, &format!("c{n:02}"), &top).await;
            wanted.push(format!("c{n:02}"));
        }
        let token = hub_token(&world, "top").await;
        for round in 0..2 {
            for size in [1, 5, 13, 14] {
                let (mut found, mut link, mut modules) = (Vec::new(), json!(null), 0);
                for _ in 0..40 {
                    let page = scope_of(&world, &token, "top", json!(size), link.clone()).await;
                    let devices = ids(&page["devices"], "deviceId");
                    assert!(devices.len() <= size, "{devices:?}");
                    found.extend(devices);
                    modules += page["modules"].as_array().unwrap().len();
                    link = page["continuationLink"].clone();
                    if link.is_null() {
                        break;
                    }
                }
                assert_eq!((&found, modules), (&wanted, 2), "pages of {size}, round {round}");
            }
            let first = format!("{FLAT}?deviceCount=5&continuationToken=&api-version=2018-08-30-preview");
            let (mut found, mut uri) = (Vec::new(), Some(first));
            while let Some(next) = uri.filter(|_| found.len() <= wanted.len()) {
                let page = with_token(&world, Method::GET, &next, None, &token).await.expect(200);
                found.extend(ids(&page["devices"], "deviceId"));
                uri = page["continuationLink"].as_str().map(str::to_owned);
            }
            assert_eq!(found, wanted);
            world.hub.registry().declare_indexes().await.unwrap();
        }
        let foreign = json!({"pageSize": 5, "continuationLink": "page2", "authChain": "top"});
        with_token(&world, Method::POST, OF_TARGET, Some(foreign), &token)
            .await
            .refused(400, "ArgumentInvalid");
        for size in [-1, 1001] {
            let body = json!({"pageSize": size, "authChain": "top"});
            with_token(&world, Method::POST, OF_TARGET, Some(body), &token)
                .await
                .refused(400, "ArgumentInvalid");
        }
    });
}

#[test]
fn one_identity_is_found_anywhere_below_and_nowhere_else() {
    everywhere(|world| async move {
        family(&world).await;
        let token = hub_token(&world, "top").await;
        let ask = async |chain: &str, device: &str, module: Value| {
            let body = json!({"targetDeviceId": device, "targetModuleId": module, "authChain": chain});
            with_token(&world, Method::POST, ON_BEHALF, Some(body), &token).await
        };
        for (chain, device, module) in [
            ("top", "top", json!(null)),
            ("top/$edgeHub;top", "a1", json!(null)),
            ("top", "mid", json!("$edgeHub")),
            ("top", "top", json!("m1")),
            ("mid;top", "mid", json!("m2")),
            ("mid;top", "low", json!(null)),
            ("low;mid;top", "lowest", json!("")),
            ("top", "lowest", json!(null)),
        ] {
            let found = ask(chain, device, module.clone()).await.expect(200);
            assert_eq!(ids(&found["devices"], "deviceId"), [device], "{chain} {device}");
            let modules: Vec<&str> = module.as_str().filter(|id| !id.is_empty()).into_iter().collect();
            assert_eq!(ids(&found["modules"], "moduleId"), modules, "{chain} {device}");
            assert_eq!(found["continuationLink"], json!(null));
        }
        for (chain, device, module) in [
            ("top", "stranger", json!(null)),
            ("top", "elsewhere", json!(null)),
            ("top", "nobodys", json!(null)),
            ("top", "absent", json!(null)),
            ("top", "top", json!("absent")),
            ("mid;top", "top", json!(null)),
            ("mid;top", "a1", json!(null)),
        ] {
            ask(chain, device, module).await.refused(400, "InvalidDeviceScope");
        }
        let one = format!("{ONE_FLAT}?targetDeviceId=top&targetModuleId=m1");
        let found = with_token(&world, Method::GET, &one, None, &token).await.expect(200);
        assert_eq!(
            (ids(&found["devices"], "deviceId"), ids(&found["modules"], "moduleId")),
            (vec!["top".to_owned()], vec!["m1".to_owned()])
        );
        let one = format!("{ONE_FLAT}?targetDeviceId=a2&targetModuleId=");
        let found = with_token(&world, Method::GET, &one, None, &token).await.expect(200);
        assert_eq!(
            (ids(&found["devices"], "deviceId"), &found["modules"]),
            (vec!["a2".to_owned()], &json!([]))
        );
    });
}

#[test]
fn only_who_is_above_may_ask() {
    everywhere(|world| async move {
        let top = family(&world).await;
        let token = hub_token(&world, "top").await;
        let list = |chain: &str| Some(json!({"pageSize": 10, "continuationLink": null, "authChain": chain}));
        for chain in [
            "stranger",
            "stranger;top",
            "low;top",
            "top;mid",
            "a1;top",
            "absent;top",
            "mid;stranger;top",
            "elsewhere;stranger",
        ] {
            let answer = with_token(&world, Method::POST, OF_TARGET, list(chain), &token).await;
            answer.refused(401, "IotHubUnauthorizedAccess");
        }
        for chain in ["", ";", "a b;top"] {
            with_token(&world, Method::POST, OF_TARGET, list(chain), &token)
                .await
                .refused(400, "ArgumentInvalid");
        }
        // The device's own credential is as good as its edge hub's; others are not.
        let own = own_token(&world, &top);
        with_token(&world, Method::POST, OF_TARGET, list("top"), &own).await.expect(200);
        let m1 = world.get("/devices/top/modules/m1").await.expect(200);
        let of_module = world.token_signed_with(None, key_of(&m1), &format!("{HOST}/devices/top/modules/m1"));
        let a1 = own_token(&world, &world.get("/devices/a1").await.expect(200));
        let of_mid = hub_token(&world, "mid").await;
        for token in [&of_module, &a1, &of_mid, &world.token("service"), &world.token("registryRead")] {
            let answer = with_token(&world, Method::POST, OF_TARGET, list("top"), token).await;
            answer.refused(401, "IotHubUnauthorizedAccess");
        }
        let at_leaf = "/devices/a1/modules/$edgeHub/devicesAndModulesInTargetDeviceScope";
        let answer = with_token(&world, Method::POST, at_leaf, list("a1"), &a1).await;
        answer.refused(401, "IotHubUnauthorizedAccess");
        let other = "/devices/top/modules/m1/devicesAndModulesInTargetDeviceScope";
        with_token(&world, Method::POST, other, list("top"), &of_module)
            .await
            .refused(404, "OperationNotFound");
        with_token(&world, Method::GET, OF_TARGET, None, &token).await.refused(405, "MethodNotAllowed");

        // A disabled device ends what is above it at itself, and what is behind it has nobody to speak for it.
        let disabled = json!({"status": "disabled", "capabilities": {"iotEdge": true}});
        world.call_with(Method::PUT, "/devices/mid", Some(disabled), &[("if-match", "*")]).await.expect(200);
        let found = scope_of(&world, &token, "top", json!(100), json!(null)).await;
        assert_eq!(
            (&found["devices"][3]["deviceId"], &found["devices"][3]["status"]),
            (&json!("mid"), &json!("disabled"))
        );
        for chain in ["mid;top", "low;mid;top"] {
            let answer = with_token(&world, Method::POST, OF_TARGET, list(chain), &token).await;
            answer.refused(401, "IotHubUnauthorizedAccess");
        }
        let one = json!({"targetDeviceId": "low", "authChain": "top"});
        with_token(&world, Method::POST, ON_BEHALF, Some(one), &token)
            .await
            .refused(400, "InvalidDeviceScope");
    });
}
