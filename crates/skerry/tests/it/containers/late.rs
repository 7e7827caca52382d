//! The engine comes later than the device, and goes while it runs.

use std::os::unix::fs::symlink;

use super::device::{Bed, DEVICE};

#[test]
fn an_engine_that_comes_late_or_goes_is_told_and_outlived() {
    let mut bed = Bed::new();
    let door = bed.path("engine.sock");
    bed.configure_with(&door, "");
    let image = bed.publish("sensor:1", "\"/helper\", \"talk\"");
    bed.deploy(&[("sensor", &image)]);
    bed.launch_edge();
    let told = |bed: &Bed| {
        let reported = bed.reported();
        let status = &reported["lastDesiredStatus"];
        let is_told = status["code"] == 500 && status["description"].as_str()?.contains("does not answer");
        is_told.then_some(())
    };
    bed.wait("the agent reports that there is no engine", told);
    let said = bed.skerry(&["method", "invoke", DEVICE, "ping", "--module", "$edgeAgent", "--json"]);
    assert!(said.contains("200"), "{said}");
    let (_, checks) = bed.check();
    assert_eq!(checks["container-engine-uri"]["result"], "error", "{checks:?}");

    symlink(bed.engine.socket(), &door).unwrap();
    let settled = bed.wait("the engine is taken as it comes", |bed| {
        let reported = bed.reported();
        (reported["lastDesiredStatus"]["code"] == 200).then_some(reported)
    });
    assert_eq!(settled["modules"]["sensor"]["runtimeStatus"], "running", "{settled:#}");
    let hosts = bed.inspect("sensor", "{{.HostConfig.ExtraHosts}}");
    assert!(hosts.contains("gate.plant.test:"), "{hosts}");

    let started = bed.inspect("sensor", "{{.State.StartedAt}}");
    std::fs::remove_file(&door).unwrap();
    bed.wait("the agent reports that the engine is gone", told);
    symlink(bed.engine.socket(), &door).unwrap();
    bed.wait("the agent reports that it is back", |bed| {
        (bed.reported()["lastDesiredStatus"]["code"] == 200).then_some(())
    });
    assert_eq!(bed.inspect("sensor", "{{.State.StartedAt}}"), started);
    bed.stop_edge();
    bed.stop_hub();
}

#[test]
fn an_engine_that_is_begun_anew_has_its_modules_back() {
    let mut bed = Bed::on_an_engine_that_comes_again();
    bed.configure();
    bed.start_edge();
    let image = bed.publish("sensor:1", "\"/helper\", \"talk\"");
    bed.deploy(&[("sensor", &image)]);
    assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    let container = bed.inspect("sensor", "{{.Id}}");
    bed.engine.begin_anew();
    bed.wait("the module runs again, and it is reported", |bed| {
        let sensor = bed.reported()["modules"]["sensor"].clone();
        (sensor["runtimeStatus"] == "running" && sensor["restartCount"] == 1).then_some(())
    });
    assert_eq!(bed.inspect("sensor", "{{.Id}} {{.State.Running}}"), format!("{container} true"));
    let listed = bed.iotedge(&["list"]);
    assert_eq!(String::from_utf8_lossy(&listed.stderr), "", "nothing is left of it");
    bed.stop_edge();
    bed.stop_hub();
}
