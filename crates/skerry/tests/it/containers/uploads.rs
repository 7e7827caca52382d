//! Logs and bundles that the agent puts into the hub's own storage.

use serde_json::{Value, json};

use super::device::{Bed, DEVICE};

#[test]
fn logs_and_bundles_are_uploaded_to_the_hub() {
    let mut bed = Bed::new();
    bed.configure();
    bed.start_edge();
    let image = bed.publish("sensor:1", "\"/helper\", \"talk\"");
    bed.deploy(&[("sensor", &image)]);
    assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    let address = bed.skerry(&["files", "link", DEVICE, "--minutes", "10"]);
    let address = address.trim();

    let text = json!({"schemaVersion": "1.0", "sasUrl": address, "encoding": "none", "contentType": "text",
                      "items": {"id": "sensor"}});
    assert_eq!(upload(&bed, "UploadModuleLogs", &text), "Completed");
    let zipped = json!({"schemaVersion": "1.0", "sasUrl": address, "encoding": "gzip", "contentType": "json",
                        "items": [{"id": "all"}]});
    assert_eq!(upload(&bed, "UploadModuleLogs", &zipped), "Completed");
    let bundle = json!({"schemaVersion": "1.0", "sasUrl": address, "since": "1h"});
    assert_eq!(upload(&bed, "UploadSupportBundle", &bundle), "Completed");

    let listed = bed.skerry(&["files", "list", "--device", DEVICE, "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let names: Vec<&str> =
        listed.as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    let named = |start: &str, end: &str| {
        let found =
            names.iter().find(|name| name.starts_with(&format!("hub1/gate/{start}")) && name.ends_with(end));
        *found.unwrap_or_else(|| panic!("no {start}…{end} in {names:?}"))
    };
    let get = |name: &str| {
        let to = bed.path("fetched");
        bed.skerry(&["files", "get", DEVICE, name, "--output", to.to_str().unwrap()]);
        std::fs::read(&to).unwrap()
    };
    let log = String::from_utf8(get(named("sensor-", ".log"))).unwrap();
    assert!(log.contains("one\n") && log.contains("two\n"), "{log:?}");
    assert!(get(named("sensor-", ".json.gz")).starts_with(&[0x1f, 0x8b]));
    assert!(get(named("support-bundle-", ".zip")).starts_with(b"PK"));

    // Another device's place, and an address that nobody signed.
    let elsewhere = address.replace("/gate?", "/other?");
    let wrong = json!({"schemaVersion": "1.0", "sasUrl": elsewhere, "items": {"id": "sensor"}});
    let failed = upload(&bed, "UploadModuleLogs", &wrong);
    assert!(failed.starts_with("Failed") && failed.contains("403"), "{failed}");
    assert!(!failed.contains("sig="), "no message repeats the signature: {failed}");
    bed.stop_edge();
    bed.stop_hub();
}

/// Calls the method, and waits until its task has come to an end; `Failed: why` where it did.
#[track_caller]
fn upload(bed: &Bed, method: &str, payload: &Value) -> String {
    let begun = invoke(bed, method, payload);
    let task = begun["correlationId"].as_str().unwrap_or_else(|| panic!("{begun:#}")).to_owned();
    let ask = json!({"schemaVersion": "1.0", "correlationId": task});
    bed.wait("the task comes to an end", |bed| {
        let status = invoke(bed, "GetTaskStatus", &ask);
        match status["status"].as_str().unwrap() {
            "NotStarted" | "Running" => None,
            "Failed" => Some(format!("Failed: {}", status["message"].as_str().unwrap())),
            other => Some(other.to_owned()),
        }
    })
}

fn invoke(bed: &Bed, method: &str, payload: &Value) -> Value {
    let payload = payload.to_string();
    let agent = ["--module", "$edgeAgent", "--payload", &payload, "--json"];
    let said = bed.skerry(&[&["method", "invoke", DEVICE, method], agent.as_slice()].concat());
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["status"], 200, "{said:#}");
    said["payload"].clone()
}
