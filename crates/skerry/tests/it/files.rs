//! Uploads over the real door: what was answered survives kill -9, memory stays small, and `skerry files` shows them.

use std::io::Write as _;
use std::path::Path;
use std::process::Output;
use std::sync::mpsc;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::client::{Client, PATIENCE};
use crate::process::{Hub, skerry};

const MIB: usize = 1 << 20;

fn ran(hub: &Hub, args: &[&str]) -> Output {
    skerry().args(args).arg("--data").arg(hub.data()).output().unwrap()
}

#[track_caller]
fn ok(hub: &Hub, args: &[&str]) -> Vec<u8> {
    let output = ran(hub, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[track_caller]
fn failed(hub: &Hub, args: &[&str], code: i32, says: &str) {
    let output = ran(hub, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), b"".as_slice()), "{said}");
    assert!(said.contains(says), "{said:?} does not say {says:?}");
}

/// Where the hub lets the device write this file, and the correlation id.
async fn begin(client: &Client, name: &str) -> (String, Value) {
    let body = json!({"blobName": name}).to_string();
    let begun = client.send("POST", "/devices/d1/files", &[], body).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let of = |member: &str| begun.body[member].as_str().unwrap().to_owned();
    let blob = of("blobName").replace(' ', "%20");
    (format!("/{}/{blob}{}", of("containerName"), of("sasToken")), begun.body["correlationId"].clone())
}

async fn upload(client: &Client, name: &str, bytes: Bytes) {
    let (path, correlation) = begin(client, name).await;
    let put = client.send("PUT", &path, &[("x-ms-blob-type", "BlockBlob")], bytes).await;
    assert_eq!(put.status, 201, "{}", put.body);
    let told = json!({"correlationId": correlation, "isSuccess": true, "statusCode": 201}).to_string();
    let ended = client.send("POST", "/devices/d1/files/notifications", &[], told).await;
    assert_eq!(ended.status, 204, "{}", ended.body);
}

/// Bytes that nobody takes for those of another file.
fn pattern(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31) ^ at >> 8 ^ seed.wrapping_mul(97)) as u8).collect()
}

#[test]
fn files_are_listed_fetched_and_deleted_from_the_command_line() {
    let hub = Hub::start();
    ok(&hub, &["device", "create", "d1"]);
    assert_eq!(ok(&hub, &["files", "list"]), b"DEVICE  FILE  BYTES  MODIFIED\n");
    let client = Client::new(&hub);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bytes = pattern(1, 3 * MIB + 7);
    runtime.block_on(async {
        upload(&client, "logs/a b.txt", Bytes::from_static(b"hello")).await;
        upload(&client, "big", bytes.clone().into()).await;
    });
    let listed: Value =
        serde_json::from_slice(&ok(&hub, &["files", "list", "--device", "d1", "--json"])).unwrap();
    let names: Vec<_> =
        listed.as_array().unwrap().iter().map(|file| (&file["name"], &file["bytes"])).collect();
    assert_eq!(names, [(&json!("big"), &json!(bytes.len())), (&json!("logs/a b.txt"), &json!(5))]);
    let table = String::from_utf8(ok(&hub, &["files", "list", "--top", "1"])).unwrap();
    assert!(table.lines().count() == 2 && table.contains("d1      big"), "{table}");

    assert_eq!(ok(&hub, &["files", "get", "d1", "logs/a b.txt"]), b"hello");
    let to = hub.data().join("fetched");
    assert_eq!(ok(&hub, &["files", "get", "d1", "big", "--output", to.to_str().unwrap()]), b"");
    assert!(std::fs::read(&to).unwrap() == bytes, "other bytes came back");
    let absent = hub.data().join("absent");
    let get = ["files", "get", "d1", "nothing", "--output", absent.to_str().unwrap()];
    failed(&hub, &get, 3, "no file \"nothing\" of device d1");
    assert!(!absent.exists() && !Path::new(&format!("{}.part", absent.display())).exists());

    ok(&hub, &["files", "delete", "d1", "big", "--dry-run"]);
    failed(&hub, &["files", "delete", "d1", "bi", "--dry-run"], 3, "bi");
    ok(&hub, &["files", "delete", "d1", "big"]);
    failed(&hub, &["files", "delete", "d1", "big"], 3, "big");
    assert_eq!(ok(&hub, &["files", "get", "d1", "logs/a b.txt"]), b"hello");
    hub.stop();
}

#[test]
fn a_link_to_a_device_takes_files_and_gives_none() {
    let hub = Hub::start();
    ok(&hub, &["device", "create", "d1"]);
    let link: Value =
        serde_json::from_slice(&ok(&hub, &["files", "link", "d1", "--minutes", "5", "--json"])).unwrap();
    let address = link["sasUrl"].as_str().unwrap();
    let (place, query) = address.split_once('?').unwrap();
    assert!(place.ends_with("/uploads/d1"), "{place}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = Client::new(&hub);
        let put = async |name: &str| {
            let path = format!("/uploads/{name}?{query}");
            client.try_send("PUT", &path, &[("x-ms-blob-type", "BlockBlob")], "17".into()).await
        };
        assert_eq!(put("d1/hub1/d1/sensor.log").await.unwrap().status, 201);
        // What is refused comes in the storage's own form, which is no JSON as everything else here is.
        for name in ["d2/a", "d1"] {
            assert!(put(name).await.is_err(), "{name}");
        }
        let got =
            client.try_send("GET", &format!("/uploads/d1/hub1/d1/sensor.log?{query}"), &[], "".into()).await;
        assert!(got.is_err(), "{got:?}");
    });
    assert_eq!(ok(&hub, &["files", "get", "d1", "hub1/d1/sensor.log"]), b"17");
    let listed: Value = serde_json::from_slice(&ok(&hub, &["files", "list", "--json"])).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    hub.stop();
}

