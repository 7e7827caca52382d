//! The original's tutorial for the first edge device, from the identity to the last step, with our commands.

use serde_json::Value;

use super::device::{Bed, DEVICE, HOST, ok};
use super::modules::telemetry;

#[test]
fn the_first_device_from_its_identity_until_everything_is_cleaned_up() {
    // A device of the edge kind is created with the world.
    let mut bed = Bed::new();
    let shown: Value = serde_json::from_str(&bed.skerry(&["device", "show", DEVICE, "--json"])).unwrap();
    assert_eq!(shown["capabilities"]["iotEdge"], true, "{shown:#}");
    let connection_string = bed.skerry(&["device", "connection-string", DEVICE]);
    let begins = format!("HostName={HOST};DeviceId={DEVICE};SharedAccessKey=");
    assert!(connection_string.starts_with(&begins), "{connection_string}");

    // `iotedge config mp`, `iotedge config apply`, and the service.
    bed.configure();
    bed.start_edge();
    let running = |bed: &Bed, module: &str| {
        bed.list().iter().any(|row| row[0] == module && row[1] == "running").then_some(())
    };
    bed.wait("the agent runs", |bed| running(bed, "edgeAgent"));
    let (_, checks) = bed.check();
    for id in
        ["config-up-to-date", "connect-management-uri", "host-connect-iothub-mqtt", "container-engine-uri"]
    {
        assert_eq!(checks[id]["result"], "ok", "{checks:#?}");
    }

    // The simulated sensor.
    let image = bed.publish_own("temperature-sensor");
    bed.deploy(&[("SimulatedTemperatureSensor", &image)]);
    let reported = bed.settled();
    assert_eq!(reported["lastDesiredStatus"]["code"], 200, "{reported:#}");
    for module in ["SimulatedTemperatureSensor", "edgeAgent", "edgeHub"] {
        bed.wait("what was deployed runs", |bed| running(bed, module));
    }
    let (_, checks) = bed.check();
    // This world has another name than its machine, and containers of it no way to a hub on that machine.
    let is_expected = |id: &str| id == "hostname" || id.starts_with("container-default-connect-upstream");
    let wrong = checks.iter().filter(|(_, check)| check["result"] == "error");
    let wrong: Vec<_> = wrong.filter(|(id, _)| !is_expected(id)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for message in &telemetry(&bed, 2) {
        assert_eq!(message["moduleId"], "SimulatedTemperatureSensor", "{message:#}");
    }
    let said = ok(&bed.iotedge(&["logs", "SimulatedTemperatureSensor", "--tail", "20"]));
    assert!(said.contains("Sending message"), "{said}");

    // Cleaned up: the modules go, then the identity, and the device hears of it.
    bed.deploy(&[]);
    bed.settled();
    let is_gone = |bed: &Bed| {
        let left = bed.engine.docker(&["ps", "--all", "--format", "{{.Names}}"]).unwrap();
        (!left.contains("SimulatedTemperatureSensor")).then_some(())
    };
    bed.wait("the container is gone", is_gone);
    assert!(bed.list().iter().all(|row| row[0] != "SimulatedTemperatureSensor"));
    bed.stop_edge();
    bed.skerry(&["device", "delete", DEVICE]);
    let left: Vec<Value> = serde_json::from_str(&bed.skerry(&["device", "list", "--json"])).unwrap();
    assert!(left.is_empty(), "{left:?}");
    bed.stop_hub();
}
