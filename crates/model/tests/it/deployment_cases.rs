//! Runs every case under `tests/deployments`: a new case is a new entry or a new file.
//!
//! A file is an array of cases. A case has a `name`, a `content`, and optionally a `start`: desired properties by
//! module id (or `deviceContent`, `moduleContent`), written at time 0. It expects either `error` (a piece of the
//! message), or `after`: desired properties by the same names, all that the content speaks of; and optionally
//! `versions` (desired) and `metadata` with times written as `t0` (start) and `t1` (the content).

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use skerry_model::Timestamp;
use skerry_model::deployment::Content;
use skerry_model::twin::{Twin, TwinPatch, Write, difference, merge};

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn moments(value: &Value) -> Value {
    let text = value.to_string().replace("2024-01-01T00:00:00Z", "t0").replace("2024-01-02T00:00:00Z", "t1");
    serde_json::from_str(&text).unwrap()
}

/// The content's parts under the names that cases use.
fn parts(content: Content) -> Vec<(String, Vec<Write>)> {
    let modules = content.modules.unwrap_or_default();
    let mut parts: Vec<_> = modules.into_iter().map(|(id, writes)| (id.to_string(), writes)).collect();
    parts.extend(content.device.map(|writes| ("deviceContent".to_owned(), writes)));
    parts.extend(content.module.map(|writes| ("moduleContent".to_owned(), writes)));
    parts
}

fn run(case: &Value) -> Result<Map<String, Value>, String> {
    let (t0, t1): (Timestamp, Timestamp) =
        ("2024-01-01T00:00:00Z".parse().unwrap(), "2024-01-02T00:00:00Z".parse().unwrap());
    let content = Content::read(&case["content"]).map_err(|error| error.to_string())?;
    let mut found = Map::new();
    for (name, writes) in parts(content) {
        let mut twin = Twin::new(t0);
        if let Some(start) = case["start"].get(&name) {
            twin.patch(&TwinPatch { tags: None, desired: Some(object(start)) }, t0).unwrap();
        }
        let before = twin.clone();
        if let Err(error) = twin.write(&writes, t1) {
            assert_eq!(twin, before, "a refused change changes nothing");
            return Err(error.to_string());
        }
        // Who follows the change by its patch has the same.
        let (was, is) = (before.desired.properties(), twin.desired.properties());
        let mut merged = was.clone();
        merge(&mut merged, &difference(was, is));
        assert_eq!(&merged, is, "{}", case["name"]);
        let facts = json!({
            "after": is, "versions": twin.desired.version(), "metadata": moments(&twin.desired.stamps().render()),
        });
        found.insert(name, facts);
    }
    Ok(found)
}

fn check(case: &Value) -> Result<(), String> {
    let found = match (run(case), case["error"].as_str()) {
        (Err(found), Some(wanted)) if found.contains(wanted) => return Ok(()),
        (Err(found), wanted) => return Err(format!("error {found:?}, wanted {wanted:?}")),
        (Ok(_), Some(wanted)) => return Err(format!("accepted, wanted the error {wanted:?}")),
        (Ok(found), None) => found,
    };
    let names = |object: &Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
    if names(&found) != names(&object(&case["after"])) {
        return Err(format!("it speaks of {:?}", names(&found)));
    }
    for fact in ["after", "versions", "metadata"] {
        for (name, wanted) in object(&case[fact]) {
            if found[&name][fact] != wanted {
                return Err(format!("{fact} of {name} is {}, wanted {wanted}", found[&name][fact]));
            }
        }
    }
    Ok(())
}

#[test]
fn every_case_of_the_data_folder_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deployments");
    let (mut failures, mut count) = (Vec::new(), 0);
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

#[test]
fn a_device_has_fifty_modules_at_most() {
    let content = |modules: usize| {
        let modules: Map<String, Value> = (0..modules).map(|n| (format!("m{n}"), json!({}))).collect();
        Content::read(&json!({"modulesContent": modules}))
    };
    assert_eq!(content(50).unwrap().modules.unwrap().len(), 50);
    assert!(content(51).unwrap_err().to_string().contains("names 51 modules"));
}
