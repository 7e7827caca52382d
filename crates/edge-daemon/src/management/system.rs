//! `/systeminfo` and `/systeminfo/resources`.

use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;

use super::{Shared, host};
use crate::api::{Problem, Reply};

impl Shared {
    /// Keys in the original's mixture of spellings; what the machine does not tell is left out.
    pub(super) async fn system_info(&self) -> Result<Reply, Problem> {
        let root = self.system.root.clone();
        let host = spawn_blocking(move || host::facts(&root)).await;
        let mut info: Map<String, Value> =
            host.map_err(|_| Problem::new(500, "the machine cannot be read"))?;
        info.insert("version".to_owned(), self.system.version.clone().into());
        // A daemon without its engine still tells what machine it is on.
        if let Ok(engine) = self.runtime.info().await {
            info.insert("server_version".to_owned(), engine.version.into());
        }
        info.insert(
            "provisioning".to_owned(),
            json!({
                "type": "ProvisioningType",
                "dynamicReprovisioning": false,
                "alwaysReprovisionOnStartup": false,
            }),
        );
        for (key, value) in &self.system.additional {
            info.entry(key.clone()).or_insert_with(|| value.clone());
        }
        Ok(Reply::json(200, &Value::Object(info)))
    }

    pub(super) async fn system_resources(&self) -> Result<Reply, Problem> {
        let root = self.system.root.clone();
        let usage = spawn_blocking(move || host::usage(&root)).await;
        let mut usage: Map<String, Value> =
            usage.map_err(|_| Problem::new(500, "the machine cannot be read"))?;
        let mut stats = Vec::new();
        for container in self.runtime.list().await.unwrap_or_default() {
            if let Ok(one) = self.runtime.stats(&container.name).await {
                stats.push(one);
            }
        }
        usage.insert("docker_stats".to_owned(), Value::Array(stats).to_string().into());
        Ok(Reply::json(200, &Value::Object(usage)))
    }
}
