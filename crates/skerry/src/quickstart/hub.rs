//! The hub of a quickstart: one like any other, on its own address.

use std::sync::Arc;

use serde_json::{Value, json};
use skerry_edge_agent::report::LastDesired;

use super::addresses::Door;
use super::manifest::{DEVICE, manifest};
use super::place::{Memory, Place};
use crate::args::{RunOptions, Target};
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::hub::{Settings, StoredHub};

pub async fn open(place: &Place, memory: &Memory, door: &Door) -> Result<StoredHub, Failure> {
    let settings = Settings::alone(RunOptions {
        data: Some(place.hub()),
        host_names: vec![memory.host_name.clone()],
        https: Some(door.of_hub(door.https)),
        mqtt: Some(door.of_hub(door.mqtt)),
        amqp: Some(door.of_hub(door.amqp)),
        ..RunOptions::default()
    })?;
    Box::pin(StoredHub::open(&settings)).await
}

/// As every command on this machine finds it.
pub fn target(place: &Place) -> Target {
    Target { data: Some(place.hub()), ..Target::default() }
}

/// The device, and whether it is new.
pub struct Registered {
    pub connection_string: String,
    pub is_new: bool,
}

/// Over REST, as `skerry device create` does.
pub async fn register(client: &mut Client) -> Result<Registered, Failure> {
    let path = format!("/devices/{}", segment(DEVICE));
    let (device, is_new) = match client.get(&path).await {
        Ok(found) => (found.body, false),
        Err(Failure::NotFound(_)) => {
            let wanted = json!({"deviceId": DEVICE, "capabilities": {"iotEdge": true}});
            (client.call(http::Method::PUT, &path, Some(&wanted), &[]).await?.body, true)
        }
        Err(failure) => return Err(failure),
    };
    let key = device["authentication"]["symmetricKey"]["primaryKey"].as_str().ok_or_else(|| {
        Failure::failed(format!(
            "{DEVICE} has no key any more, and this edge device proves itself by one: `skerry device update {DEVICE} --auth sas`, or begin anew with --reset"
        ))
    })?;
    let key = key.parse().map_err(Failure::failed)?;
    let credential = skerry_tokens::Credential::Key(key);
    let string = skerry_tokens::HubString::for_device(client.host().clone(), DEVICE, credential);
    Ok(Registered { connection_string: string.map_err(Failure::failed)?.reveal(), is_new })
}

/// Sets the modules as `skerry edge set-modules` does, where nobody has set any. Whether it did.
pub async fn deploy(client: &mut Client) -> Result<bool, Failure> {
    let twin = client.get(&format!("/twins/{}/modules/$edgeAgent", segment(DEVICE))).await?.body;
    if twin["properties"]["desired"]["modules"].is_object() {
        return Ok(false);
    }
    let path = format!("/devices/{}/applyConfigurationContent", segment(DEVICE));
    client.call(http::Method::POST, &path, Some(&manifest()), &[]).await?;
    Ok(true)
}

/// What the hub knows of the device: its modules, and what its agent says of the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Name and state of each.
    pub modules: Vec<(String, String)>,
    /// What the agent could not do.
    pub trouble: Option<String>,
}

/// Of a module of which nothing is reported yet.
pub const WAITING: &str = "waiting";

pub async fn look(client: &mut Client) -> Result<State, Failure> {
    let found = crate::commands::module_states(client, DEVICE).await?;
    let modules = found.modules.iter().map(|module| {
        let text = |key: &str| module[key].as_str().map(str::to_owned);
        let name = text("moduleId").unwrap_or_default();
        let state = text("runtimeStatus").map_or_else(
            || WAITING.to_owned(),
            |status| match text("connectionState") {
                Some(connection) => format!("{status}, {}", connection.to_lowercase()),
                None => status,
            },
        );
        (name.trim_start_matches('$').to_owned(), state)
    });
    Ok(State { modules: modules.collect(), trouble: trouble(&found.reported["lastDesiredStatus"]) })
}

/// What the agent could not do. That it went at the end of the last run is none: it runs in this process.
fn trouble(last: &Value) -> Option<String> {
    let (gone, _) = LastDesired::GONE;
    let code = last["code"].as_u64().filter(|code| ![200, u64::from(gone)].contains(code))?;
    Some(format!("{code} {}", last["description"].as_str().unwrap_or_default()))
}

/// Gives what devices send to `heard`, until the connection breaks.
pub async fn listen(client: &mut Client, heard: Arc<dyn Fn(Value) + Send + Sync>) -> Result<(), Failure> {
    let path = format!("/skerry/v1/events?from=now&device={}", segment(DEVICE));
    client.download(&path, &mut Events { heard, begun: Vec::new() }).await
}

/// Takes lines apart as they come.
struct Events {
    heard: Arc<dyn Fn(Value) + Send + Sync>,
    begun: Vec<u8>,
}

impl std::io::Write for Events {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        while let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
            let rest = self.begun.split_off(end + 1);
            let line = std::mem::replace(&mut self.begun, rest);
            // An empty line only says that the hub is there.
            if let Ok(event) = serde_json::from_slice(&line[..end]) {
                (self.heard)(event);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
