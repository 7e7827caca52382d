//! Who a token speaks for, and what it opens.

use std::time::Duration;

use http::Method;
use serde_json::json;
use skerry_amqp::performative::Role;
use skerry_front::link::{LinkService as _, NotShown, Shown, SpeaksFor};
use skerry_model::IdentityId;
use skerry_tokens::{KeyUse, SharedKey, Signer};

use super::client::{attach, code, condition, open_with};
use crate::world::{HOST, World, everywhere};

const HOUR: Duration = Duration::from_secs(3600);
const SKEW: Duration = Duration::from_secs(300);

async fn show(world: &World, audience: &str, token: &str) -> Result<Shown, NotShown> {
    world.hub.links().show(audience, token).await
}

async fn log_in(world: &World, name: &str, password: &str) -> Result<Shown, NotShown> {
    world.hub.links().log_in(name, password).await
}

async fn key(world: &World, path: &str) -> SharedKey {
    let shown = world.get(path).await.expect(200);
    shown["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().parse().unwrap()
}

fn events_token(world: &World, policy: &str, resource: &str) -> String {
    let key = world.policies.get(policy).unwrap().secondary;
    let signer = Signer::policy(policy, key, KeyUse::EventHubs);
    signer.issue(resource, skerry_model::Clock::now(world.clock.as_ref()).plus(HOUR)).reveal()
}

fn identity(device: &str, module: Option<&str>) -> SpeaksFor {
    let module = module.map(|id| id.parse().unwrap());
    SpeaksFor::Identity(IdentityId { device: device.parse().unwrap(), module })
}

fn status(outcome: Result<Shown, NotShown>) -> u16 {
    outcome.unwrap_err().status
}

#[test]
fn policies_are_shown_for_anything_at_this_host() {
    everywhere(|world| async move {
        let token = world.token("service");
        let events = events_token(&world, "service", &format!("sb://{HOST}/hub1/consumergroups/$Default"));
        let encoded = "https%3a%2f%2fhub1.skerry.test%2fhub1".to_owned();
        for audience in [
            HOST.to_owned(),
            "HUB1.SKERRY.TEST".to_owned(),
            format!("https://{HOST}"),
            format!("amqps://{HOST}:5671/"),
            format!("sb://{HOST}/hub1/ConsumerGroups/$Default/Partitions/0"),
            format!("sb://{HOST}/hub1/$management"),
            format!("{HOST}/messages/events"),
            format!("{HOST}/devices/query"),
            encoded,
        ] {
            for token in [&token, &events] {
                let shown = show(&world, &audience, token).await.unwrap();
                assert_eq!((shown.speaks_for, shown.lasts), (SpeaksFor::Policy, HOUR + SKEW), "{audience}");
            }
        }
        let error = show(&world, "elsewhere.test", &token).await.unwrap_err();
        assert!(error.status == 401 && error.what.contains("elsewhere.test"), "{error}");
        assert_eq!(status(show(&world, HOST, "Bearer eyJ").await), 401);
        assert_eq!(
            status(show(&world, HOST, &world.policies.get("service").unwrap().primary.reveal()).await),
            401
        );
        let foreign =
            world.token_signed_with(Some("service"), SharedKey::from_bytes(&[1; 32]).unwrap(), HOST);
        assert_eq!(status(show(&world, HOST, &foreign).await), 401);
        let unknown =
            world.token_signed_with(Some("nobody"), world.policies.get("service").unwrap().primary, HOST);
        assert_eq!(status(show(&world, HOST, &unknown).await), 401);
        world.clock.advance(HOUR);
        assert_eq!(show(&world, HOST, &token).await.unwrap().lasts, SKEW, "until the skew is over");
        world.clock.advance(SKEW + Duration::from_secs(1));
        let error = show(&world, HOST, &token).await.unwrap_err();
        assert!(error.status == 401 && error.what.contains("expired"), "{error}");
    });
}

#[test]
fn an_edge_hub_shows_its_token_for_those_behind_it() {
    everywhere(|world| async move {
        let edge = json!({"deviceId": "edge", "capabilities": {"iotEdge": true}});
        world.put("/devices/edge", edge).await.expect(200);
        world.put("/devices/edge/modules/m", json!({"deviceId": "edge", "moduleId": "m"})).await.expect(200);
        // Its runtime gives it keys.
        let keys = json!({"authentication": {"type": "sas"}, "managedBy": "iotEdge"});
        let path = "/devices/edge/modules/$edgeHub";
        world.call_with(Method::PUT, path, Some(keys), &[("if-match", "*")]).await.expect(200);
        let hub = key(&world, path).await;
        let own = format!("{HOST}/devices/edge/modules/$edgeHub");
        let token = world.token_signed_with(None, hub.clone(), &own);
        let of_itself = show(&world, &own, &token).await.unwrap();
        assert_eq!(of_itself.speaks_for, identity("edge", Some("$edgeHub")));
        for (audience, behind) in [
            (format!("{HOST}/devices/leaf"), "leaf"),
            (format!("amqps://{HOST}:5671/devices/edge/modules/m"), "edge/m"),
        ] {
            let shown = show(&world, &audience, &token).await.unwrap();
            assert_eq!(shown.lasts, HOUR + SKEW);
            // Whether it is behind it is asked when it connects.
            let SpeaksFor::Behind(ids) = &shown.speaks_for else { panic!("{shown:?}") };
            assert_eq!(ids.iter().map(ToString::to_string).collect::<Vec<_>>(), [behind]);
            assert!(shown.speaks_for.is_behind(&ids[0]));
        }
        let leaf = format!("{HOST}/devices/leaf");
        let other = key(&world, "/devices/edge/modules/m").await;
        let of_module =
            world.token_signed_with(None, other.clone(), &format!("{HOST}/devices/edge/modules/m"));
        world.put("/devices/leaf", json!({"deviceId": "leaf"})).await.expect(200);
        assert_eq!(
            status(show(&world, &leaf, &of_module).await),
            401,
            "only an edge's hub speaks for others"
        );
        let forged = world.token_signed_with(None, other, &own);
        assert_eq!(status(show(&world, &leaf, &forged).await), 401);
        world.clock.advance(HOUR + SKEW + Duration::from_secs(1));
        assert_eq!(status(show(&world, &leaf, &token).await), 401);
    });
}

#[test]
fn devices_and_modules_are_shown_by_their_own_keys() {
    everywhere(|world| async move {
        world.put("/devices/d%231", json!({"deviceId": "d#1"})).await.expect(200);
        world.put("/devices/d%231/modules/m", json!({"deviceId": "d#1", "moduleId": "m"})).await.expect(200);
        let device_key = key(&world, "/devices/d%231").await;
        let module_key = key(&world, "/devices/d%231/modules/m").await;
        let sign = |key: &SharedKey, resource: &str| world.token_signed_with(None, key.clone(), resource);
        let token = sign(&device_key, &format!("{HOST}/devices/d#1"));
        for audience in [
            format!("{HOST}/devices/d#1"),
            format!("{HOST}/devices/d%231"),
            format!("amqps://{HOST}:5671/devices/d%231/"),
            "hub1.skerry.test%2Fdevices%2Fd%25231".to_owned(),
            format!("{HOST}/devices/d%231/messages/events"),
            // The token says whose it is.
            HOST.to_owned(),
        ] {
            let shown = show(&world, &audience, &token).await.unwrap();
            assert_eq!((shown.speaks_for, shown.lasts), (identity("d#1", None), HOUR + SKEW), "{audience}");
        }
        let audience = format!("{HOST}/devices/d%231/modules/m");
        let of_module = sign(&module_key, &audience);
        assert_eq!(show(&world, &audience, &of_module).await.unwrap().speaks_for, identity("d#1", Some("m")));

        assert_eq!(status(show(&world, &audience, &token).await), 401, "a device does not sign for modules");
        assert_eq!(status(show(&world, &format!("{HOST}/devices/d#1"), &of_module).await), 401);
        let of_other = sign(&device_key, &format!("{HOST}/devices/other"));
        let error = show(&world, &format!("{HOST}/devices/other"), &of_other).await.unwrap_err();
        assert!(error.status == 404 && error.what.contains("other"), "{error}");
        let disabled = json!({"deviceId": "d#1", "status": "disabled"});
        world
            .call_with(Method::PUT, "/devices/d%231", Some(disabled), &[("if-match", "*")])
            .await
            .expect(200);
        assert_eq!(status(show(&world, HOST, &token).await), 403);
        assert_eq!(status(show(&world, &audience, &of_module).await), 403, "a module goes with its device");
    });
}

#[test]
fn names_come_with_a_token_or_the_key_of_a_policy() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        world.put("/devices/d1/modules/m", json!({"deviceId": "d1", "moduleId": "m"})).await.expect(200);
        let policy = world.token("iothubowner");
        for name in
            ["iothubowner@sas.root.hub1", "iothubowner@SAS.ROOT.HUB1", "iothubowner@sas.hub1", "d1@sas.hub1"]
        {
            let shown = log_in(&world, name, &policy).await.unwrap();
            assert_eq!((shown.speaks_for, shown.lasts), (SpeaksFor::Policy, HOUR + SKEW), "{name}");
        }
        let own = key(&world, "/devices/d1").await;
        let own = world.token_signed_with(None, own, &format!("{HOST}/devices/d1"));
        assert_eq!(log_in(&world, "d1@sas.hub1", &own).await.unwrap().speaks_for, identity("d1", None));
        let module = key(&world, "/devices/d1/modules/m").await;
        let module = world.token_signed_with(None, module, &format!("{HOST}/devices/d1/modules/m"));
        let shown = log_in(&world, "d1/modules/m@sas.hub1", &module).await.unwrap();
        assert_eq!(shown.speaks_for, identity("d1", Some("m")));

        let owner = world.policies.get("iothubowner").unwrap();
        for key in [owner.primary.reveal(), owner.secondary.reveal()] {
            let shown = log_in(&world, "iothubowner", &key).await.unwrap();
            assert!(shown.speaks_for == SpeaksFor::Policy && shown.lasts > 1000 * HOUR);
            let tokens = [key.as_str()];
            let opened =
                open_with(&world, "messages/servicebound/feedback", attach(Role::Receiver), &tokens).await;
            assert_eq!(opened.ok().unwrap().token, 0, "the key opens what its policy may");
        }
        for (name, password) in [
            ("service@sas.root.hub1", policy.as_str()),
            ("iothubowner@sas.root.hub2", &policy),
            ("d1@sas.root.hub1", &own),
            ("d1@sas.hub1", &module),
            ("service", &owner.primary.reveal()),
            ("iothubowner", &policy),
            ("iothubowner", ""),
        ] {
            assert_eq!(status(log_in(&world, name, password).await), 401, "{name} {password}");
        }
    });
}

