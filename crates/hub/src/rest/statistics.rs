//! `/statistics/devices` and `/statistics/service`.

use serde_json::json;

use super::{Problem, Reply};
use crate::Hub;

impl Hub {
    pub(super) async fn show_statistics(&self, which: &str) -> Result<Reply, Problem> {
        if which == "service" {
            return Ok(Reply::json(200, &json!({"connectedDeviceCount": self.registry.connected_count()})));
        }
        let counts = self.registry.device_statistics().await?;
        let body = json!({
            "totalDeviceCount": counts.total,
            "enabledDeviceCount": counts.enabled,
            "disabledDeviceCount": counts.disabled,
        });
        Ok(Reply::json(200, &body))
    }
}
