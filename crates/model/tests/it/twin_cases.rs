//! Runs every case under `tests/twins`: a new case is a new entry or a new file.
//!
//! A file is an array of cases. A case has a `name`, a `start` (tags, desired, reported: patched
//! into a fresh twin at time 0), an `op` (`patch`, `replace` or `report`) with its `with`, and
//! either `error` (a piece of the message) or any of the expectations `tags`, `desired`,
//! `reported` (properties alone), `versions` ([twin, desired, reported]), `etag`, and
//! `desired_metadata` or `reported_metadata` with times written as `t0` (start) and `t1` (the op).

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use skerry_model::Timestamp;
use skerry_model::twin::{Packed, Twin, TwinDocument, TwinPatch};

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn moments(text: &str) -> String {
    text.replace("2024-01-01T00:00:00Z", "t0").replace("2024-01-02T00:00:00Z", "t1")
}

fn start(case: &Value) -> Twin {
    let t0 = "2024-01-01T00:00:00Z".parse::<Timestamp>().unwrap();
    let mut twin = Twin::new(t0);
    let start = &case["start"];
    let section = |name: &str| start.get(name).map(object);
    let patch = TwinPatch { tags: section("tags"), desired: section("desired") };
    if !patch.is_empty() {
        twin.patch(&patch, t0).expect("the start of a case is acceptable");
    }
    if let Some(reported) = section("reported") {
        twin.report(&reported, t0).expect("the start of a case is acceptable");
    }
    twin
}

fn run(case: &Value) -> Result<Twin, String> {
    let mut twin = start(case);
    let t1 = "2024-01-02T00:00:00Z".parse::<Timestamp>().unwrap();
    let with = &case["with"];
    let before = twin.clone();
    let outcome = match case["op"].as_str() {
        Some("patch") => TwinDocument::read(with).and_then(|patch| twin.patch(&patch, t1)),
        Some("replace") => TwinDocument::read(with).and_then(|patch| twin.replace(&patch, t1)),
        Some("report") => twin.report(&object(with), t1),
        other => return Err(format!("unknown op {other:?}")),
    };
    match outcome {
        Ok(()) => Ok(twin),
        Err(error) => {
            assert_eq!(twin, before, "a refused change changes nothing");
            Err(error.to_string())
        }
    }
}

fn check(case: &Value) -> Result<(), String> {
    let twin = match (run(case), case["error"].as_str()) {
        (Err(found), Some(wanted)) if found.contains(wanted) => return Ok(()),
        (Err(found), wanted) => return Err(format!("error {found:?}, wanted {wanted:?}")),
        (Ok(_), Some(wanted)) => return Err(format!("accepted, wanted the error {wanted:?}")),
        (Ok(twin), None) => twin,
    };
    let packed = Packed::pack(&twin);
    let (tags, desired) = (twin.tags.clone(), twin.desired.properties().clone());
    let unpacked = Packed::unpack(&packed, tags, desired, twin.reported.properties().clone());
    if unpacked.as_ref() != Ok(&twin) {
        return Err(format!("packing changed it to {unpacked:?}"));
    }
    let found = |name: &str| -> Value {
        match name {
            "tags" => Value::Object(twin.tags.clone()),
            "desired" => Value::Object(twin.desired.properties().clone()),
            "reported" => Value::Object(twin.reported.properties().clone()),
            "versions" => serde_json::json!([twin.version, twin.desired.version(), twin.reported.version()]),
            "etag" => twin.etag_text().into(),
            "desired_metadata" => {
                serde_json::from_str(&moments(&twin.desired.stamps().render().to_string())).unwrap()
            }
            "reported_metadata" => {
                serde_json::from_str(&moments(&twin.reported.stamps().render().to_string())).unwrap()
            }
            _ => Value::Null,
        }
    };
    for (name, wanted) in case.as_object().unwrap() {
        if matches!(name.as_str(), "name" | "start" | "op" | "with") {
            continue;
        }
        if &found(name) != wanted {
            return Err(format!("{name} is {}, wanted {wanted}", found(name)));
        }
    }
    Ok(())
}

#[test]
fn every_case_of_the_data_folder_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/twins");
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let cases: Vec<Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for case in &cases {
            count += 1;
            if let Err(what) = check(case) {
                failures.push(format!("{}: {}: {what}", path.display(), case["name"]));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} cases fail:\n{}", failures.len(), failures.join("\n"));
    assert!(count >= 30, "only {count} cases were found");
}
