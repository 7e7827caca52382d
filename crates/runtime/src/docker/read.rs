//! The engine's documents, as far as we look into them.

use serde_json::Value;
use skerry_model::Timestamp;

use crate::{Container, EngineError, EngineInfo, Exit, Health, State};

/// The names in a listing. A container can have more of them, through links; its own has no
/// second slash.
pub(super) fn names(listed: &Value) -> Vec<String> {
    let containers = listed.as_array().into_iter().flatten();
    containers
        .filter_map(|container| {
            let names = container.get("Names")?.as_array()?.iter().filter_map(Value::as_str);
            names.map(|name| name.trim_start_matches('/')).find(|name| !name.contains('/')).map(str::to_owned)
        })
        .collect()
}

pub(super) fn container(document: &Value) -> Result<Container, EngineError> {
    let garbled = |what: &str| EngineError::Garbled { call: "inspect", text: format!("no {what}") };
    let name = text(document, &["Name"]).ok_or_else(|| garbled("Name"))?;
    let state = document.get("State").ok_or_else(|| garbled("State"))?;
    let labels = document.pointer("/Config/Labels").and_then(Value::as_object).into_iter().flatten();
    let finished = moment(state, "FinishedAt");
    let code = state.get("ExitCode").and_then(Value::as_i64);
    let running = state.get("Running").and_then(Value::as_bool).unwrap_or_default();
    Ok(Container {
        name: name.trim_start_matches('/').to_owned(),
        image_id: text(document, &["Image"]).unwrap_or_default().to_owned(),
        labels: labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
        state: text(state, &["Status"]).map_or(State::Unknown, State::parse),
        health: health(state).filter(|_| running),
        started: moment(state, "StartedAt"),
        exit: finished.zip(code).map(|(at, code)| Exit { at, code }),
        reason: reason(state),
        pid: state
            .get("Pid")
            .and_then(Value::as_u64)
            .and_then(|pid| u32::try_from(pid).ok())
            .filter(|pid| *pid > 0),
    })
}

fn health(state: &Value) -> Option<Health> {
    match text(state, &["Health", "Status"])? {
        "starting" => Some(Health::Starting),
        "healthy" => Some(Health::Healthy),
        "unhealthy" => Some(Health::Unhealthy),
        _ => None,
    }
}

fn reason(state: &Value) -> Option<String> {
    if state.get("OOMKilled").and_then(Value::as_bool) == Some(true) {
        return Some("killed, because its memory limit was reached".to_owned());
    }
    text(state, &["Error"]).filter(|text| !text.is_empty()).map(str::to_owned)
}

pub(super) fn processes(top: &Value) -> Result<Vec<u32>, EngineError> {
    let garbled = || EngineError::Garbled { call: "top", text: "no column PID".to_owned() };
    let titles = top.get("Titles").and_then(Value::as_array).ok_or_else(garbled)?;
    let column = titles.iter().position(|title| title == "PID").ok_or_else(garbled)?;
    let rows = top.get("Processes").and_then(Value::as_array).into_iter().flatten();
    Ok(rows.filter_map(|row| row.get(column)?.as_str()?.trim().parse().ok()).collect())
}

pub(super) fn info(document: &Value) -> EngineInfo {
    let text = |key| text(document, &[key]).unwrap_or_default().to_owned();
    let number = |key| document.get(key).and_then(Value::as_u64).unwrap_or_default();
    EngineInfo {
        version: text("ServerVersion"),
        os: text("OSType"),
        architecture: text("Architecture"),
        operating_system: text("OperatingSystem"),
        kernel: text("KernelVersion"),
        cpus: number("NCPU"),
        memory_bytes: number("MemTotal"),
        log_driver: text("LoggingDriver"),
    }
}

fn text<'a>(document: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(document, |value, key| value.get(key))?.as_str()
}

/// The engine writes year 1 for what has not happened.
fn moment(state: &Value, key: &str) -> Option<Timestamp> {
    text(state, &[key])?.parse().ok().filter(|moment: &Timestamp| !moment.is_never())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_is_read() {
        let document = json!({
            "Name": "/sensor", "Image": "sha256:1",
            "Config": {"Labels": {"net.azure-devices.edge.original-image": "sensor:1"}},
            "State": {
                "Status": "exited", "Running": false, "ExitCode": 137, "OOMKilled": true, "Error": "", "Pid": 0,
                "StartedAt": "2024-01-01T00:00:00.123456789Z", "FinishedAt": "2024-01-01T00:00:01Z",
                "Health": {"Status": "unhealthy"}
            }
        });
        let read = container(&document).unwrap();
        assert_eq!((read.name.as_str(), read.image(), read.state), ("sensor", "sensor:1", State::Exited));
        assert_eq!(read.exit, Some(Exit { at: "2024-01-01T00:00:01Z".parse().unwrap(), code: 137 }));
        assert_eq!((read.health, read.pid), (None, None));
        assert!(read.reason.unwrap().contains("memory"));
    }

    #[test]
    fn year_one_is_never() {
        let state = json!({
            "Status": "created", "ExitCode": 0,
            "StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"
        });
        let read = container(&json!({"Name": "/a", "State": state})).unwrap();
        assert_eq!((read.started, read.exit), (None, None));
    }

    #[test]
    fn process_ids_are_found_by_their_title() {
        let top = json!({"Titles": ["UID", "PID", "CMD"], "Processes": [["0", "12", "a"], ["0", "13", "b"]]});
        assert_eq!(processes(&top).unwrap(), [12, 13]);
        assert!(processes(&json!({"Titles": ["X"]})).is_err());
    }
}
