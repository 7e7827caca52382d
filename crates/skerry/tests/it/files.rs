//! Files over the real door: what was answered survives kill -9, large ones take no memory, and the command line
//! gives them back.

use std::sync::mpsc;

use bytes::Bytes;
use serde_json::Value;
use skerry_tokens::{SharedKey, Signer};

use crate::client::{Answer, Client};
use crate::process::{HOST, Hub, skerry};

const MIB: usize = 1 << 20;

/// A device and what it says.
struct Device {
    client: Client,
    token: String,
}

impl Device {
    fn create(hub: &Hub) -> Self {
        let output =
            skerry().args(["device", "create", "d1", "--json", "--data"]).arg(hub.data()).output().unwrap();
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        let key: SharedKey =
            shown["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().parse().unwrap();
        let expiry = "2099-01-01T00:00:00Z".parse().unwrap();
        let token = Signer::identity(key).issue(&format!("{HOST}/devices/d1"), expiry).reveal();
        Self { client: Client::new(hub), token }
    }

    /// The same device at the hub as it listens now.
    fn again(self, hub: &Hub) -> Self {
        Self { client: Client::new(hub), token: self.token }
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        let headers = [("authorization", self.token.as_str())];
        self.client.send("POST", path, &headers, body.to_string()).await
    }

    /// The blob's address on the hub, and the correlation id.
    async fn begin(&self, name: &str) -> (String, String) {
        let begun = self.post("/devices/d1/files", serde_json::json!({"blobName": name})).await;
        assert_eq!(begun.status, 200, "{}", begun.body);
        let of = |name: &str| begun.body[name].as_str().unwrap();
        let port = self.client.address().port();
        assert_eq!(of("hostName"), format!("{HOST}:{port}"), "a port that is not the usual one is told");
        let path = format!("/{}/{}{}", of("containerName"), of("blobName"), of("sasToken"));
        (path, of("correlationId").to_owned())
    }

    async fn complete(&self, correlation: &str) -> Answer {
        let path = format!("/devices/d1/files/notifications/{correlation}");
        self.post(&path, serde_json::json!({"isSuccess": true, "statusCode": 200, "statusDescription": ""}))
            .await
    }
}

const BLOB: &[(&str, &str)] = &[("x-ms-blob-type", "BlockBlob"), ("authorization", "")];

fn content(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 251 + seed) as u8).collect()
}

#[test]
fn what_was_answered_survives_kill_9_and_its_upload_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let hub = Hub::start_in(&data, &[]);
    let device = Device::create(&hub);
    let (blob, blob_id) = runtime.block_on(device.begin("whole"));
    let (blocks, blocks_id) = runtime.block_on(device.begin("blocks"));
    let bytes = content(1, 3 * MIB);
    runtime.block_on(async {
        assert_eq!(device.client.send("PUT", &blob, BLOB, bytes.clone()).await.status, 201);
        for (id, piece) in ["MQ==", "Mg=="].into_iter().zip(bytes.chunks(2 * MIB)) {
            let to = format!("{blocks}&comp=block&blockid={id}");
            assert_eq!(device.client.send("PUT", &to, BLOB, piece.to_vec()).await.status, 201);
        }
    });
    hub.kill();

    // What a client was sending when the hub died leaves nothing behind.
    std::fs::write(data.join("blobs/writing/ff"), b"half").unwrap();
    let hub = Hub::start_in(&data, &[]);
    let device = device.again(&hub);
    assert!(!data.join("blobs/writing/ff").exists());
    runtime.block_on(async {
        let list = "<BlockList><Latest>MQ==</Latest><Latest>Mg==</Latest></BlockList>";
        let to = format!("{blocks}&comp=blocklist");
        assert_eq!(device.client.send("PUT", &to, BLOB, list).await.status, 201);
        for id in [&blob_id, &blocks_id, &blob_id] {
            assert_eq!(device.complete(id).await.status, 204);
        }
    });
    hub.kill();

    let hub = Hub::start_in(&data, &[]);
    let device = device.again(&hub);
    for name in ["whole", "blocks"] {
        let output = skerry().args(["files", "get", "d1", name, "--data"]).arg(&data).output().unwrap();
        assert!(output.status.success() && output.stdout == bytes, "{name}");
    }
    runtime.block_on(async {
        let path = "/messages/serviceBound/filenotifications";
        for name in ["d1/whole", "d1/blocks"] {
            let told = device.client.send("GET", path, &[], "").await;
            assert_eq!((told.status, &told.body["blobName"]), (200, &Value::from(name)));
        }
        assert_eq!(device.client.send("GET", path, &[], "").await.status, 204);
    });
    hub.stop();
}

#[test]
fn a_file_takes_no_memory_of_the_hub_however_large_it_is() {
    let mut hub = Hub::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let device = Device::create(&hub);
    runtime.block_on(async {
        let small = device.begin("small").await.0;
        assert_eq!(device.client.send("PUT", &small, BLOB, content(1, MIB)).await.status, 201);
    });
    let before = hub.peak_bytes();
    let bytes = Bytes::from(content(2, 192 * MIB));
    runtime.block_on(async {
        let (large, id) = device.begin("large").await;
        assert_eq!(device.client.send("PUT", &large, BLOB, bytes.clone()).await.status, 201);
        assert_eq!(device.complete(&id).await.status, 204);
    });
    let saved = hub.data().with_file_name("large.bin");
    let output = skerry()
        .args(["files", "get", "d1", "large", "--output"])
        .arg(&saved)
        .arg("--data")
        .arg(hub.data())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(std::fs::read(&saved).unwrap() == bytes);
    let grown = hub.peak_bytes().saturating_sub(before);
    assert!(grown < 64 * MIB as u64, "{grown} bytes more for a file of {}", bytes.len());
    hub.assert_up();
    hub.stop();
}

