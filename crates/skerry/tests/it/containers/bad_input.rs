//! What is wrong is told where people look for it, and what runs runs on.

use serde_json::{Value, json};

use super::device::{Bed, DEVICE, module, ok};

#[test]
fn bad_input_is_told_and_modules_run_on() {
    let mut bed = Bed::new();
    bed.configure();
    bed.start_edge();
    let image = bed.publish("sensor:1", "\"/helper\", \"talk\"");
    bed.deploy(&[("sensor", &image)]);
    assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    let started = bed.inspect("sensor", "{{.State.StartedAt}}");
    let runs_on = |bed: &Bed| {
        assert_eq!(
            bed.inspect("sensor", "{{.State.Running}} {{.State.StartedAt}}"),
            format!("true {started}")
        );
        let rows = bed.list();
        assert!(rows.iter().any(|row| row[0] == "sensor" && row[1] == "running"), "{rows:?}");
    };

    // A typo, a schema of the future, options that are no JSON, options that the engine refuses.
    for (patch, code, says) in [
        (json!({"modules": {"sensor": {"status": "runing"}}}), 400, "runing"),
        (json!({"modules": {"sensor": {"status": "running"}}, "schemaVersion": "2.0"}), 412, "2.0"),
        (
            json!({"schemaVersion": "1.1", "modules": {"other": other(&image, "{\"HostConfig\"")}}),
            400,
            "other",
        ),
        (
            json!({"modules": {"other": other(&image, r#"{"HostConfig": {"Binds": ["no/where"]}}"#)}}),
            500,
            "other",
        ),
    ] {
        desire(&bed, &patch);
        let reported = bed.settled();
        let status = &reported["lastDesiredStatus"];
        assert_eq!(status["code"], code, "{reported:#}");
        assert!(status["description"].as_str().unwrap().contains(says), "{status:#}");
        runs_on(&bed);
    }
    assert!(bed.log("edge.log").contains("The manifest is refused."), "{}", bed.log("edge.log"));
    desire(&bed, &json!({"modules": {"other": null}}));
    assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    runs_on(&bed);

    // A device that was revoked.
    bed.skerry(&["device", "update", DEVICE, "--status", "disabled"]);
    bed.wait("the log says that the hub is out of reach", |bed| {
        bed.log("edge.log").contains("out of reach").then_some(())
    });
    runs_on(&bed);
    bed.engine.docker(&["kill", "sensor"]).unwrap();
    bed.wait("the module is started again without the hub", |bed| {
        (bed.inspect("sensor", "{{.State.Running}}") == "true").then_some(())
    });
    bed.skerry(&["device", "update", DEVICE, "--status", "enabled"]);
    bed.wait("the hub hears of it when the device is let in again", |bed| {
        (bed.reported()["modules"]["sensor"]["restartCount"] == 1).then_some(())
    });
    bed.stop_edge();
    bed.stop_hub();
}

#[test]
fn a_configuration_with_two_errors_is_refused_with_both_and_the_device_goes_on_with_the_last() {
    let mut bed = Bed::new();
    bed.configure();
    bed.start_edge();
    let image = bed.publish("sensor:1", "\"/helper\", \"talk\"");
    bed.deploy(&[("sensor", &image)]);
    assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    let started = bed.inspect("sensor", "{{.State.StartedAt}}");
    let config = bed.config();
    let good = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("cloud_retries = \"x\"\n{good}[watchdog]\nmax_retries = -1\n")).unwrap();
    let last = good.lines().count() + 3;
    let refused = bed.iotedge(&["config", "apply", "-c", config.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    for (line, key) in [(1, "cloud_retries"), (last, "max_retries")] {
        let told = said.lines().find(|told| told.contains(&format!("{line}:")) && told.contains(key));
        assert!(told.is_some_and(|told| told.contains("error: ")), "{line} {key}: {said}");
    }
    let (_, checks) = bed.check();
    // Each with the service that the original has for it.
    for (id, key) in
        [("identityd-config-well-formed", "cloud_retries"), ("aziot-edged-config-well-formed", "max_retries")]
    {
        let result = &checks[id];
        assert!(result["result"] == "error" && result.to_string().contains(key), "{id}: {result}");
    }

    // What was applied last counts on, also for a new start.
    bed.stop_edge();
    bed.start_edge();
    assert!(bed.log("edge.log").contains("was changed since it was applied"));
    assert!(bed.list().iter().any(|row| row[0] == "sensor" && row[1] == "running"));
    std::fs::write(&config, &good).unwrap();
    ok(&bed.iotedge(&["config", "apply", "-c", config.to_str().unwrap()]));
    bed.wait("the daemon answers", |bed| bed.iotedge(&["list"]).status.success().then_some(()));
    let (_, checks) = bed.check();
    assert_eq!(checks["aziot-edged-config-well-formed"]["result"], "ok", "{checks:#?}");
    assert_eq!(bed.inspect("sensor", "{{.State.Running}} {{.State.StartedAt}}"), format!("true {started}"));
    bed.stop_edge();
    bed.stop_hub();
}

#[test]
fn a_full_disk_is_told_and_the_update_waits_for_room() {
    let mut bed = Bed::on_disk_of(64);
    bed.configure();
    bed.start_edge();
    let [first, second] =
        ["sensor:1", "sensor:2"].map(|name| bed.publish(name, &format!("\"/helper\", \"talk\", \"{name}\"")));
    bed.deploy(&[("sensor", &first)]);
    assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    let started = bed.inspect("sensor", "{{.State.StartedAt}}");
    bed.engine.fill_disk();
    bed.deploy(&[("sensor", &second)]);
    bed.wait("the agent says that there is no room", |bed| {
        let status = &bed.reported()["lastDesiredStatus"];
        (status["code"] == 500 && status["description"].as_str()?.contains("no room")).then_some(())
    });
    assert_eq!(bed.inspect("sensor", "{{.State.Running}} {{.State.StartedAt}}"), format!("true {started}"));
    bed.engine.free_disk();
    bed.wait("the update is carried out when there is room", |bed| {
        let reported = bed.reported();
        let is_new = reported["modules"]["sensor"]["settings"]["image"] == second.as_str();
        (is_new && reported["lastDesiredStatus"]["code"] == 200).then_some(())
    });
    bed.stop_edge();
    bed.stop_hub();
}

#[test]
fn what_modules_write_is_limited_unless_they_choose() {
    let mut bed = Bed::new();
    bed.configure();
    bed.start_edge();
    // Forty megabytes, of which three files of ten are kept at most.
    let image = bed.publish("chatty:1", "\"/helper\", \"write\", \"400000\"");
    let mut own = module(&image);
    own["settings"]["createOptions"] =
        json!(r#"{"HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}}}"#);
    bed.deploy_modules(&[("chatty", module(&image)), ("own", own)]);
    assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    let config = |name: &str| -> Value {
        serde_json::from_str(&bed.inspect(name, "{{json .HostConfig.LogConfig.Config}}")).unwrap()
    };
    assert_eq!(config("chatty"), json!({"max-size": "10485760", "max-file": "3"}));
    assert_eq!(config("own")["max-size"], "1m");
    let kept = |name: &str| -> u64 {
        let path = bed.inspect(name, "{{.LogPath}}");
        let files = std::fs::read_dir(std::path::Path::new(&path).parent().unwrap()).unwrap();
        let logs =
            files.map(Result::unwrap).filter(|file| file.file_name().to_string_lossy().contains("-json.log"));
        logs.map(|file| file.metadata().unwrap().len()).sum()
    };
    let last = format!("{:099}", 399_999);
    for (name, most) in [("chatty", 31 << 20), ("own", 4 << 20)] {
        bed.wait("everything is written", |bed| {
            ok(&bed.iotedge(&["logs", name, "--tail", "1"])).contains(&last).then_some(())
        });
        assert!(kept(name) <= most, "{name} keeps {} bytes", kept(name));
    }
    assert!(kept("chatty") > 10 << 20);
    bed.stop_edge();
    bed.stop_hub();
}

fn other(image: &str, options: &str) -> Value {
    let mut other = module(image);
    other["settings"]["createOptions"] = json!(options);
    other
}

/// Merged into what is wanted of the agent.
fn desire(bed: &Bed, patch: &Value) {
    let patch = patch.to_string();
    bed.skerry(&["twin", "update", DEVICE, "--module", "$edgeAgent", "--desired", &patch]);
}
