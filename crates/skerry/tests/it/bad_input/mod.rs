//! Clients who mean no good, or do not know better: each gets one clear answer, nothing changes, the
//! next client is served, and the process neither ends nor grows.

mod bodies;
mod connections;
mod requests;
mod strangers;

use crate::client::Client;
use crate::process::Hub;

const MIB: u64 = 1024 * 1024;

/// What the process may ever hold while nobody sends bodies that count: it starts with 16 MiB, and
/// three thousand half-open connections bring it to 24.
const PEAK_BYTES_MAX: u64 = 64 * MIB;

/// Two devices, one with a module and a twin.
async fn fill(client: &Client) {
    for (path, body) in [
        ("/devices/d1", r#"{"deviceId":"d1"}"#),
        ("/devices/d2", r#"{"deviceId":"d2","capabilities":{"iotEdge":true}}"#),
        ("/devices/d1/modules/m1", r#"{"deviceId":"d1","moduleId":"m1"}"#),
    ] {
        let answer = client.send("PUT", path, &[], body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    let twin = r#"{"tags":{"a":1},"properties":{"desired":{"b":[1,{"c":2}]}}}"#;
    assert_eq!(client.send("PATCH", "/twins/d1", &[], twin).await.status, 200);
}

#[track_caller]
fn assert_peak(hub: &Hub, bytes_max: u64) {
    let peak = hub.peak_bytes();
    println!("peak {} MiB of {} MiB", peak / MIB, bytes_max / MIB);
    assert!(peak <= bytes_max, "the hub held {} MiB, {} MiB are allowed", peak / MIB, bytes_max / MIB);
}
