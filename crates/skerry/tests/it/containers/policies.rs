//! Modules that end, each under a restart policy of its own.

use serde_json::{Value, json};

use super::device::{Bed, DEVICE, module};

#[test]
fn modules_that_end_are_restarted_as_their_policy_says() {
    let mut bed = Bed::new();
    bed.configure();
    bed.start_edge();
    let image = bed.publish("sensor:1", "\"/helper\"");
    let with = |policy: &str| {
        let mut module = module(&image);
        module["restartPolicy"] = json!(policy);
        module
    };
    let names = ["never", "on-failure", "always"];
    bed.deploy_modules(&names.map(|name| (name, with(name))));
    assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    let started = |name: &str| bed.inspect(name, "{{.State.StartedAt}}");
    let before = names.map(started);

    for name in names {
        bed.engine.docker(&["kill", name]).unwrap();
    }
    bed.wait("the ones that are to be restarted wait for it", |bed| {
        let modules = &bed.reported()["modules"];
        let waits = |name: &str| modules[name]["runtimeStatus"] == "backoff";
        (waits("on-failure") && waits("always")).then_some(())
    });
    let reported = bed.wait("they run again", |bed| {
        let reported = bed.reported();
        let runs = |name: &str| {
            let module = &reported["modules"][name];
            module["runtimeStatus"] == "running" && module["restartCount"] == 1
        };
        (runs("on-failure") && runs("always")).then_some(reported)
    });
    let ended = &reported["modules"]["never"];
    assert_eq!((&ended["runtimeStatus"], &ended["exitCode"]), (&json!("failed"), &json!(137)), "{ended:#}");
    assert_eq!(ended["restartCount"], 0, "{ended:#}");
    let after = names.map(started);
    assert_eq!(after[0], before[0]);
    assert!(after[1] != before[1] && after[2] != before[2], "{before:?} {after:?}");

    // A wish to stand still is not an end, and a wish to run again makes nothing anew.
    let container = bed.inspect("always", "{{.Id}}");
    for (wish, is_running) in [("stopped", "false"), ("running", "true")] {
        let desired = json!({"modules": {"always": {"status": wish}}}).to_string();
        bed.skerry(&["twin", "update", DEVICE, "--module", "$edgeAgent", "--desired", &desired]);
        let reported: Value = bed.wait("it is as it is wished", |bed| {
            let reported = bed.reported();
            (reported["modules"]["always"]["runtimeStatus"] == wish).then_some(reported)
        });
        assert_eq!(bed.inspect("always", "{{.State.Running}}"), is_running, "{reported:#}");
        assert_eq!(bed.inspect("always", "{{.Id}}"), container);
    }
    bed.stop_edge();
    bed.stop_hub();
}
