//! Manifests and what is read of them: `tests/manifests`. A case that is good has `modules`, what is
//! read; a bad one has `code` and `faults`, all of them.

use serde_json::{Value, json};
use skerry_edge_agent::manifest::{Manifest, ManifestError, Module};

use crate::cases::cases;

#[test]
fn manifests_are_read_or_refused() {
    for (name, case) in cases("manifests") {
        let found = match Manifest::parse(case["desired"].as_object().unwrap()) {
            Ok(manifest) => json!({
                "modules": manifest.containers().map(|(n, m)| (n.to_owned(), shown(m))).collect::<serde_json::Map<_, _>>(),
                "credentials": manifest.credentials.iter().map(|(id, c)| format!("{id}: {}@{} {}", c.username, c.address, c.password.reveal())).collect::<Vec<_>>(),
                "agent": manifest.agent.image.as_str(),
                "rollback": manifest.is_rollback_on,
            }),
            Err(error) => {
                let faults = match &error {
                    ManifestError::Invalid { faults } => faults.iter().map(ToString::to_string).collect(),
                    _ => vec![error.to_string()],
                };
                json!({"code": error.code(), "faults": faults})
            }
        };
        assert_eq!(found, case["expected"], "{name}:\n{found:#}");
    }
}

fn shown(module: &Module) -> Value {
    json!({
        "version": module.version,
        "status": module.status.as_str(),
        "restartPolicy": module.restart_policy.as_str(),
        "imagePullPolicy": module.pull_policy.as_str(),
        "startupOrder": module.startup_order,
        "env": module.env,
        "image": module.image.as_str(),
        "options": module.options,
        "digest": module.digest,
        "configuration": module.configuration_id,
    })
}