#[test]
fn links_need_service_connect_and_are_asked_again() {
    everywhere(|world| async move {
        let addresses = [
            ("/messages/devicebound", Role::Sender),
            ("/messages/servicebound/feedback", Role::Receiver),
            ("/messages/servicebound/filenotifications", Role::Receiver),
            ("hub1/consumergroups/$default/partitions/0", Role::Receiver),
            ("hub1/$management", Role::Sender),
            ("$management", Role::Receiver),
            ("messages/events/$management", Role::Receiver),
        ];
        let (device, service) = (world.token("device"), world.token("service"));
        for (address, role) in addresses {
            // Of requests each is looked at by itself, and its answer says so.
            let is_of_requests = address.ends_with("$management") && !address.contains("events");
            for tokens in [&[][..], &["nonsense"], &[device.as_str()]] {
                if is_of_requests && tokens.contains(&device.as_str()) {
                    assert!(open_with(&world, address, attach(role), tokens).await.is_ok(), "{address}");
                    continue;
                }
                let fault = open_with(&world, address, attach(role), tokens).await.err().unwrap();
                assert_eq!(condition(&fault), "amqp:unauthorized-access", "{address} {tokens:?}");
            }
            if !address.contains("events") && !is_of_requests {
                let opened =
                    open_with(&world, address, attach(role), &[&device, &service]).await.ok().unwrap();
                assert_eq!(opened.token, 1, "{address}");
            }
        }
        let fault =
            open_with(&world, "/messages/devicebound", attach(Role::Sender), &[]).await.err().unwrap();
        assert_eq!(code(&fault), 401_002);
        // The one that lasts longest.
        world.clock.advance(Duration::from_secs(60));
        let later = world.token("service");
        let opened =
            open_with(&world, "$management", attach(Role::Sender), &[&service, &later, &service]).await;
        assert_eq!(opened.ok().unwrap().token, 1);

        let again = json!({"policyKey": "both"});
        world.post("/skerry/v1/policies/service/regenerate", again).await.expect(200);
        let fault = open_with(&world, "$management", attach(Role::Sender), &[&service]).await.err().unwrap();
        assert_eq!(condition(&fault), "amqp:unauthorized-access", "its key is gone");
        let fresh = world.token("service");
        assert!(open_with(&world, "$management", attach(Role::Sender), &[&fresh]).await.is_ok());
        world.delete("/skerry/v1/policies/service").await.expect(204);
        assert!(open_with(&world, "$management", attach(Role::Sender), &[&fresh]).await.is_err());
        let owner = world.token("iothubowner");
        world.clock.advance(HOUR + SKEW + Duration::from_secs(1));
        let fault =
            open_with(&world, "/messages/devicebound", attach(Role::Sender), &[&owner]).await.err().unwrap();
        assert_eq!(code(&fault), 401_003, "expired");
    });
}

#[test]
fn what_is_attached_the_wrong_way_round_or_to_nothing_is_refused() {
    everywhere(|world| async move {
        let token = world.token("service");
        for (address, role, expected) in [
            ("/messages/devicebound", Role::Receiver, "amqp:not-allowed"),
            ("/messages/servicebound/feedback", Role::Sender, "amqp:not-allowed"),
            ("hub1/consumergroups/$default/partitions/0", Role::Sender, "amqp:not-allowed"),
            ("/devices/d1/twin", Role::Sender, "amqp:not-found"),
        ] {
            let fault = open_with(&world, address, attach(role), &[&token]).await.err().unwrap();
            assert_eq!(condition(&fault), expected, "{address}");
        }
    });
}
