//! Connections that an edge hub makes for those behind it, with its own token.

use http::Method;
use serde_json::json;
use skerry_front::device::{Claim, Connected, DeviceService as _, Proof, Refused, SessionKind};

use super::{edge, hub_token, leaf, own_token};
use crate::world::{HOST, World, everywhere};

async fn connect(
    world: &World,
    (device, module): (&str, Option<&str>),
    token: &str,
    chain: Option<&str>,
) -> Result<Connected, Refused> {
    let claim = Claim {
        device: device.parse().unwrap(),
        module: module.map(|module| module.parse().unwrap()),
        host: HOST.into(),
        proof: Proof::Token(token.to_owned()),
        model: None,
        client: None,
        chain: chain.map(str::to_owned),
        session: SessionKind::Clean,
        peer: "127.0.0.1:1".parse().unwrap(),
    };
    world.hub.devices().connect(claim).await
}

#[test]
fn an_edge_hub_brings_in_who_is_behind_it_and_nobody_else() {
    everywhere(|world| async move {
        let top = edge(&world, "top", None).await;
        let mid = edge(&world, "mid", Some(&top)).await;
        leaf(&world, "a1", &top).await;
        leaf(&world, "low", &mid).await;
        world.device("elsewhere", json!({})).await;
        world.put("/devices/top/modules/m1", json!({})).await.expect(200);
        let token = hub_token(&world, "top").await;
        for (who, chain) in [
            (("a1", None), "a1;top"),
            (("low", None), "low;mid;top"),
            (("top", Some("m1")), "top/m1;top"),
            (("mid", Some("$edgeAgent")), "mid/$edgeAgent;mid;top"),
            (("top", Some("$edgeHub")), "top/$edgeHub;top"),
        ] {
            assert!(connect(&world, who, &token, Some(chain)).await.is_ok(), "{chain}");
        }
        let of_device = own_token(&world, &top);
        for (who, token, chain) in [
            (("a1", None), &token, None),
            (("a1", None), &token, Some("a1;mid;top")),
            (("a1", None), &token, Some("low;mid;top")),
            (("elsewhere", None), &token, Some("elsewhere;top")),
            (("nobody", None), &token, Some("nobody;top")),
            (("low", None), &token, Some("low;top")),
            (("top", Some("m1")), &token, Some("top/m2;top")),
            (("a1", None), &of_device, Some("a1;top")),
            (("a1", None), &token, Some("a1;elsewhere")),
            (("a1", None), &token, Some("")),
        ] {
            let refused = connect(&world, who, token, chain).await.err();
            assert!(matches!(refused, Some(Refused::Unauthorised { .. })), "{who:?} {chain:?} {refused:?}");
        }
    });
}

async fn disable(world: &World, id: &str) {
    let path = format!("/devices/{id}");
    let mut identity = world.get(&path).await.expect(200);
    identity["status"] = json!("disabled");
    world.call_with(Method::PUT, &path, Some(identity), &[("if-match", "*")]).await.expect(200);
}

#[test]
fn who_is_disabled_does_not_come_by_its_gateway_either() {
    everywhere(|world| async move {
        let top = edge(&world, "top", None).await;
        leaf(&world, "a1", &top).await;
        let token = hub_token(&world, "top").await;
        disable(&world, "a1").await;
        let refused = connect(&world, ("a1", None), &token, Some("a1;top")).await.err();
        assert_eq!(refused, Some(Refused::Disabled));
        disable(&world, "top").await;
        assert!(connect(&world, ("top", Some("$edgeHub")), &token, None).await.is_err());
    });
}
