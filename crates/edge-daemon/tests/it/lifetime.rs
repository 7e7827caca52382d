//! How a run of the daemon begins and ends, and what it does meanwhile.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use skerry_edge_daemon::Outcome;

use crate::client::Client;
use crate::world::World;

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn whoever_may_asks_for_a_new_beginning() {
    let world = World::new().await;
    for (service, path, body, outcome) in [
        ("mgmt", "/device/reprovision", None, Outcome::Reprovision),
        ("mgmt", "/skerry/v1/reload", None, Outcome::Reload),
        (
            "identityd",
            "/identities/device/reprovision?api-version=2020-09-01",
            Some(json!({ "type": "aziot" })),
            Outcome::Reprovision,
        ),
    ] {
        let daemon = world.start().await;
        world.service(service).send("POST", path, body.as_ref()).await.expect(204);
        assert_eq!(daemon.ended().await, outcome, "{path}");
    }
    // The agent in the same process, when the hub lets it in no more; once or twice is the same.
    let daemon = world.start().await;
    daemon.handle.refused();
    daemon.handle.refused();
    assert_eq!(daemon.ended().await, Outcome::Reprovision);
    let daemon = world.start().await;
    assert_eq!(daemon.stop().await, Outcome::Stopped);
}

#[tokio::test]
async fn a_new_provisioning_forgets_what_was_remembered_and_always_does_so_where_configured() {
    let mut world = World::new().await;
    world.more = "cloud_retries = 0\n".into();
    world.hub.put("a", "1");
    let a = "a".parse().unwrap();
    let daemon = world.start().await;
    daemon.handle.identities().get(&a).await.unwrap();
    world.management().send("POST", "/device/reprovision", None).await.expect(204);
    assert_eq!(daemon.ended().await, Outcome::Reprovision);
    world.hub.set_down(true);
    let daemon = world.start().await;
    assert!(daemon.handle.identities().get(&a).await.is_err());
    world.hub.set_down(false);
    daemon.handle.identities().get(&a).await.unwrap();
    daemon.stop().await;

    world.hub.set_down(true);
    let daemon = world.start().await;
    daemon.handle.identities().get(&a).await.unwrap();
    daemon.stop().await;
    world.more.push_str("auto_reprovisioning_mode = 'AlwaysOnStartup'\n");
    let daemon = world.start().await;
    assert!(daemon.handle.identities().get(&a).await.is_err());
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_edge_ca_is_renewed_while_everything_runs() {
    let world = World::new().await;
    world.hub.put("sensor", "1");
    world.processes.are_in("sensor");
    let daemon = world.start().await;
    daemon.handle.adopted().await;
    daemon.handle.open_workload("sensor").unwrap();
    world.container("sensor").await;
    world.machine.take_calls();
    let client = Client::at(&world.module_socket("sensor"));
    let bundle = client.get("/trust-bundle").await.expect(200);
    let server = async || {
        let body = json!({ "commonName": "edge-a" });
        client.post("/modules/sensor/genid/1/certificate/server", &body).await.expect(201)
    };
    let issuer = |answer: &serde_json::Value| {
        let pem = answer["certificate"].as_str().unwrap();
        pem[pem.rfind("-----BEGIN").unwrap()..].to_owned()
    };
    let before = server().await;
    world.clock.pass(73 * DAY);
    let figures = daemon.handle.figures();
    while figures.renewals.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let after = server().await;
    assert_ne!(issuer(&before), issuer(&after));
    assert_eq!(client.get("/trust-bundle").await.expect(200), bundle);
    assert!(world.machine.take_calls().is_empty(), "no module was touched");
    assert_eq!(figures.renewals_failed.load(Ordering::Relaxed), 0);
    daemon.stop().await;
}

#[tokio::test]
async fn the_hub_in_this_process_gets_a_certificate_under_every_name_of_the_device() {
    let world = World::new().await;
    let daemon = world.start().await;
    let issued = daemon.handle.server_certificate(&"$edgeHub".parse().unwrap()).await.unwrap();
    let first = x509_parser::pem::Pem::iter_from_buffer(issued.chain_pem.as_bytes()).next().unwrap().unwrap();
    let names = first.parse_x509().unwrap().subject_alternative_name().unwrap().unwrap().value.to_owned();
    let names = format!("{:?}", names.general_names);
    for name in ["edge-a.plant.lan", "edge-a.local", "edgeHub", "[192, 0, 2, 7]"] {
        assert!(names.contains(name), "{name}: {names}");
    }
    assert_eq!(daemon.handle.manifest_trust_bundle().await.unwrap(), "");
    assert_eq!(daemon.handle.device().id.as_str(), "Edge-A");
    daemon.stop().await;
}
