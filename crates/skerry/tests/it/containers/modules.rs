//! Our own modules in their real images: the sensor sends, and the probe makes every call of the workload
//! API, before and after the daemon was started anew.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::device::{Bed, DEVICE, manifest, module, ok};

#[test]
fn the_sensor_sends_until_it_is_told_otherwise() {
    let mut bed = Bed::new();
    bed.configure();
    bed.start_edge();
    let image = bed.publish_own("temperature-sensor");
    let mut sensor = module(&image);
    sensor["env"] = json!({"MessageDelay": {"value": "00:00:01"}, "MessageCount": {"value": "-1"}});
    bed.deploy_modules(&[("sensor", sensor)]);
    let reported = bed.settled();
    assert_eq!(reported["modules"]["sensor"]["runtimeStatus"], "running", "{reported:#}");

    for message in &telemetry(&bed, 3) {
        assert_eq!(message["moduleId"], "sensor", "{message:#}");
        let body = &message["body"];
        let temperature = body["machine"]["temperature"].as_f64().unwrap();
        assert!((20.0..110.0).contains(&temperature), "{message:#}");
        assert!(body["ambient"]["humidity"].is_number(), "{message:#}");
    }

    bed.skerry(&["twin", "update", DEVICE, "--module", "sensor", "--desired", r#"{"SendInterval": 7}"#]);
    bed.wait("the sensor says that it took its interval", |bed| {
        let twin = bed.skerry(&["twin", "show", DEVICE, "--module", "sensor"]);
        let twin: Value = serde_json::from_str(&twin).unwrap();
        (twin["properties"]["reported"]["SendInterval"] == 7).then_some(())
    });
    let said = bed.skerry(&["method", "invoke", DEVICE, "reset", "--module", "sensor", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["status"], 200, "{said}");
    assert!(ok(&bed.iotedge(&["logs", "sensor"])).contains("Resetting the temperature"));

    // Devices elsewhere find the edge where its manifest publishes it.
    let knock = ["-c", "exec 3<>/dev/tcp/10.99.0.1/18883"];
    bed.wait("the published port is open", |bed| {
        bed.command("bash".as_ref()).args(knock).output().unwrap().status.success().then_some(())
    });
    let rows = bed.list();
    let row = rows.iter().find(|row| row[0] == "edgeHub").unwrap();
    assert_eq!(row[1], "running", "{row:?}");
    assert!(ok(&bed.iotedge(&["logs", "edgeHub"])).contains("The edge hub is here"));

    // The daemon is started anew, and then the hub: the sensor has a token signed by the one and comes back to
    // the other.
    let started = bed.inspect("sensor", "{{.State.StartedAt}}");
    bed.skerry(&["twin", "update", DEVICE, "--module", "sensor", "--desired", r#"{"SendInterval": 1}"#]);
    bed.stop_edge();
    bed.start_edge();
    bed.stop_hub();
    let said = ok(&bed.iotedge(&["logs", "sensor"])).matches("Sending message").count() as u64;
    bed.start_hub();
    let numbers: BTreeSet<u64> = telemetry(&bed, said + 3).iter().filter_map(number).collect();
    assert!(numbers.iter().copied().eq(1..=said + 3), "nothing is lost: {numbers:?}");
    assert_eq!(bed.inspect("sensor", "{{.State.Running}} {{.State.StartedAt}}"), format!("true {started}"));

    // Without rights, and with nothing but itself in its image.
    assert_eq!(bed.inspect("sensor", "{{.Config.User}}"), "1000:1000");
    let size = bed.engine.docker(&["image", "inspect", "--format", "{{.Size}}", &image]).unwrap();
    assert!(size.trim().parse::<u64>().unwrap() < 8_000_000, "{size} bytes");
    bed.stop_edge();
    bed.stop_hub();
}

/// The hub makes the identity then, with keys that nobody on the device knows.
#[test]
fn a_module_that_the_hub_has_made_gets_keys_of_this_device() {
    let mut bed = Bed::new();
    bed.configure();
    bed.start_edge();
    let mut sensor = module(&bed.publish_own("temperature-sensor"));
    sensor["env"] = json!({"MessageDelay": {"value": "00:00:01"}});
    let mut content = manifest(&[("sensor", sensor)]);
    content["modulesContent"]["sensor"] = json!({"properties.desired": {"SendInterval": 1}});
    bed.set_modules(&content);
    assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    assert_eq!(telemetry(&bed, 1).len(), 1);
    bed.stop_edge();
    bed.stop_hub();
}

#[test]
fn every_call_of_the_workload_api_is_answered_also_after_the_daemon_was_started_anew() {
    let mut bed = Bed::new();
    bed.configure();
    bed.start_edge();
    let image = bed.publish_own("workload-probe");
    bed.deploy(&[("probe", &image)]);
    let reported = bed.settled();
    assert_eq!(reported["lastDesiredStatus"]["code"], 200, "{reported:#}");

    let round = good_round(&bed, 0);
    assert!(round.calls.len() > 25, "{:#?}", round.calls);
    let sign = round.call("sign");
    assert_eq!(sign["found"], signature(&bed), "signed by the key that the hub has of it");
    for call in ["trust-bundle", "encrypt", "decrypt", "certificate/server", "certificate/identity"] {
        round.call(call);
    }

    let started = bed.inspect("probe", "{{.State.StartedAt}}");
    for go in [Bed::stop_edge, Bed::kill_edge] {
        go(&mut bed);
        let before = rounds(&bed).last().map_or(0, |round| round.number);
        bed.wait("the probe has found nobody", |bed| {
            rounds(bed).iter().any(|round| round.number > before && round.bad > 0).then_some(())
        });
        bed.start_edge();
        let last = rounds(&bed).last().map_or(0, |round| round.number);
        let round = good_round(&bed, last);
        assert_eq!(round.call("sign")["found"], signature(&bed));
        assert_eq!(
            bed.inspect("probe", "{{.State.Running}} {{.State.StartedAt}} {{.RestartCount}}"),
            format!("true {started} 0"),
            "it was not started anew for it"
        );
    }
    bed.stop_edge();
    bed.stop_hub();
}

/// What the probe found in one round.
#[derive(Debug)]
struct Round {
    number: u64,
    bad: u64,
    calls: Vec<Value>,
}

impl Round {
    #[track_caller]
    fn call(&self, name: &str) -> &Value {
        self.calls.iter().find(|call| call["call"] == name).unwrap_or_else(|| panic!("no {name}: {self:#?}"))
    }
}

/// All that are complete.
fn rounds(bed: &Bed) -> Vec<Round> {
    let said = bed.engine.docker(&["logs", "probe"]).unwrap();
    let mut rounds = Vec::new();
    let mut calls = Vec::new();
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["bad"].as_u64() {
            None => calls.push(line),
            Some(bad) => {
                let number = line["round"].as_u64().unwrap();
                rounds.push(Round { number, bad, calls: std::mem::take(&mut calls) });
            }
        }
    }
    rounds
}

/// The first one after `after` in which somebody answers; everything in it must be right.
#[track_caller]
fn good_round(bed: &Bed, after: u64) -> Round {
    let round = bed.wait("the probe has made its calls", |bed| {
        let is_answered = |round: &Round| round.calls.iter().all(|call| call["status"] != 0);
        rounds(bed).into_iter().find(|round| round.number > after && is_answered(round))
    });
    let bad: Vec<&Value> = round.calls.iter().filter(|call| call["good"] != true).collect();
    assert!(bad.is_empty() && round.bad == 0, "{bad:#?}");
    round
}

/// What the probe's signature has to be.
fn signature(bed: &Bed) -> String {
    let shown = bed.skerry(&["module", "show", DEVICE, "probe", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let key =
        STANDARD.decode(shown["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    STANDARD.encode(hmac::sign(&key, b"signed by the probe"))
}

/// Messages of the sensor from the oldest on, until the one of this number.
pub(crate) fn telemetry(bed: &Bed, last: u64) -> Vec<Value> {
    let mut command: Command = bed.command(Path::new(env!("CARGO_BIN_EXE_skerry")));
    command
        .args(["monitor", "--json", "--from", "oldest", "--device", DEVICE, "--data"])
        .arg(bed.path("hub"));
    let mut monitor = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut messages = Vec::new();
    for line in BufReader::new(monitor.stdout.take().unwrap()).lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let is_last = number(&message) == Some(last);
        messages.extend(message["body"]["machine"].is_object().then_some(message));
        if is_last {
            break;
        }
    }
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    messages
}

/// As the sensor counts its messages.
fn number(message: &Value) -> Option<u64> {
    message["properties"]["sequenceNumber"].as_str()?.parse().ok()
}
