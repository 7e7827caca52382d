//! Direct methods, as the hub calls them.

use std::io::Read as _;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use skerry_edge_agent::BlobKind;
use skerry_runtime::{Behaviour, Stream};
use tokio::time::sleep;

use super::world::{World, manifest};

async fn with_two() -> World {
    let mut world = World::new();
    let talker = Behaviour::runs()
        .says(Stream::Output, "<6> 2024-05-01 12:00:00.123 +00:00 [INF] - high tide")
        .says(Stream::Error, "<4> 2024-05-01 12:00:01.000 +00:00 [WRN] - low tide")
        .says(Stream::Output, "plain");
    world.machine.publish("talker:1", talker);
    world.machine.publish("quiet:1", Behaviour::runs());
    world.hub.go_up();
    world.start();
    let version = world.hub.deploy(&manifest(&[("talker", json!("talker:1")), ("quiet", json!("quiet:1"))]));
    world.until_code(version, 200).await;
    world
}

fn logs(id: &str, filter: &Value, more: &Value) -> Value {
    let mut request = json!({"schemaVersion": "1.0", "items": [{"id": id, "filter": filter}]});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

#[tokio::test(start_paused = true)]
async fn ping_answers_and_strangers_are_told_what_there_is() {
    let world = with_two().await;
    assert_eq!(world.hub.call("PING", &json!(null)).await, (200, Value::Null));
    let (status, body) = world.hub.call("Reboot", &json!({})).await;
    assert_eq!(status, 400);
    assert!(body["message"].as_str().unwrap().contains("RestartModule"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn a_module_is_restarted_and_gets_its_tries_back() {
    let world = with_two().await;
    world.machine.crash("quiet", 1);
    world.until("it runs again", async |world| world.machine.starts("quiet") == 2).await;
    world
        .until("it was counted", async |world| world.hub.reported()["modules"]["quiet"]["restartCount"] == 1)
        .await;
    let answer = world.hub.call("RestartModule", &json!({"schemaVersion": "1.0", "id": "quiet"})).await;
    assert_eq!(answer, (200, Value::Null));
    assert_eq!(world.machine.starts("quiet"), 3);
    world
        .until("it is forgotten", async |world| world.hub.reported()["modules"]["quiet"]["restartCount"] == 0)
        .await;
    for (request, expected) in [
        (json!({"schemaVersion": "1.0", "id": "ghost"}), 500),
        (json!({"schemaVersion": "1.0"}), 400),
        (json!({"schemaVersion": "2.0", "id": "quiet"}), 400),
        (json!({"id": "quiet"}), 400),
        (json!("quiet"), 400),
    ] {
        let (status, body) = world.hub.call("RestartModule", &request).await;
        assert_eq!(status, expected, "{request}");
        assert!(body["message"].is_string(), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn logs_are_chosen_and_put_into_form() {
    let world = with_two().await;
    let text = json!({"contentType": "text"});
    let (status, body) = world.hub.call("GetModuleLogs", &logs("TALK.*", &json!({}), &text)).await;
    let whole = "<6> 2024-05-01 12:00:00.123 +00:00 [INF] - high tide\n\
                 <4> 2024-05-01 12:00:01.000 +00:00 [WRN] - low tide\nplain\n";
    assert_eq!((status, &body), (200, &json!([{"id": "talker", "payloadBytes": null, "payload": whole}])));

    let (_, body) = world.hub.call("GetModuleLogs", &logs("all", &json!({"tail": 1}), &text)).await;
    let payloads: Vec<&str> =
        body.as_array().unwrap().iter().map(|item| item["payload"].as_str().unwrap()).collect();
    assert_eq!(payloads, ["", "plain\n"]);

    let (_, body) =
        world.hub.call("GetModuleLogs", &logs("talker", &json!({"loglevel": 4}), &json!({}))).await;
    let record: Value = serde_json::from_str(body[0]["payload"].as_str().unwrap()).unwrap();
    assert_eq!(
        record,
        json!({
            "iothub": "hub.example.com", "device": "edge-1", "id": "talker", "stream": "stderr", "loglevel": 4,
            "text": "[WRN] - low tide", "timestamp": "2024-05-01T12:00:01.000+00:00"
        })
    );
    let (_, body) = world.hub.call("GetModuleLogs", &logs("talker", &json!({"regex": "hi.h"}), &text)).await;
    assert!(body[0]["payload"].as_str().unwrap().ends_with("high tide\n"), "{body}");
    let (_, body) = world
        .hub
        .call("GetModuleLogs", &logs("talker", &json!({"since": "1h", "until": "30m"}), &text))
        .await;
    assert_eq!(body[0]["payload"], "");

    let gzip = json!({"contentType": "text", "encoding": "gzip"});
    let (_, body) = world.hub.call("GetModuleLogs", &logs("talker", &json!({}), &gzip)).await;
    let bytes = base64::engine::general_purpose::STANDARD.decode(body[0]["payloadBytes"].as_str().unwrap());
    let mut read = String::new();
    flate2::read::GzDecoder::new(bytes.unwrap().as_slice()).read_to_string(&mut read).unwrap();
    assert_eq!((read.as_str(), &body[0]["payload"]), (whole, &Value::Null));

    for (id, filter) in [
        ("(", json!({})),
        ("talker", json!({"tail": -1})),
        ("talker", json!({"since": "yesterday"})),
        ("talker", json!({"loglevel": 8})),
        ("talker", json!({"regex": "["})),
    ] {
        let (status, _) = world.hub.call("GetModuleLogs", &logs(id, &filter, &text)).await;
        assert_eq!(status, 400, "{id} {filter}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_too_long_is_refused_with_advice() {
    let world = with_two().await;
    for _ in 0..200 {
        world.machine.say("talker", Stream::Output, &format!("{}\n", "x".repeat(1000)));
    }
    let (status, body) = world.hub.call("GetModuleLogs", &logs("talker", &json!({}), &json!({}))).await;
    assert_eq!(status, 400);
    assert!(body["message"].as_str().unwrap().contains("tail"), "{body}");
    let (status, _) =
        world.hub.call("GetModuleLogs", &logs("talker", &json!({"tail": 100}), &json!({}))).await;
    assert_eq!(status, 200);
}

#[tokio::test(start_paused = true)]
async fn uploads_go_on_after_the_answer_and_can_be_asked_for() {
    let world = with_two().await;
    let more = json!({"sasUrl": "https://storage/logs?sig=x", "contentType": "text"});
    let (status, body) = world.hub.call("UploadModuleLogs", &logs("talker", &json!({}), &more)).await;
    assert_eq!((status, &body["status"]), (200, &json!("Running")));
    let id = body["correlationId"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 36);
    let ask = json!({"schemaVersion": "1.0", "correlationId": id});
    let (_, body) = world.hub.call("GetTaskStatus", &ask).await;
    assert_eq!(body, json!({"status": "Running", "message": "", "correlationId": id}));
    sleep(Duration::from_secs(5)).await;
    let (_, body) = world.hub.call("GetTaskStatus", &ask).await;
    assert_eq!(body["status"], "Completed");
    let blobs = std::mem::take(&mut *world.cloud.blobs.lock().unwrap());
    let (container, blob) = &blobs[0];
    assert_eq!(container, "https://storage/logs?sig=x");
    assert!(blob.name.starts_with("hub/edge-1/talker-2024-05-01--12-"), "{}", blob.name);
    assert!(blob.name.ends_with(".log") && blob.kind == BlobKind::Append, "{blob:?}");
    assert!(blob.bytes.ends_with(b"plain\n"));

    let bundle =
        json!({"schemaVersion": "1.0", "sasUrl": "https://storage/b?sig=x", "edgeRuntimeOnly": true});
    let (status, _) = world.hub.call("UploadSupportBundle", &bundle).await;
    assert_eq!(status, 200);
    sleep(Duration::from_secs(5)).await;
    let name = world.cloud.blobs.lock().unwrap()[0].1.name.clone();
    assert!(
        name.starts_with("hub/edge-1/support-bundle-2024-05-01--12-") && name.ends_with(".zip"),
        "{name}"
    );

    let (_, body) =
        world.hub.call("GetTaskStatus", &json!({"schemaVersion": "1.0", "correlationId": "x"})).await;
    assert_eq!(body["status"], "Unknown");
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_fails_says_why() {
    let world = with_two().await;
    *world.cloud.is_away.lock().unwrap() = true;
    let more = json!({"sasUrl": "https://storage/logs?sig=x"});
    let (_, body) = world.hub.call("UploadModuleLogs", &logs("talker", &json!({}), &more)).await;
    sleep(Duration::from_secs(5)).await;
    let ask = json!({"schemaVersion": "1.0", "correlationId": body["correlationId"]});
    let (_, body) = world.hub.call("GetTaskStatus", &ask).await;
    assert_eq!((&body["status"], &body["message"]), (&json!("Failed"), &json!("403 from the storage")));
    let (status, _) = world.hub.call("UploadModuleLogs", &logs("talker", &json!({}), &json!({}))).await;
    assert_eq!(status, 400);
}