#[test]
fn files_are_listed_and_deleted_from_the_command_line() {
    let hub = Hub::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let device = Device::create(&hub);
    for name in ["a.txt", "logs/b.txt"] {
        runtime.block_on(async {
            let blob = device.begin(name).await.0;
            assert_eq!(device.client.send("PUT", &blob, BLOB, "12345").await.status, 201);
        });
    }
    let run = |args: &[&str]| skerry().args(args).arg("--data").arg(hub.data()).output().unwrap();
    let text = |args: &[&str]| String::from_utf8(run(args).stdout).unwrap();
    let listed = text(&["files", "list"]);
    assert!(listed.starts_with("DEVICE  NAME        BYTES  MODIFIED"), "{listed}");
    assert!(listed.contains("d1      logs/b.txt  5      20"), "{listed}");
    let json: Value =
        serde_json::from_str(&text(&["files", "list", "--json", "--device", "d1", "--top", "1"])).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[0]["blobName"]), (1, &Value::from("d1/a.txt")));
    assert!(run(&["files", "delete", "d1", "logs/b.txt", "--dry-run"]).status.success());
    assert_eq!(text(&["files", "get", "d1", "logs/b.txt"]), "12345");
    assert!(run(&["files", "delete", "d1", "logs/b.txt"]).status.success());
    for args in [
        ["files", "get", "d1", "logs/b.txt"].as_slice(),
        &["files", "delete", "d1", "logs/b.txt"],
        &["files", "delete", "d1", "logs/b.txt", "--dry-run"],
    ] {
        assert_eq!(run(args).status.code(), Some(3), "{args:?}");
    }
    hub.stop();
}

#[test]
fn a_hub_without_file_upload_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hub.toml");
    std::fs::write(&config, "[files]\nenabled = false\n").unwrap();
    let data = folder.path().join("data");
    let hub = Hub::start_in(&data, &["--config", config.to_str().unwrap()]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let device = Device::create(&hub);
    let refused = runtime.block_on(device.post("/devices/d1/files", serde_json::json!({"blobName": "a"})));
    refused.assert_refused(400, "DefaultStorageEndpointNotConfigured", "the link");
    assert!(!data.join("blobs").exists());
    hub.stop();
}

#[test]
fn every_answered_upload_is_whole_after_kills_and_no_other_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut answered: Vec<usize> = Vec::new();
    for round in 0..4 {
        let hub = Hub::start_in(&data, &[]);
        for device in ["d0", "d1", "d2", "d3"].iter().filter(|_| round == 0) {
            printed(&hub, &["device", "create", device]);
        }
        let client = Client::new(&hub);
        let (tell, told) = mpsc::channel();
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let (client, tell) = (client.clone(), tell.clone());
                runtime.spawn(async move {
                    for number in 0..100 {
                        let file = (round * 4 + sender) * 100 + number;
                        if try_upload(&client, &format!("d{sender}"), file).await.is_none() {
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
    let listed: Value = serde_json::from_slice(&printed(&hub, &["files", "list", "--json"])).unwrap();
    let listed = listed.as_array().unwrap();
    for file in &answered {
        assert!(
            listed.iter().any(|item| item["name"] == file.to_string()),
            "{file} was answered and is not there"
        );
    }
    for item in listed {
        let name = item["name"].as_str().unwrap();
        let bytes = printed(&hub, &["files", "get", item["deviceId"].as_str().unwrap(), name]);
        assert!(bytes == numbered(name.parse().unwrap()), "{name} is not what was sent");
    }
    let left = std::fs::read_dir(data.join("blobs/writing")).unwrap().count();
    assert_eq!(left, 0, "what was being written at a kill is gone");
    hub.stop();
}

/// The bytes of a file that no other file has.
fn numbered(file: usize) -> Vec<u8> {
    [file.to_string().into_bytes(), content(file, 200_000)].concat()
}

/// What a command says that must go well.
fn printed(hub: &Hub, args: &[&str]) -> Vec<u8> {
    let output = skerry().args(args).arg("--data").arg(hub.data()).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// `None` when the hub died before it answered.
async fn try_upload(client: &Client, device: &str, file: usize) -> Option<()> {
    let to = format!("/devices/{device}/files");
    let body = serde_json::json!({"blobName": file.to_string()}).to_string();
    let begun = client.try_send("POST", &to, &[], body.into()).await.ok()?;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let of = |member: &str| begun.body[member].as_str().unwrap();
    let path = format!("/{}/{}{}", of("containerName"), of("blobName"), of("sasToken"));
    let put = client.try_send("PUT", &path, &[("x-ms-blob-type", "BlockBlob")], numbered(file).into());
    let put = put.await.ok()?;
    assert_eq!(put.status, 201, "{}", put.body);
    let told = serde_json::json!({"isSuccess": true}).to_string().into();
    let path = format!("{to}/notifications/{}", of("correlationId"));
    // The blob was answered for; whether its end is told changes nothing in that.
    if let Ok(ended) = client.try_send("POST", &path, &[], told).await {
        assert_eq!(ended.status, 204, "{}", ended.body);
    }
    Some(())
}
