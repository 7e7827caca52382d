//! Messages for devices over the real door: what was answered survives kill -9, and the command
//! line sends, purges and hears of them.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::process::{Output, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::client::Client;
use crate::process::{Hub, skerry};

const TO: &str = "/devices/d1/messages/deviceBound";
const FROM: &str = "/devices/d1/messages/devicebound";

fn run(hub: &Hub, args: &[&str]) -> Output {
    skerry().args(args).arg("--data").arg(hub.data()).output().unwrap()
}

fn said(hub: &Hub, args: &[&str]) -> String {
    let output = run(hub, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn lock(answer: &crate::client::Answer) -> String {
    answer.headers["etag"].to_str().unwrap().trim_matches('"').to_owned()
}

#[test]
fn every_acknowledged_command_is_there_once_after_kills_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = folder.path().join("hub.toml");
    fs::write(&config, "[commands]\ndepth_max = 1000\n").unwrap();
    let options = ["--config", config.to_str().unwrap()];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut sent, mut completed) = (HashSet::new(), HashSet::new());
    for round in 0..4 {
        let hub = Hub::start_in(&data, &options);
        if round == 0 {
            said(&hub, &["device", "create", "d1"]);
        }
        let client = Client::new(&hub);
        let (tell, told) = mpsc::channel();
        let mut tasks = Vec::new();
        for sender in 0..4 {
            let (client, tell) = (client.clone(), tell.clone());
            tasks.push(runtime.spawn(async move {
                for number in 0..60 {
                    let id = format!("r{round}-s{sender}-{number}");
                    let headers = [("iothub-messageid", id.as_str()), ("iothub-ack", "full")];
                    let body = format!("{{\"id\":\"{id}\"}}");
                    match client.try_send("POST", TO, &headers, body.into()).await {
                        Ok(answer) if answer.status == 204 => tell.send((id, false)).unwrap(),
                        Ok(answer) => panic!("{}", answer.body),
                        // The hub is dead.
                        Err(_) => return,
                    }
                }
            }));
        }
        tasks.push(runtime.spawn(async move {
            loop {
                let Ok(got) = client.try_send("GET", FROM, &[], "".into()).await else { return };
                if got.status == 204 {
                    tokio::task::yield_now().await;
                    continue;
                }
                let id = got.body["id"].as_str().unwrap().to_owned();
                let at = format!("{FROM}/{}", lock(&got));
                match client.try_send("DELETE", &at, &[], "".into()).await {
                    Ok(answer) if answer.status == 204 => tell.send((id, true)).unwrap(),
                    Ok(answer) => panic!("{}", answer.body),
                    Err(_) => return,
                }
            }
        }));
        let mut note = |(id, is_completed): (String, bool)| match is_completed {
            true => assert!(completed.insert(id.clone()), "{id} was delivered after it was completed"),
            false => drop(sent.insert(id)),
        };
        (0..60 + round * 13).for_each(|_| note(told.recv().unwrap()));
        hub.kill();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        told.iter().for_each(&mut note);
    }
    let hub = Hub::start_in(&data, &options);
    let client = Client::new(&hub);
    let shown = runtime.block_on(client.send("GET", "/devices/d1", &[], "")).body;
    let mut left = Vec::new();
    loop {
        let got = runtime.block_on(client.send("GET", FROM, &[], ""));
        if got.status == 204 {
            break;
        }
        left.push(got.body["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(shown["cloudToDeviceMessageCount"], left.len(), "the count is right from the start");
    let present: HashSet<&String> = left.iter().collect();
    assert_eq!(present.len(), left.len(), "nothing is there twice");
    assert!(completed.iter().all(|id| !present.contains(id)), "what was completed is gone");

    // Feedback that waited for a restart is told at once.
    let lines = said(&hub, &["c2d", "feedback", "--json"]);
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let heard: HashSet<String> =
        records.map(|record| record["originalMessageId"].as_str().unwrap().to_owned()).collect();
    let unheard: Vec<_> = completed.iter().filter(|id| !heard.contains(*id)).collect();
    assert!(unheard.is_empty(), "{unheard:?} were completed without a word");
    let lost: Vec<_> = sent.iter().filter(|id| !present.contains(id) && !heard.contains(*id)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), sent.len());
    assert_eq!(said(&hub, &["c2d", "feedback"]), "", "it is told once");
    hub.stop();
}

#[test]
fn messages_are_sent_and_purged_from_the_command_line() {
    let hub = Hub::start();
    said(&hub, &["device", "create", "d1"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = Client::new(&hub);
    let get = || runtime.block_on(client.send("GET", FROM, &[], ""));

    let sent =
        ["c2d", "send", "--device", "d1", "--property", "site=oslo", "--message-id", "m-1", "{\"t\":21}"];
    assert_eq!(said(&hub, &[&sent[..], &["--expiry", "600"]].concat()), "");
    let got = get();
    assert_eq!((got.status, &got.body), (200, &json!({"t": 21})));
    for (name, value) in [("iothub-messageid", "m-1"), ("iothub-app-site", "oslo"), ("iothub-ack", "none")] {
        assert_eq!(got.headers[name], value, "{name}");
    }
    assert!(got.headers.contains_key("iothub-expiry"));

    let mut command = skerry();
    command.args(["c2d", "send", "--device", "d1", "--ack", "full", "-", "--data"]).arg(hub.data());
    let mut piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(b"[1]").unwrap();
    let output = piped.wait_with_output().unwrap();
    let id = String::from_utf8(output.stdout).unwrap();
    let got = get();
    assert_eq!((&got.body, got.headers["iothub-messageid"].to_str().unwrap()), (&json!([1]), id.trim()));

    let purge = ["c2d", "purge", "--device", "d1"];
    assert_eq!(said(&hub, &[&purge[..], &["--dry-run"]].concat()), "");
    assert_eq!(said(&hub, &purge), "2 messages were taken out\n");
    let none: Value = serde_json::from_str(&said(&hub, &[&purge[..], &["--json"]].concat())).unwrap();
    assert_eq!(none, json!({"totalMessagesPurged": 0, "deviceId": "d1", "moduleId": null}));
    for (args, code) in [
        (&["c2d", "send", "--device", "gone", "x"][..], 3),
        (&["c2d", "send", "--device", "d1", "--property", "x", "y"], 2),
        (&["c2d", "send", "--device", "d1", "--module", "m", "x"], 3),
        (&["c2d", "purge", "--device", "gone"], 3),
    ] {
        assert_eq!(run(&hub, args).status.code(), Some(code), "{args:?}");
    }
    hub.stop();
}
