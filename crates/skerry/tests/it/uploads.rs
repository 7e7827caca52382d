//! An upload as a device sees it, over kills of the hub between its steps.

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
