//! Modules outlive the daemon, and the daemon the network.

use serde_json::Value;

use super::device::{Bed, DEVICE, ok};

#[test]
fn modules_run_on_while_the_daemon_and_the_hub_are_away() {
    let mut bed = Bed::new();
    bed.configure();
    bed.start_edge();
    let image = bed.publish("sensor:1", "\"/helper\", \"talk\"");
    bed.deploy(&[("sensor", &image)]);
    assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    let started = bed.inspect("sensor", "{{.State.StartedAt}}");
    let unchanged = |bed: &Bed| {
        assert_eq!(
            bed.inspect("sensor", "{{.State.Running}} {{.State.StartedAt}}"),
            format!("true {started}")
        );
    };

    bed.stop_edge();
    unchanged(&bed);
    bed.start_edge();
    unchanged(&bed);
    bed.kill_edge();
    unchanged(&bed);

    let (code, checks) = bed.check();
    assert_eq!(code, 1, "this machine's name is not the configured one: {checks:?}");
    for id in ["aziot-edged-config-well-formed", "config-up-to-date", "edge-ca-certificate-expiry"] {
        assert_eq!(checks[id]["result"], "ok", "{id}: {checks:?}");
    }
    for id in ["container-engine-uri", "host-local-time", "host-connect-iothub-amqp"] {
        assert_eq!(checks[id]["result"], "ok", "{id}: {checks:?}");
    }
    for id in ["host-connect-iothub-https", "host-connect-iothub-mqtt"] {
        assert_eq!(checks[id]["result"], "ok", "{id}: {checks:?}");
    }
    for id in ["hostname", "connect-management-uri"] {
        assert_eq!(checks[id]["result"], "error", "{id}: {checks:?}");
    }

    // Without the hub: what it wanted last is kept up.
    bed.stop_hub();
    let (_, checks) = bed.check();
    for id in ["host-connect-iothub-amqp", "host-connect-iothub-https", "host-connect-iothub-mqtt"] {
        assert_eq!(checks[id]["result"], "error", "{id}: {checks:?}");
    }
    assert_eq!(checks["host-local-time"]["result"], "warning", "{checks:?}");
    bed.start_edge();
    unchanged(&bed);
    bed.engine.docker(&["kill", "sensor"]).unwrap();
    bed.wait("the module is started again", |bed| {
        (bed.inspect("sensor", "{{.State.Running}}") == "true").then_some(())
    });
    assert_ne!(bed.inspect("sensor", "{{.State.StartedAt}}"), started);
    let restarted = bed.inspect("sensor", "{{.State.StartedAt}}");

    // A configuration that is applied counts at once, and nothing stands still for it.
    let config = bed.config();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("cloud_retries = 2\n{text}")).unwrap();
    let told = ok(&bed.iotedge(&["config", "apply", "-c", config.to_str().unwrap()]));
    assert!(told.contains("modules run on"), "{told}");
    bed.wait("the daemon has taken it over", |bed| {
        bed.log("edge.log").contains("The new configuration counts").then_some(())
    });
    bed.wait("the daemon answers again", |bed| bed.iotedge(&["list"]).status.success().then_some(()));
    assert_eq!(bed.inspect("sensor", "{{.State.StartedAt}}"), restarted);

    // The hub is back, and hears how it stands.
    bed.start_hub();
    bed.wait("the agent is connected again", |bed| {
        let shown = bed.skerry(&["module", "show", DEVICE, "$edgeAgent", "--json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        (shown["connectionState"] == "Connected").then_some(())
    });
    let settled = bed.settled();
    assert_eq!(settled["modules"]["sensor"]["restartCount"], 1, "{settled:#}");
    bed.stop_edge();
    bed.stop_hub();
}

/// The hub has an address that containers reach, as another machine would have. The program is the one with the edge
/// alone.
#[test]
fn checks_look_from_within_containers() {
    let mut bed = Bed::new();
    bed.use_edge_alone();
    bed.configure();
    bed.start_edge();
    let inspect = ["network", "inspect", "azure-iot-edge"];
    bed.wait("the network of the modules is there", |bed| bed.engine.docker(&inspect).ok());
    let (_, checks) = bed.check();
    assert_eq!(checks["container-local-time"]["result"], "ok", "{checks:#?}");
    for (id, expected) in [
        ("container-connect-upstream-amqp", "ok"),
        ("container-connect-upstream-https", "ok"),
        ("container-connect-upstream-mqtt", "skipped"),
        // This engine was started without a network of its own.
        ("container-default-connect-upstream-amqp", "error"),
        ("container-default-connect-upstream-https", "error"),
        ("container-default-connect-upstream-mqtt", "skipped"),
    ] {
        assert_eq!(checks[id]["result"], expected, "{id}: {checks:#?}");
    }
    bed.stop_hub();
    let (_, checks) = bed.check();
    let result = &checks["container-connect-upstream-amqp"];
    assert_eq!(result["result"], "error", "{result}");
    assert!(result.to_string().contains("refused"), "the reason comes out of the container: {result}");
    let left = bed.engine.docker(&["ps", "-aq", "--filter", "name=skerry-diagnostics"]).unwrap();
    assert_eq!(left, "", "nothing is left behind");
    bed.stop_edge();
}
