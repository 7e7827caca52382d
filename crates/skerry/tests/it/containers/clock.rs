//! A clock that is set wrong is told wherever people look, modules run on, and nothing is left of it once it is right.

use serde_json::Value;

use super::device::{Bed, DEVICE};
use crate::preload::Clocks;

const DAY: i64 = 86_400;

#[test]
fn a_clock_that_is_set_wrong_is_told_and_outlived() {
    let mut bed = Bed::new();
    let clocks = Clocks::new(&bed.path("."));
    bed.set_variables(&clocks.variables());
    bed.configure();
    bed.start_edge();
    let image = bed.publish("sensor:1", "\"/helper\", \"talk\"");
    bed.deploy(&[("sensor", &image)]);
    assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    let listed = |bed: &Bed| String::from_utf8_lossy(&bed.iotedge(&["list"]).stderr).into_owned();
    assert_eq!(listed(&bed), "");

    // Forwards, while it runs: the hub still takes what is signed.
    clocks.set_ahead(2 * DAY);
    let told = "this machine's clock is 2 days ahead of the hub's";
    bed.wait("it is reported", |bed| {
        let reported = bed.reported();
        reported["skerry"]["clock"].as_str()?.starts_with(told).then_some(())
    });
    assert!(listed(&bed).contains(&format!("warn: {told}")), "{}", listed(&bed));
    let (_, checks) = bed.check();
    for id in ["host-local-time", "deployment"] {
        assert_eq!(checks[id]["result"], "warning", "{id}: {checks:#?}");
    }
    assert!(checks["host-local-time"].to_string().contains("ahead of the reference"), "{checks:#?}");
    assert!(bed.log("edge.log").contains(told));
    bed.engine.docker(&["kill", "sensor"]).unwrap();
    bed.wait("the module is started again", |bed| {
        (bed.inspect("sensor", "{{.State.Running}}") == "true").then_some(())
    });
    clocks.set_ahead(0);
    bed.wait("it is reported that all is well", |bed| {
        bed.reported()["skerry"]["clock"].is_null().then_some(())
    });
    assert_eq!(listed(&bed), "");
    let (_, checks) = bed.check();
    assert_eq!(checks["host-local-time"]["result"], "ok", "{checks:#?}");

    // Backwards, from before it starts: the hub's certificate is not good yet, and nothing that is signed is.
    bed.stop_edge();
    let started = bed.inspect("sensor", "{{.State.StartedAt}}");
    clocks.set_ahead(-400 * DAY);
    bed.start_edge();
    bed.wait("it is told why there is no hub", |bed| {
        let listed = listed(bed);
        (listed.contains("the hub is out of reach") && listed.contains("certificate not valid yet"))
            .then_some(())
    });
    let (_, checks) = bed.check();
    for (id, result) in [("host-connect-iothub-amqp", "error"), ("deployment", "warning")] {
        assert_eq!(checks[id]["result"], result, "{id}: {checks:#?}");
    }
    assert_eq!(bed.inspect("sensor", "{{.State.Running}} {{.State.StartedAt}}"), format!("true {started}"));
    bed.engine.docker(&["kill", "sensor"]).unwrap();
    bed.wait("the module is started again without the hub", |bed| {
        (bed.inspect("sensor", "{{.State.Running}}") == "true").then_some(())
    });
    clocks.set_ahead(0);
    bed.wait("the agent is connected again", |bed| {
        let shown = bed.skerry(&["module", "show", DEVICE, "$edgeAgent", "--json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        (shown["connectionState"] == "Connected").then_some(())
    });
    bed.wait("nothing is wrong any more", |bed| (listed(bed).is_empty()).then_some(()));
    bed.stop_edge();
    bed.stop_hub();
}
