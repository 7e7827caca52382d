//! Faults that are asked for over REST; what they do to connections is seen over real ones.

use std::future::Future;
use std::time::Duration;

use serde_json::json;
use skerry_front::device::SessionKind;

use crate::sessions::{connect_as, device};
use crate::world::World;

const FAULTS: &str = "/skerry/v1/faults";

/// Where time passes when nobody has anything to do.
fn in_world<F: Future<Output = ()>>(world: World, scenario: impl FnOnce(World) -> F) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(scenario(world));
}

#[test]
fn faults_are_for_identities_that_are_there_and_have_names() {
    in_world(World::faulty(), |world| async move {
        world.device("d1", json!({})).await;
        let kill = |device: &str| json!({"deviceId": device, "operationType": "KillTcp"});
        assert_eq!(world.post(FAULTS, kill("d1")).await.expect(200), json!({"connections": 0}));
        world.post(FAULTS, kill("d2")).await.refused(404, "DeviceNotFound");
        let module = json!({"deviceId": "d1", "moduleId": "m", "operationType": "KillTcp"});
        world.post(FAULTS, module).await.refused(404, "ModuleNotFound");
        let other = json!({"deviceId": "d1", "operationType": "KillDisk"});
        world.post(FAULTS, other).await.refused(400, "ArgumentInvalid");
        let typo = json!({"deviceId": "d1", "operationType": "KillTcp", "delay": 1});
        world.post(FAULTS, typo).await.refused(400, "IotHubFormatError");
        let late = json!({"deviceId": "d1", "operationType": "HoldMessages", "delaySeconds": 1});
        world.post(FAULTS, late).await.refused(400, "ArgumentInvalid");
        world.get(FAULTS).await.refused(405, "MethodNotAllowed");
    });
}

#[test]
fn so_many_faults_last_at_one_time_and_no_more() {
    in_world(World::faulty(), |world| async move {
        let ban = |n: usize, seconds: u64| json!({"deviceId": format!("d{n}"), "operationType": "InvokeAuthError", "durationSeconds": seconds});
        for n in 0..=1000 {
            world.device(&format!("d{n}"), json!({})).await;
        }
        for n in 0..1000 {
            world.post(FAULTS, ban(n, 3600)).await.expect(200);
        }
        world.post(FAULTS, ban(1000, 3600)).await.refused(429, "ThrottlingException");
    });
}

#[test]
fn a_hub_without_faults_has_none_and_only_owners_may_ask() {
    in_world(World::limited(skerry_hub::devices::Rates::default()), |world| async move {
        world.device("d1", json!({})).await;
        let kill = json!({"deviceId": "d1", "operationType": "KillTcp"});
        world.post(FAULTS, kill.clone()).await.refused(400, "InvalidOperation");
        let token = world.token("service");
        let (body, headers) = (kill.to_string().into_bytes(), [("authorization", token.as_str())]);
        let asked = world.raw(http::Method::POST, FAULTS, body, &headers).await;
        asked.refused(401, "IotHubUnauthorizedAccess");
    });
}

#[test]
fn a_ban_of_who_is_not_there_begins_when_it_was_asked_to_and_ends() {
    in_world(World::faulty(), |world| async move {
        let token = device(&world, "d1").await;
        let ban = json!({
            "deviceId": "d1",
            "operationType": "InvokeAuthError",
            "delaySeconds": 5,
            "durationSeconds": 60,
        });
        world.post(FAULTS, ban).await.expect(200);
        drop(connect_as(&world, "d1", &token, SessionKind::Clean).await.unwrap());
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(connect_as(&world, "d1", &token, SessionKind::Clean).await.is_err());
        tokio::time::sleep(Duration::from_secs(60)).await;
        connect_as(&world, "d1", &token, SessionKind::Clean).await.unwrap();
    });
}

#[test]
fn messages_are_held_back_for_as_long_as_was_asked() {
    in_world(World::faulty(), |world| async move {
        let token = device(&world, "d1").await;
        let client = connect_as(&world, "d1", &token, SessionKind::Clean).await.unwrap();
        let hold = json!({
            "deviceId": "d1",
            "operationType": "HoldMessages",
            "durationSeconds": 10,
            "holdMilliseconds": 3000,
        });
        world.post(FAULTS, hold).await.expect(200);
        let took = async || {
            let start = tokio::time::Instant::now();
            client.session.publish(vec![skerry_model::message::Message::default()]).await.unwrap();
            start.elapsed()
        };
        assert!(took().await >= Duration::from_secs(3));
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert!(took().await < Duration::from_secs(3));
    });
}
