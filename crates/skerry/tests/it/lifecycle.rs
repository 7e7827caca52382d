//! Starting, stopping, dying, and coming back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::client::Client;
use crate::process::{Hub, skerry};

fn command(args: &[&str], data: &Path) -> Output {
    skerry().args(args).arg("--data").arg(data).output().unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn failed(output: &Output, code: i32, says: &str) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(code) && err.contains(says), "{:?}: {err}", output.status);
}

#[test]
fn everything_is_there_after_a_stop_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("with a space");
    let mut hub = Hub::start_in(&data, &[]);
    let string = succeeded(&command(&["hub", "connection-string"], &data));
    let root = fs::read(data.join("tls/root-ca.pem")).unwrap();
    for round in 0..3 {
        let device = format!("d{round}");
        succeeded(&command(&["device", "create", &device], &data));
        let tags = json!({"round": round}).to_string();
        succeeded(&command(&["twin", "update", &device, "--tags", &tags], &data));
        if round == 1 {
            hub.stop();
        } else {
            hub.kill();
        }
        hub = Hub::start_in(&data, &[]);
        let devices: Value =
            serde_json::from_str(&succeeded(&command(&["device", "list", "--json"], &data))).unwrap();
        let rounds: Vec<u64> =
            devices.as_array().unwrap().iter().map(|twin| twin["tags"]["round"].as_u64().unwrap()).collect();
        assert_eq!(rounds, (0..=round).collect::<Vec<_>>());
        assert_eq!(succeeded(&command(&["hub", "connection-string"], &data)), string, "keys stay");
        assert_eq!(fs::read(data.join("tls/root-ca.pem")).unwrap(), root, "the trust anchor stays");
    }
    hub.stop();
}

#[test]
fn nothing_acknowledged_is_lost_when_the_hub_is_killed_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let hub = Hub::start_in(&data, &[]);
        let client = Client::new(&hub);
        let (tell, told) = std::sync::mpsc::channel();
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let (client, tell) = (client.clone(), tell.clone());
                runtime.spawn(async move {
                    for n in 0..100_000 {
                        let id = format!("r{round}-w{writer}-{n}");
                        let body = json!({"deviceId": id}).to_string();
                        match client.try_send("PUT", &format!("/devices/{id}"), &[], body.into()).await {
                            Ok(answer) if answer.status == 200 => tell.send(id).unwrap(),
                            Ok(answer) => panic!("{}", answer.body),
                            // The hub is dead.
                            Err(_) => return,
                        }
                    }
                })
            })
            .collect();
        drop(tell);
        let mut count = 0;
        while count < 60 + round * 17 {
            acknowledged.push(told.recv().unwrap());
            count += 1;
        }
        hub.kill();
        for writer in writers {
            runtime.block_on(writer).unwrap();
        }
        acknowledged.extend(told.iter());
    }
    let hub = Hub::start_in(&data, &[]);
    let listed = succeeded(&command(&["query", "SELECT deviceId FROM devices"], &data));
    let present: std::collections::HashSet<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["deviceId"].as_str().unwrap().to_owned())
        .collect();
    let lost: Vec<&String> = acknowledged.iter().filter(|id| !present.contains(*id)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), acknowledged.len());
    // At most one more for each writer and round: what was done and not yet told.
    assert!(present.len() <= acknowledged.len() + 5 * 8, "{} of {}", present.len(), acknowledged.len());
    hub.stop();
}

#[test]
fn a_second_hub_on_the_same_data_or_port_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let hub = Hub::start_in(&data, &[]);
    failed(
        &command(&["hub", "run", "--https", "127.0.0.1:0"], &data),
        4,
        "another process uses the data directory",
    );
    let other = folder.path().join("other");
    let busy = hub.address.to_string();
    for option in ["--https", "--mqtt", "--amqp"] {
        let mut asked = vec!["hub", "run", "--https", "off", "--mqtt", "off", "--amqp", "off"];
        let place = asked.iter().position(|word| *word == option).unwrap() + 1;
        asked[place] = &busy;
        let says = format!("cannot listen on {busy}: another program uses the port; find it with");
        let output = command(&asked, &other);
        failed(&output, 1, &says);
        failed(&output, 1, &format!("or choose another address with {option}"));
    }
    succeeded(&command(&["device", "create", "d1"], &data));
    hub.stop();
}

