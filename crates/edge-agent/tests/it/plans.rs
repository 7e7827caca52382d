//! Plans: `tests/plans`. `current` says how each container is, and with `is` whether it was made from
//! what is desired now; `desired` are modules as in a manifest, and their images may be left out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use skerry_edge_agent::manifest::Manifest;
use skerry_edge_agent::plan::{History, Limits, Seen, Situation, Wanted, plan};
use skerry_model::Timestamp;
use skerry_runtime::{Exit, Health, Status};

use crate::cases::cases;

#[test]
fn plans_are_as_expected() {
    for (name, case) in cases("plans") {
        let desired = desired(&case["desired"]);
        let current = current(&case["current"]);
        let history = match &case["history"] {
            Value::Null => History::default(),
            history => History::parse(history.to_string().as_bytes()).unwrap(),
        };
        let mut limits = Limits::default();
        if case["unlimited"] == true {
            limits.restarts_max = None;
        }
        let now = moment(&case["now"]).unwrap();
        let situation =
            Situation { current: &current, desired: &desired, history: &history, limits: &limits, now };
        let made = plan(&situation);
        let texts = |steps: &[skerry_edge_agent::plan::Step]| -> Value {
            steps.iter().map(ToString::to_string).collect()
        };
        let mut found = json!({"update": texts(&made.update), "care": texts(&made.care)});
        found["statuses"] =
            made.statuses.iter().map(|(name, status)| (name.clone(), json!(status.as_str()))).collect();
        if let Some(wake) = made.wake {
            found["wake"] = json!(wake.to_string());
        }
        assert_eq!(found, case["plan"], "{name}:\n{found:#}");
    }
}

fn desired(modules: &Value) -> BTreeMap<String, Wanted> {
    let mut modules = modules.as_object().unwrap().clone();
    for module in modules.values_mut() {
        let module = module.as_object_mut().unwrap();
        module.entry("type").or_insert(json!("docker"));
        module.entry("status").or_insert(json!("running"));
        module.entry("settings").or_insert(json!({"image": "a:1"}));
    }
    let agent = json!({"type": "docker", "settings": {"image": "agent:1"}});
    let section = json!({
        "schemaVersion": "1.1", "runtime": {"type": "docker"},
        "systemModules": {"edgeAgent": agent}, "modules": modules
    });
    let manifest = Manifest::parse(section.as_object().unwrap()).unwrap();
    let wanted = manifest.containers().map(|(name, module)| {
        let wanted = Wanted {
            status: module.status,
            policy: module.restart_policy,
            pull: module.pull_policy,
            order: module.startup_order,
            fingerprint: "desired".to_owned(),
        };
        (name.to_owned(), wanted)
    });
    wanted.collect()
}

fn current(containers: &Value) -> BTreeMap<String, Seen> {
    let empty = Map::new();
    let containers = containers.as_object().unwrap_or(&empty);
    let seen = containers.iter().map(|(name, container)| {
        let status = match container["status"].as_str().unwrap() {
            "running" => Status::Running,
            "stopped" => Status::Stopped,
            "failed" => Status::Failed,
            "dead" => Status::Dead,
            _ => Status::Unknown,
        };
        let health = container["health"].as_str().map(|health| match health {
            "healthy" => Health::Healthy,
            "starting" => Health::Starting,
            _ => Health::Unhealthy,
        });
        let exit =
            moment(&container["ended"]).map(|at| Exit { at, code: i64::from(status == Status::Failed) });
        let fingerprint = container["is"].as_str().unwrap_or("desired");
        let fingerprint = (fingerprint != "foreign").then(|| fingerprint.to_owned());
        (name.clone(), Seen { status, health, fingerprint, started: moment(&container["started"]), exit })
    });
    seen.collect()
}

/// `12:00:05` of one day.
fn moment(value: &Value) -> Option<Timestamp> {
    Some(format!("2024-05-01T{}Z", value.as_str()?).parse().unwrap())
}
