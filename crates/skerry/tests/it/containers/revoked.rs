//! A device that its hub does not let in any more: its program ends for systemd to start it again, its modules run on
//! with the hub that is inside, and everything is as before once the device is let in again, or was made anew.

use serde_json::{Value, json};

use super::device::{Bed, DEVICE, module, ok};
use super::modules::telemetry;
use crate::preload::Clocks;

/// Provisioned anew, as the original says it.
const AGAIN: Option<i32> = Some(154);
/// Longer than a hub that is set up or restored may refuse.
const LONG_SECONDS: i64 = 301;

#[test]
fn a_device_that_is_not_let_in_any_more_ends_for_a_new_start_and_its_modules_run_on() {
    let mut bed = Bed::new();
    let clocks = Clocks::new(&bed.path("."));
    bed.set_variables(&clocks.variables());
    bed.configure();
    bed.start_edge();
    let image = bed.publish_own("temperature-sensor");
    let set = |bed: &Bed| {
        let mut sensor = module(&image);
        sensor["env"] = json!({"MessageDelay": {"value": "00:00:01"}, "MessageCount": {"value": "-1"}});
        bed.deploy_modules(&[("sensor", sensor)]);
    };
    set(&bed);
    assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    telemetry(&bed, 3);
    let started = bed.inspect("sensor", "{{.State.StartedAt}}");
    let runs_on = |bed: &Bed| {
        let state = bed.inspect("sensor", "{{.State.Running}} {{.State.StartedAt}}");
        assert_eq!(state, format!("true {started}"));
    };
    let device: Value = serde_json::from_str(&bed.skerry(&["device", "show", DEVICE, "--json"])).unwrap();
    let key = device["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().to_owned();

    bed.skerry(&["device", "update", DEVICE, "--status", "disabled"]);
    refused(&mut bed, &clocks, LONG_SECONDS);
    runs_on(&bed);
    // As systemd does. The hub that is inside needs nobody's leave.
    bed.start_edge();
    let sent = sent(&bed);
    bed.wait("the sensor sends on", |bed| (self::sent(bed) > sent + 2).then_some(()));
    bed.skerry(&["device", "update", DEVICE, "--status", "enabled"]);
    let last = self::sent(&bed);
    telemetry(&bed, last);
    runs_on(&bed);

    bed.skerry(&["device", "delete", DEVICE]);
    refused(&mut bed, &clocks, 2 * LONG_SECONDS);
    runs_on(&bed);
    bed.start_edge();
    let before = self::sent(&bed);
    bed.skerry(&["device", "create", DEVICE, "--edge", "--primary-key", &key, "--secondary-key", &key]);
    set(&bed);
    let reported = bed.settled();
    assert_eq!(reported["modules"]["sensor"]["runtimeStatus"], "running", "{reported:#}");
    telemetry(&bed, before + 3);
    runs_on(&bed);
    bed.stop_edge();
    bed.stop_hub();
}

/// Until it is told, and then until the program ends.
fn refused(bed: &mut Bed, clocks: &Clocks, passed: i64) {
    let told = "the hub is out of reach: ";
    bed.wait("it is told on the machine", |bed| {
        let listed = bed.iotedge(&["list"]);
        String::from_utf8_lossy(&listed.stderr).contains(told).then_some(())
    });
    let (_, checks) = bed.check();
    assert_eq!(checks["deployment"]["result"], "warning", "{checks:#?}");
    assert!(checks["deployment"].to_string().contains(told), "{checks:#?}");
    clocks.pass(passed);
    assert_eq!(bed.edge_ended(), AGAIN, "{}", bed.log("edge.log"));
}

/// Messages that the sensor has sent.
fn sent(bed: &Bed) -> u64 {
    ok(&bed.iotedge(&["logs", "sensor"])).matches("Sending message").count() as u64
}