#[test]
fn every_answered_upload_is_whole_after_kills_and_no_other_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut answered: Vec<usize> = Vec::new();
    const LENGTH: usize = 200_000;
    for round in 0..4 {
        let hub = Hub::start_in(&data, &[]);
        for device in ["d0", "d1", "d2", "d3"].iter().filter(|_| round == 0) {
            ok(&hub, &["device", "create", device]);
        }
        let client = Client::new(&hub);
        let (tell, told) = mpsc::channel();
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let (client, tell) = (client.clone(), tell.clone());
                runtime.spawn(async move {
                    for number in 0..100 {
                        let file = (round * 4 + sender) * 100 + number;
                        if try_upload(&client, &format!("d{sender}"), file, LENGTH).await.is_none() {
                            return;
                        }
                        tell.send(file).unwrap();
                    }
                })
            })
            .collect();
        drop(tell);
        answered.extend((0..12 + round * 5).map(|_| told.recv().unwrap()));
        hub.kill();
        for sender in senders {
            runtime.block_on(sender).unwrap();
        }
        answered.extend(told.try_iter());
    }
    let hub = Hub::start_in(&data, &[]);
    let listed: Value = serde_json::from_slice(&ok(&hub, &["files", "list", "--json"])).unwrap();
    let listed = listed.as_array().unwrap();
    for file in &answered {
        let name = file.to_string();
        assert!(listed.iter().any(|item| item["name"] == name), "{name} was answered and is not there");
    }
    for item in listed {
        let name = item["name"].as_str().unwrap();
        let bytes = ok(&hub, &["files", "get", item["deviceId"].as_str().unwrap(), name]);
        assert!(bytes == pattern(name.parse().unwrap(), LENGTH), "{name} is not what was sent");
    }
    let left = std::fs::read_dir(data.join("blobs/writing")).unwrap().count();
    assert_eq!(left, 0, "what was being written at a kill is gone");
    hub.stop();
}

/// `None` when the hub died before it answered.
async fn try_upload(client: &Client, device: &str, file: usize, length: usize) -> Option<()> {
    let to = format!("/devices/{device}/files");
    let body = json!({"blobName": file.to_string()}).to_string();
    let begun = client.try_send("POST", &to, &[], body.into()).await.ok()?;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let of = |member: &str| begun.body[member].as_str().unwrap();
    let path = format!("/{}/{}{}", of("containerName"), of("blobName"), of("sasToken"));
    let put = client.try_send("PUT", &path, &[("x-ms-blob-type", "BlockBlob")], pattern(file, length).into());
    let put = put.await.ok()?;
    assert_eq!(put.status, 201, "{}", put.body);
    let told = json!({"isSuccess": true}).to_string().into();
    let path = format!("{to}/notifications/{}", of("correlationId"));
    // The blob was answered for; whether its end is told changes nothing in that.
    if let Ok(ended) = client.try_send("POST", &path, &[], told).await {
        assert_eq!(ended.status, 204, "{}", ended.body);
    }
    Some(())
}

#[test]
fn many_large_uploads_at_once_take_little_memory() {
    let mut hub = Hub::start();
    ok(&hub, &["device", "create", "d1"]);
    let client = Client::new(&hub);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let before = hub.peak_bytes();
    // The same memory for all of them on this side.
    let bytes = Bytes::from(pattern(5, 16 * MIB));
    runtime.block_on(async {
        let uploads: Vec<_> = (0..8)
            .map(|at| {
                let (client, bytes) = (client.clone(), bytes.clone());
                tokio::spawn(async move { upload(&client, &at.to_string(), bytes).await })
            })
            .collect();
        for upload in uploads {
            tokio::time::timeout(4 * PATIENCE, upload).await.expect("uploads end in time").unwrap();
        }
    });
    let grown = hub.peak_bytes() - before;
    assert!(grown < 48 * MIB as u64, "{grown} bytes more for 128 MiB of uploads");
    hub.assert_up();
    hub.stop();
}

#[test]
fn uploads_that_are_switched_off_are_refused_with_the_key_that_switches_them_on() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hub.toml");
    std::fs::File::create(&config).unwrap().write_all(b"[files]\nenabled = false\n").unwrap();
    let hub = Hub::start_in(&folder.path().join("data"), &["--config", config.to_str().unwrap()]);
    ok(&hub, &["device", "create", "d1"]);
    let client = Client::new(&hub);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = runtime.block_on(client.send("POST", "/devices/d1/files", &[], r#"{"blobName":"a"}"#));
    refused.assert_refused(400, "DefaultStorageEndpointNotConfigured", "an upload");
    failed(&hub, &["files", "list"], 1, "files.enabled");
    hub.stop();
}
