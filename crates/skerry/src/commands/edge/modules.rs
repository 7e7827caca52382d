//! The modules of one edge device: set as a manifest says, and shown.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use skerry_model::deployment::Content;
use skerry_model::twin::{Twin, TwinDocument, Write};
use skerry_model::{EDGE_AGENT, EDGE_HUB, Timestamp};

use super::super::identity::path;
use super::super::twin::{parse, read};
use super::changes::{self, Change};
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;

/// A manifest, bare or as tools wrap it.
pub(super) fn read_content(file: &Path) -> Result<Value, Failure> {
    let mut document = parse(&file.display().to_string(), &read(file)?)?;
    match document.get_mut("content").map(Value::take) {
        Some(content) if content.is_object() => Ok(content),
        _ => Ok(document),
    }
}

pub(super) async fn set(
    client: &mut Client,
    device: &str,
    document: &Value,
    dry_run: bool,
    as_json: bool,
) -> Result<(), Failure> {
    let content = Content::read(document).map_err(Failure::usage)?;
    if dry_run {
        check_edge(client, device).await?;
        return changes::print(&planned(client, device, &content).await?, as_json);
    }
    let path = format!("{}/applyConfigurationContent", path(device, None));
    client.call(Method::POST, &path, Some(document), &[]).await?;
    eprintln!("Set the modules of {device}.");
    show(client, device, as_json).await
}

async fn planned(client: &mut Client, device: &str, content: &Content) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    for (module, writes) in content.modules.iter().flatten() {
        let path = format!("/twins/{}/modules/{}", segment(device), segment(module.as_str()));
        let twin = match client.get(&path).await {
            Ok(found) => found.body,
            Err(Failure::NotFound(_)) => {
                changes.push(Change::made(module.as_str()));
                json!({})
            }
            Err(failure) => return Err(failure),
        };
        changes.extend(of_twin(module.as_str(), &twin, writes)?);
    }
    if let Some(writes) = &content.device {
        let twin = client.get(&format!("/twins/{}", segment(device))).await?.body;
        changes.extend(of_twin(device, &twin, writes)?);
    }
    Ok(changes)
}

/// The hub does the same with the same code.
fn of_twin(of: &str, twin: &Value, writes: &[Write]) -> Result<Vec<Change>, Failure> {
    let failed = |error| Failure::failed(format!("{of}: {error}"));
    let mut before = Twin::new(Timestamp::NEVER);
    before.replace(&TwinDocument::read(twin).map_err(failed)?, Timestamp::NEVER).map_err(failed)?;
    let mut after = before.clone();
    after.write(writes, Timestamp::NEVER).map_err(failed)?;
    Ok(Change::between(of, before.desired.properties(), after.desired.properties()))
}

/// How it stands with the modules of a device.
pub struct States {
    pub modules: Vec<Value>,
    /// Of the agent.
    pub desired: Value,
    pub reported: Value,
}

pub async fn states(client: &mut Client, device: &str) -> Result<States, Failure> {
    let identities = client.get(&format!("{}/modules", path(device, None))).await?.body;
    let twin = format!("/twins/{}/modules/{EDGE_AGENT}", segment(device));
    let mut agent = client.get(&twin).await?.body;
    let [desired, reported] = ["desired", "reported"].map(|section| agent["properties"][section].take());
    Ok(States { modules: modules(&identities, &desired, &reported), desired, reported })
}

pub(super) async fn show(client: &mut Client, device: &str, as_json: bool) -> Result<(), Failure> {
    check_edge(client, device).await?;
    let States { modules, desired, reported } = states(client, device).await?;
    if as_json {
        return output::json(&json!({
            "desiredVersion": desired["$version"],
            "lastDesiredVersion": reported["lastDesiredVersion"],
            "lastDesiredStatus": reported["lastDesiredStatus"],
            "modules": modules,
        }));
    }
    let names = ["moduleId", "image", "status", "runtimeStatus", "connectionState"];
    let row = |module: &Value| names.iter().map(|name| output::cell(&module[*name])).collect();
    let rows: Vec<Vec<String>> = modules.iter().map(row).collect();
    output::table(&["module", "image", "wanted", "reported", "connection"], &rows)?;
    match &reported["lastDesiredVersion"] {
        Value::Null => eprintln!("Desired version {}; the agent has reported none yet.", desired["$version"]),
        version => eprintln!(
            "Desired version {}; the agent reports version {version} with {} {}.",
            desired["$version"],
            output::cell(&reported["lastDesiredStatus"]["code"]),
            output::cell(&reported["lastDesiredStatus"]["description"]),
        ),
    }
    Ok(())
}

/// Everything that is registered, or wanted on the device.
fn modules(identities: &Value, desired: &Value, reported: &Value) -> Vec<Value> {
    let registered: Vec<&Value> = identities.as_array().into_iter().flatten().collect();
    let is_registered = |name: &str| registered.iter().any(|one| one["moduleId"] == name);
    let wanted = desired["modules"].as_object().into_iter().flat_map(|modules| modules.keys());
    let more: Vec<Value> =
        wanted.filter(|name| !is_registered(name)).map(|name| json!({"moduleId": name})).collect();
    let all = registered.iter().copied().chain(&more);
    all.map(|identity| {
        let name = identity["moduleId"].as_str().unwrap_or_default();
        let (group, key) = match name {
            EDGE_AGENT => ("systemModules", "edgeAgent"),
            EDGE_HUB => ("systemModules", "edgeHub"),
            name => ("modules", name),
        };
        let (wanted, found) = (&desired[group][key], &reported[group][key]);
        json!({
            "moduleId": name,
            "managedBy": identity["managedBy"],
            "image": wanted["settings"]["image"],
            "status": wanted["status"],
            "runtimeStatus": found["runtimeStatus"],
            "connectionState": identity["connectionState"],
        })
    })
    .collect()
}

async fn check_edge(client: &mut Client, device: &str) -> Result<(), Failure> {
    let document = client.get(&path(device, None)).await?.body;
    if document["capabilities"]["iotEdge"] == true {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{device} is not an edge device, make it one with `skerry device update {device} --edge`"
    )))
}
