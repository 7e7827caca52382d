//! The section itself.

use serde_json::{Map, Value, json};
use skerry_model::Timestamp;
use skerry_runtime::Container;

use super::{Picture, Row};
use crate::manifest::{AGENT, HUB, Manifest, Module, split_chunks};

const SCHEMA_VERSION: &str = "1.0";
/// Longer texts would not fit into a twin.
const TEXT_CHARS_MAX: usize = 1000;

pub fn section(picture: &Picture<'_>) -> Map<String, Value> {
    let mut section = Map::new();
    let mut put = |key: &str, value: Value| section.insert(key.to_owned(), value);
    put("schemaVersion", json!(SCHEMA_VERSION));
    put("version", json!({"version": picture.version, "build": "", "commit": ""}));
    if let Some(last) = picture.last {
        put("lastDesiredVersion", json!(last.version));
        put("lastDesiredStatus", json!({"code": last.code, "description": short(&last.description)}));
    }
    put("runtime", runtime(picture));
    let mut system = Map::new();
    system.insert(AGENT.to_owned(), agent(picture));
    let mut modules = Map::new();
    for (name, row) in &picture.rows {
        let into = if *name == HUB { &mut system } else { &mut modules };
        into.insert((*name).to_owned(), module(row));
    }
    if picture.is_hub_inside {
        system.insert(HUB.to_owned(), hub(picture));
    }
    put("systemModules", Value::Object(system));
    put("modules", Value::Object(modules));
    let own = own(picture);
    if !own.is_empty() {
        put("skerry", Value::Object(own));
    }
    section
}

/// What the original has no place for.
fn own(picture: &Picture<'_>) -> Map<String, Value> {
    let mut own = Map::new();
    if let Some(update) = picture.update {
        let update = json!({"version": update.version, "phase": update.phase, "text": short(&update.text)});
        own.insert("update".to_owned(), update);
    }
    if let Some(clock) = picture.clock {
        own.insert("clock".to_owned(), json!(clock));
    }
    own
}

fn runtime(picture: &Picture<'_>) -> Value {
    let platform = json!({
        "os": picture.platform.os,
        "architecture": picture.platform.architecture,
        "version": picture.platform.version,
    });
    let mut settings = json!({"minDockerVersion": "", "loggingOptions": "", "registryCredentials": {}});
    if let Some(manifest) = picture.manifest {
        settings["minDockerVersion"] = json!(manifest.min_docker_version);
        settings["loggingOptions"] = json!(manifest.logging_options);
        settings["registryCredentials"] = credentials(manifest);
    }
    json!({"type": "docker", "settings": settings, "platform": platform})
}

/// Unlike the original, without the passwords: whoever may read what a device reports need not know
/// them.
fn credentials(manifest: &Manifest) -> Value {
    let each = manifest.credentials.iter().map(|(id, credential)| {
        let shown =
            json!({"address": credential.address, "username": credential.username, "password": "***"});
        (id.clone(), shown)
    });
    Value::Object(each.collect())
}

fn agent(picture: &Picture<'_>) -> Value {
    let mut shown = inside(picture);
    if let Some(manifest) = picture.manifest {
        settings(&mut shown, &manifest.agent, None);
    }
    Value::Object(shown)
}

fn hub(picture: &Picture<'_>) -> Value {
    let mut shown = inside(picture);
    for (key, value) in [("status", "running"), ("restartPolicy", "always"), ("version", "")] {
        shown.insert(key.to_owned(), json!(value));
    }
    shown.insert("restartCount".to_owned(), json!(0));
    shown.insert("lastRestartTimeUtc".to_owned(), moment(None));
    if let Some(hub) = picture.manifest.and_then(|manifest| manifest.hub.as_ref()) {
        settings(&mut shown, hub, None);
        shown.insert("version".to_owned(), json!(hub.version));
    }
    Value::Object(shown)
}

/// What runs in this process, and ends with it.
fn inside(picture: &Picture<'_>) -> Map<String, Value> {
    let shown = json!({
        "type": "docker",
        "exitCode": 0,
        "statusDescription": "running",
        "lastStartTimeUtc": picture.started.to_string(),
        "lastExitTimeUtc": moment(None),
        "runtimeStatus": "running",
    });
    shown.as_object().cloned().unwrap_or_default()
}

fn module(row: &Row<'_>) -> Value {
    let Row { module, container, status, record, trouble } = row;
    let exit = container.and_then(|container| container.exit);
    let description = trouble.map(str::to_owned).or_else(|| container.and_then(|c| c.reason.clone()));
    let mut shown = Map::new();
    let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    put("type", json!("docker"));
    put("version", json!(module.version));
    put("status", json!(module.status.as_str()));
    put("restartPolicy", json!(module.restart_policy.as_str()));
    put("startupOrder", json!(module.startup_order));
    put("exitCode", json!(exit.map_or(0, |exit| exit.code)));
    put("statusDescription", json!(short(description.as_deref().unwrap_or(status.as_str()))));
    put("lastStartTimeUtc", moment(container.and_then(|container| container.started)));
    put("lastExitTimeUtc", moment(exit.map(|exit| exit.at)));
    put("restartCount", json!(record.map_or(0, |record| record.restarts)));
    put("lastRestartTimeUtc", moment(record.and_then(|record| record.last)));
    put("runtimeStatus", json!(status.as_str()));
    settings(&mut shown, module, *container);
    Value::Object(shown)
}

fn settings(shown: &mut Map<String, Value>, module: &Module, container: Option<&Container>) {
    let mut settings = Map::new();
    settings.insert("image".to_owned(), json!(module.image.as_str()));
    if let Some(container) = container {
        settings.insert("imageHash".to_owned(), json!(container.image_id));
    }
    let options = Value::Object(module.options.clone()).to_string();
    let chunks = split_chunks(&options).unwrap_or_default();
    settings.extend(chunks.into_iter().map(|(key, piece)| (key, json!(piece))));
    if let Some(digest) = &module.digest {
        settings.insert("digest".to_owned(), json!(digest));
    }
    shown.insert("settings".to_owned(), Value::Object(settings));
    shown.insert("imagePullPolicy".to_owned(), json!(module.pull_policy.as_str()));
    let env = module.env.iter().map(|(key, value)| (key.clone(), json!({ "value": value })));
    shown.insert("env".to_owned(), Value::Object(env.collect()));
}

fn moment(moment: Option<Timestamp>) -> Value {
    json!(moment.unwrap_or(Timestamp::NEVER).to_string())
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}
