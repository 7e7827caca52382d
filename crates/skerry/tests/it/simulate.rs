//! Simulated devices against the real hub, and tokens that the command line makes.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use serde_json::Value;
use skerry_model::Timestamp;
use skerry_tokens::{CLOCK_SKEW, Claim, KeyPair, KeyUse, ModuleRule, SasToken, SharedKey, covers};

use crate::process::{HOST, Hub, skerry};

fn command(hub: &Hub, line: &str) -> Command {
    let mut command = skerry();
    command.args(line.split(' ')).arg("--data").arg(hub.data());
    command
}

fn run(hub: &Hub, line: &str) -> Output {
    command(hub, line).output().unwrap()
}

#[track_caller]
fn json(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn ids(hub: &Hub) -> Vec<String> {
    let devices = json(&run(hub, "device list --json"));
    let mut ids: Vec<String> = devices
        .as_array()
        .unwrap()
        .iter()
        .map(|device| device["deviceId"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

#[test]
fn simulated_devices_send_and_those_that_were_created_go_again() {
    let hub = Hub::start();
    assert!(run(&hub, "device create sim-2").status.success());
    let ran = run(&hub, "device simulate --count 3 --rate 50 --duration 2 --size 100 --json");
    let summary = json(&ran);
    assert!(ran.status.success(), "{summary}");
    let number = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!((number("devices"), number("created"), number("letIn")), (3, 2, 3), "{summary}");
    assert!(number("sent") >= 3, "{summary}");
    assert_eq!((number("acknowledged"), number("unacknowledged")), (number("sent"), 0), "{summary}");
    assert_eq!(ids(&hub), ["sim-2"]);

    let mut monitor = command(&hub, "monitor --json --from oldest").stdout(Stdio::piped()).spawn().unwrap();
    // That devices came is told there, too.
    let events = BufReader::new(monitor.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut events = events.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let event = events.find(|event| event["source"] == "Telemetry").unwrap();
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    assert!(event["deviceId"].as_str().unwrap().starts_with("sim-"), "{event}");
    assert_eq!(event["body"].as_str().map(str::len), Some(98), "100 bytes with the quotes: {event}");

    for protocol in ["mqtt-ws", "amqp", "amqp-ws"] {
        let line = "device simulate --count 3 --rate 50 --duration 2 --json --protocol";
        let summary = json(&run(&hub, &format!("{line} {protocol}")));
        let number = |name: &str| summary[name].as_u64().unwrap();
        assert!(number("sent") >= 3, "{protocol}: {summary}");
        assert_eq!((number("letIn"), number("acknowledged")), (3, number("sent")), "{protocol}: {summary}");
        assert!(summary["ackMs"]["p99"].as_f64().unwrap() > 0.0, "{protocol}: {summary}");
    }

    let kept = run(&hub, "device simulate --count 2 --duration 1 --device-prefix k --keep --json");
    assert!(kept.status.success());
    assert_eq!(ids(&hub), ["k1", "k2", "sim-2"]);
    hub.stop();
}

#[test]
fn a_simulation_ends_with_its_summary_when_it_is_interrupted() {
    let hub = Hub::start();
    let mut simulation = command(&hub, "device simulate --count 2 --rate 20 --json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first word comes when devices have sent for a while.
    let mut said = BufReader::new(simulation.stderr.take().unwrap()).lines();
    let progress = said.next().unwrap().unwrap();
    assert!(progress.contains("2 of 2 connected"), "{progress}");
    let interrupt = format!("kill -INT {}", simulation.id());
    assert!(Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
    // Read to its end, or the program would meet a closed pipe.
    let rest: Vec<String> = said.map_while(Result::ok).collect();
    let ended = simulation.wait_with_output().unwrap();
    assert!(ended.status.success(), "{rest:?}");
    assert_eq!(json(&ended)["unacknowledged"], 0);
    assert!(ids(&hub).is_empty());
    hub.stop();
}

#[test]
fn what_cannot_be_simulated_says_why_and_leaves_nothing_behind() {
    let hub = Hub::start();
    // A port on which REST is spoken.
    let rest = hub.address;
    assert!(run(&hub, "device create ca-1 --auth ca").status.success());
    assert!(run(&hub, "device create off-1 --status disabled").status.success());
    for (line, code, says) in [
        ("--mqtt 127.0.0.1:1".to_owned(), 6, "cannot reach 127.0.0.1:1"),
        (format!("--mqtt {rest}"), 1, "cannot be read"),
        ("--device-prefix ca-".to_owned(), 2, "ca-1 is there and has no keys"),
        ("--device-prefix a'b".to_owned(), 2, "quotes"),
        ("--device-prefix off-".to_owned(), 1, "disabled"),
        ("--rate 0".to_owned(), 2, "0.001 to 10000"),
        ("--size 1".to_owned(), 2, "2..=250000"),
        ("--mqtt nowhere".to_owned(), 6, "--mqtt HOST:PORT"),
        ("--protocol amqp --amqp nowhere".to_owned(), 6, "--amqp HOST:PORT"),
        ("--protocol amqp --device-prefix off-".to_owned(), 5, "disabled"),
        (format!("--protocol amqp --amqp {rest}"), 1, "frame"),
    ] {
        let ran = run(&hub, &format!("device simulate --count 1 --duration 1 {line}"));
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{line}: {said}");
        assert!(said.contains(says), "{line}: {said}");
    }
    assert_eq!(ids(&hub), ["ca-1", "off-1"]);
    hub.stop();
}

#[test]
fn tokens_are_made_with_the_keys_of_devices_modules_and_policies() {
    let hub = Hub::start();
    for line in ["device create d1", "module create d1 m1", "device create ca --auth ca"] {
        assert!(run(&hub, line).status.success(), "{line}");
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = Timestamp::from_unix(now);
    let policy = hub.key("service");
    for (line, shown, claim) in [
        ("device sas-token --device d1", "device show d1", Claim::Device("d1")),
        (
            "device sas-token --device d1 --module m1 --secondary",
            "module show d1 m1",
            Claim::Module("d1", "m1"),
        ),
        ("policy sas-token service --ttl 60", "", Claim::Hub),
    ] {
        let ran = run(&hub, line);
        let token = SasToken::parse(std::str::from_utf8(&ran.stdout).unwrap()).unwrap();
        assert_eq!(covers(token.resource(), &[HOST], claim, ModuleRule::OwnTokenOnly), Ok(()), "{line}");
        let (primary, secondary) = match shown {
            "" => (policy.clone(), policy.clone()),
            shown => {
                let keys = &json(&run(&hub, &format!("{shown} --json")))["authentication"]["symmetricKey"];
                let key = |name: &str| keys[name].as_str().unwrap().parse::<SharedKey>().unwrap();
                (key("primaryKey"), key("secondaryKey"))
            }
        };
        let keys = KeyPair { primary: &primary, secondary: &secondary };
        let verified = token.verify(keys, KeyUse::Hub, now, CLOCK_SKEW);
        assert!(verified.is_ok(), "{line}: {verified:?}");
        let life = token.expiry().unix_seconds() - now.unix_seconds();
        let expected = if claim == Claim::Hub { 60 } else { 3600 };
        assert!((expected..expected + 60).contains(&life), "{line}: {life}");
    }
    let as_json = json(&run(&hub, "device sas-token --device d1 --json"));
    assert!(SasToken::parse(as_json["sas"].as_str().unwrap()).is_ok());
    for (line, code) in [
        ("device sas-token --device nobody", 3),
        ("device sas-token --device ca", 1),
        ("policy sas-token nobody", 3),
        ("policy sas-token service --ttl 0", 2),
    ] {
        assert_eq!(run(&hub, line).status.code(), Some(code), "{line}");
    }
    hub.stop();
}
