//! From a device's identity to its first module, and through its updates.

use super::device::{Bed, DEVICE, ok};

#[test]
fn a_device_is_configured_gets_modules_and_returns_from_an_update_that_fails() {
    let mut bed = Bed::new();
    bed.configure();
    bed.start_edge();
    let first = bed.publish("sensor:1", "\"/helper\", \"talk\"");
    bed.deploy(&[("sensor", &first)]);
    let reported = bed.settled();
    assert_eq!(reported["lastDesiredStatus"]["code"], 200, "{reported:#}");
    let sensor = &reported["modules"]["sensor"];
    assert_eq!(sensor["runtimeStatus"], "running", "{reported:#}");
    assert_eq!(sensor["settings"]["image"], first.as_str());
    assert_eq!(reported["systemModules"]["edgeAgent"]["runtimeStatus"], "running", "{reported:#}");

    let rows = bed.list();
    let row = rows.iter().find(|row| row[0] == "sensor").unwrap();
    assert_eq!([row[1].as_str(), row[3].as_str()], ["running", first.as_str()]);
    let (_, checks) = bed.check();
    assert_eq!(checks["deployment"]["result"], "ok", "{checks:#?}");
    assert!(row[2].starts_with("Up "), "{row:?}");
    let said = bed.wait("the module writes", |bed| {
        let said = ok(&bed.iotedge(&["logs", "sensor"]));
        (said.lines().count() == 2).then_some(said)
    });
    assert!(said.contains("one\n") && said.contains("two\n"), "{said:?}");

    // The agent is none, and looks like one: it has its row and its log, and is restarted alone.
    let agent = |bed: &Bed| bed.list().into_iter().find(|row| row[0] == "edgeAgent").unwrap();
    let row = agent(&bed);
    let program = concat!("skerry ", env!("CARGO_PKG_VERSION"));
    assert_eq!([row[1].as_str(), row[3].as_str()], ["running", program], "{row:?}");
    let started = bed.inspect("sensor", "{{.State.StartedAt}}");
    let goodbyes = |bed: &Bed| ok(&bed.iotedge(&["logs", "edgeAgent"])).lines().count();
    let before = goodbyes(&bed);
    assert!(before > 0, "it has written something");
    assert_eq!(ok(&bed.iotedge(&["restart", "edgeAgent"])), "Restarted edgeAgent\n\n");
    assert_eq!(agent(&bed)[1], "running");
    bed.wait("it writes on", |bed| (goodbyes(bed) > before).then_some(()));
    let daemon = ok(&bed.iotedge(&["logs", "edgeAgent", "--tail", "1"]));
    assert_eq!(daemon.lines().count(), 1, "{daemon}");
    assert_eq!(bed.inspect("sensor", "{{.State.StartedAt}}"), started, "nothing else was");

    assert_eq!(ok(&bed.iotedge(&["restart", "sensor"])), "Restarted sensor\n\n");
    assert_ne!(bed.inspect("sensor", "{{.State.StartedAt}}"), started);
    let unknown = bed.iotedge(&["restart", "absent"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("absent"), "{unknown:?}");

    let bundle = bed.path("bundle.zip");
    let told = ok(&bed.iotedge(&["support-bundle", "-o", bundle.to_str().unwrap()]));
    assert!(told.ends_with(&format!("Created support bundle at {}\n", bundle.display())), "{told}");
    let whole = std::fs::read(&bundle).unwrap();
    let text = String::from_utf8_lossy(&whole);
    for name in ["check.json", "logs/edgeAgent_log.txt", "logs/sensor_log.txt", "network/azure-iot-edge.json"]
    {
        // Once before its content, once in the list at the end.
        assert_eq!(text.matches(name).count(), 2, "{name}");
    }
    let probe = "exec 3<>/dev/tcp/127.0.0.1/9600; printf 'GET /metrics HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' >&3; cat <&3";
    let figures = ok(&bed.command("bash".as_ref()).args(["-c", probe]).output().unwrap());
    assert!(figures.contains("edgeAgent_"), "{figures}");

    let second = bed.publish("sensor:2", "\"/helper\", \"talk\"");
    bed.deploy(&[("sensor", &second)]);
    let reported = bed.settled();
    assert_eq!(reported["lastDesiredStatus"]["code"], 200, "{reported:#}");
    assert_eq!(reported["modules"]["sensor"]["settings"]["image"], second.as_str());

    // One that ends at once: the device goes back by itself, and says why.
    let broken = bed.publish("sensor:3", "\"/helper\", \"exit\", \"3\"");
    bed.deploy(&[("sensor", &broken)]);
    let reported = bed.settled();
    assert_ne!(reported["lastDesiredStatus"]["code"], 200, "{reported:#}");
    let reason = reported["lastDesiredStatus"]["description"].as_str().unwrap();
    assert!(reason.contains("sensor"), "{reason}");
    bed.wait("the module of before runs again", |bed| {
        let rows = bed.list();
        let row = rows.iter().find(|row| row[0] == "sensor")?;
        (row[1] == "running" && row[3] == second).then_some(())
    });

    // It is not tried again by itself; an operator may ask for it, and it fails again.
    let told = bed.skerry(&["edge", "retry", DEVICE]);
    assert!(told.contains("again"), "{told}");
    bed.wait("the failed version is tried again", |bed| {
        let log = bed.log("edge.log");
        (log.matches("The update failed.").count() == 2).then_some(())
    });

    // One that cannot be had: nothing is stopped for it.
    bed.wait("the module of before runs once more", |bed| {
        let rows = bed.list();
        let row = rows.iter().find(|row| row[0] == "sensor")?;
        (row[1] == "running" && row[3] == second).then_some(())
    });
    let started = bed.inspect("sensor", "{{.State.StartedAt}}");
    bed.deploy(&[("sensor", &second), ("other", "127.0.0.1:5000/nowhere:1")]);
    let reported = bed.wait("the agent says what it cannot have", |bed| {
        let reported = bed.reported();
        reported.to_string().contains("nowhere:1").then_some(reported)
    });
    // The same is seen on the machine.
    let listed = bed.iotedge(&["list"]);
    let told = String::from_utf8_lossy(&listed.stderr).into_owned();
    assert!(told.contains("warn: version ") && told.contains("nowhere:1"), "{told}");
    let (_, checks) = bed.check();
    let deployment = &checks["deployment"];
    assert!(
        deployment["result"] == "warning" && deployment.to_string().contains("nowhere:1"),
        "{deployment}"
    );
    assert_eq!(bed.inspect("sensor", "{{.State.StartedAt}}"), started, "{reported:#}");
    bed.stop_edge();
    assert_eq!(bed.inspect("sensor", "{{.State.Running}}"), "true");
    bed.stop_hub();
}
