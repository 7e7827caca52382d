//! The manifest of the device: the sensor, and a route to the hub.

use serde_json::{Value, json};

/// The device.
pub const DEVICE: &str = "edge-1";
/// Its module, and the variable part of nothing else.
pub const SENSOR: &str = "sensor";
/// The image of the module. No registry has it: an engine is given it, and a process is this program.
pub const IMAGE: &str = "skerry/temperature-sensor:quickstart";

pub fn manifest() -> Value {
    let system = |name: &str| json!({"type": "docker", "settings": {"image": name, "createOptions": "{}"}});
    let mut hub = system("skerry");
    (hub["status"], hub["restartPolicy"]) = (json!("running"), json!("always"));
    json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": {
            "schemaVersion": "1.1",
            "runtime": {"type": "docker", "settings": {}},
            "systemModules": {"edgeAgent": system("skerry"), "edgeHub": hub},
            "modules": {SENSOR: {
                "version": "1.0", "type": "docker", "status": "running", "restartPolicy": "always",
                // Nobody has to be asked for it.
                "imagePullPolicy": "never",
                "env": {"MessageDelay": {"value": "00:00:02"}, "MessageCount": {"value": "-1"}},
                "settings": {"image": IMAGE, "createOptions": "{}"},
            }},
        }},
        "$edgeHub": {"properties.desired": {
            "schemaVersion": "1.1",
            "routes": {"upstream": "FROM /messages/* INTO $upstream"},
            "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
        }},
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_that_a_hub_takes() {
        skerry_model::deployment::Content::read(&manifest()).unwrap();
    }
}
