//! Messages over the real door: acknowledged ones survive kill -9, and `skerry monitor` shows them.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc;

use serde_json::Value;

use crate::client::Client;
use crate::process::{Hub, skerry};

const TO: &str = "/devices/d1/messages/events";

fn create(hub: &Hub) {
    let created = skerry().args(["device", "create", "d1", "--data"]).arg(hub.data()).output().unwrap();
    assert!(created.status.success());
}

/// Lines of `skerry monitor`, up to one that holds `last`.
pub(crate) fn monitored(hub: &Hub, options: &[&str], last: &str) -> Vec<String> {
    let mut command = skerry();
    command.args(["monitor", "--from", "oldest"]).args(options).arg("--data").arg(hub.data());
    let mut monitor = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(monitor.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let is_last = line.contains(last);
        lines.push(line);
        if is_last {
            break;
        }
    }
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    lines
}

#[test]
fn every_acknowledged_message_is_in_the_log_after_kills_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let hub = Hub::start_in(&data, &[]);
        if round == 0 {
            create(&hub);
        }
        let client = Client::new(&hub);
        let (tell, told) = mpsc::channel();
        let senders: Vec<_> = (0..8)
            .map(|sender| {
                let (client, tell) = (client.clone(), tell.clone());
                runtime.spawn(async move {
                    for number in 0..100_000 {
                        let text = format!("r{round}-s{sender}-{number}");
                        match client.try_send("POST", TO, &[], text.clone().into()).await {
                            Ok(answer) if answer.status == 204 => tell.send(text).unwrap(),
                            Ok(answer) => panic!("{}", answer.body),
                            // The hub is dead.
                            Err(_) => return,
                        }
                    }
                })
            })
            .collect();
        drop(tell);
        acknowledged.extend((0..100 + round * 17).map(|_| told.recv().unwrap()));
        hub.kill();
        for sender in senders {
            runtime.block_on(sender).unwrap();
        }
        acknowledged.extend(told.iter());
    }
    let hub = Hub::start_in(&data, &[]);
    let end = runtime.block_on(Client::new(&hub).try_send("POST", TO, &[], "the end".into())).unwrap();
    assert_eq!(end.status, 204);
    let lines = monitored(&hub, &["--json", "--device", "d1"], "the end");
    let events: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sequence = |event: &Value| event["sequence"].as_u64().unwrap();
    let in_order = events.windows(2).all(|pair| sequence(&pair[0]) < sequence(&pair[1]));
    assert!(in_order, "a device's messages are in order");
    let present: HashSet<&str> = events.iter().map(|event| event["body"].as_str().unwrap()).collect();
    assert_eq!(present.len(), events.len(), "nothing is there twice");
    let lost: Vec<_> = acknowledged.iter().filter(|text| !present.contains(text.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), acknowledged.len());
    // At most one more for each sender and round: what was kept and not yet told.
    assert!(present.len() <= acknowledged.len() + 1 + 5 * 8, "{} of {}", present.len(), acknowledged.len());
    hub.stop();
}

#[test]
fn the_monitor_is_readable_and_ends_with_the_hub() {
    let hub = Hub::start();
    create(&hub);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = Client::new(&hub);
    let headers = [("iothub-app-site", "oslo")];
    let answer = runtime.block_on(client.try_send("POST", TO, &headers, "21.5 degrees".into())).unwrap();
    assert_eq!(answer.status, 204);
    let lines = monitored(&hub, &[], "degrees");
    assert!(lines[0].ends_with("Z  d1  21.5 degrees  site=oslo"), "{lines:?}");
    let begin = || {
        let mut command = skerry();
        command.args(["monitor", "--from", "oldest", "--data"]).arg(hub.data());
        let mut monitor = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut reader = BufReader::new(monitor.stdout.take().unwrap());
        reader.read_line(&mut String::new()).unwrap();
        (monitor, reader)
    };
    // Nobody sends anything more, and still it ends when its reader does.
    let (left, reader) = begin();
    drop(reader);
    let output = left.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    // A stream without an end does not keep the hub from stopping.
    let (monitor, reader) = begin();
    hub.stop();
    let output = monitor.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
    drop(reader);
}