#[test]
fn secrets_lie_in_private_files_and_keys_are_not_in_the_documents() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let hub = Hub::start_in(&data, &[]);
    let device: Value =
        serde_json::from_str(&succeeded(&command(&["device", "create", "d1", "--json"], &data))).unwrap();
    hub.stop();
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    for name in ["policies.json", "hub.json", "device-keys.key", "tls/root-ca.key.pem", "tls/server.key.pem"]
    {
        assert_eq!(fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let stored = fs::read(data.join("documents.db")).unwrap();
    let holds = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("d1"), "the probe below looks at the right file");
    for key in ["primaryKey", "secondaryKey"] {
        assert!(
            !holds(device["authentication"]["symmetricKey"][key].as_str().unwrap()),
            "{key} is readable on disk"
        );
    }
    let key = data.join("device-keys.key");
    let right = fs::read(&key).unwrap();
    fs::write(&key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").unwrap();
    failed(&command(&["hub", "run", "--https", "127.0.0.1:0"], &data), 1, "not the device key file");
    fs::remove_file(&key).unwrap();
    failed(&command(&["hub", "run", "--https", "127.0.0.1:0"], &data), 1, "--device-key-file");
    let elsewhere = folder.path().join("kept.key");
    fs::write(&elsewhere, right).unwrap();
    let hub = Hub::start_in(&data, &["--device-key-file", elsewhere.to_str().unwrap()]);
    let again: Value =
        serde_json::from_str(&succeeded(&command(&["device", "show", "d1", "--json"], &data))).unwrap();
    assert_eq!(again["authentication"], device["authentication"]);
    hub.stop();
}

#[test]
fn a_backup_of_a_running_hub_restores_to_the_same_hub() {
    let folder = tempfile::tempdir().unwrap();
    let (data, archive) = (folder.path().join("data"), folder.path().join("hub.tar"));
    let archive_name = archive.to_str().unwrap().to_owned();
    let hub = Hub::start_in(&data, &[]);
    succeeded(&command(&["device", "create", "before"], &data));
    let before = succeeded(&command(&["device", "show", "before", "--json"], &data));
    succeeded(&command(&["hub", "backup", &archive_name], &data));
    assert_eq!(fs::metadata(&archive).unwrap().permissions().mode() & 0o777, 0o600);
    succeeded(&command(&["device", "create", "after"], &data));
    let string = succeeded(&command(&["hub", "connection-string"], &data));
    failed(&command(&["hub", "restore", &archive_name], &data), 4, "--force");
    failed(&command(&["hub", "restore", &archive_name, "--force"], &data), 4, "another process");
    hub.stop();

    let elsewhere = folder.path().join("elsewhere");
    succeeded(&command(&["hub", "restore", &archive_name, "--dry-run"], &elsewhere));
    assert!(!elsewhere.exists());
    succeeded(&command(&["hub", "restore", &archive_name], &elsewhere));
    let hub = Hub::start_in(&elsewhere, &[]);
    assert_eq!(succeeded(&command(&["device", "show", "before", "--json"], &elsewhere)), before);
    failed(&command(&["device", "show", "after"], &elsewhere), 3, "after");
    assert_eq!(succeeded(&command(&["hub", "connection-string"], &elsewhere)), string);
    hub.stop();

    succeeded(&command(&["hub", "restore", &archive_name, "--force"], &data));
    assert!(folder.path().join("data.before-restore/documents.db").exists());
    // A stopped hub is backed up from its directory.
    let second = folder.path().join("second.tar");
    succeeded(&command(&["hub", "backup", second.to_str().unwrap()], &data));
    let half = fs::read(&second).unwrap();
    fs::write(&second, &half[..half.len() / 2]).unwrap();
    let target = folder.path().join("third");
    let refused = command(&["hub", "restore", second.to_str().unwrap()], &target);
    assert_eq!(refused.status.code(), Some(1));
    assert!(!target.exists(), "half an archive leaves nothing behind");
}

#[test]
fn names_and_certificates_follow_the_options() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    Hub::start_in(&data, &["--hostname", "hub1.skerry.test"]).stop();
    let first = fs::read(data.join("tls/server.pem")).unwrap();
    Hub::start_in(&data, &[]).stop();
    assert_eq!(fs::read(data.join("tls/server.pem")).unwrap(), first, "the same names, the same certificate");
    let hub = Hub::start_in(&data, &["--hostname", "other.skerry.test", "--hostname", "hub1.skerry.test"]);
    assert_ne!(fs::read(data.join("tls/server.pem")).unwrap(), first);
    let string = succeeded(&command(&["hub", "connection-string"], &data));
    assert!(string.starts_with("HostName=other.skerry.test;"), "{string}");
    succeeded(&command(&["device", "list"], &data));
    hub.stop();

    // An operator's certificate: here the first hub's own, copied.
    let (certificate, key) = (folder.path().join("op.pem"), folder.path().join("op.key"));
    fs::copy(data.join("tls/server.pem"), &certificate).unwrap();
    fs::copy(data.join("tls/server.key.pem"), &key).unwrap();
    let fresh = folder.path().join("fresh");
    let options = [
        "--hostname",
        "other.skerry.test",
        "--tls-certificate",
        certificate.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ];
    let hub = Hub::start_in(&fresh, &options);
    assert!(!fresh.join("tls/root-ca.pem").exists(), "no root of its own beside an operator's certificate");
    let mut list = skerry();
    list.args(["device", "list", "--data"]).arg(&fresh).arg("--ca").arg(data.join("tls/root-ca.pem"));
    succeeded(&list.output().unwrap());
    hub.stop();
}

#[test]
fn systemd_hears_when_the_hub_is_ready_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify.sock");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let heard = || {
        let mut text = [0; 64];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    };
    let hub = Hub::start_under(&folder.path().join("data"), &[("NOTIFY_SOCKET", &path)]);
    assert_eq!(heard(), "READY=1");
    hub.stop();
    assert_eq!(heard(), "STOPPING=1");
}
