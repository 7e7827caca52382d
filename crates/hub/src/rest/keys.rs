//! `POST /devices/keys/regenerate`.

use serde::Deserialize;
use serde_json::{Value, json};
use skerry_model::limits::BULK_IDENTITIES_MAX;
use skerry_model::{Authentication, DeviceId, ModuleId};

use super::{Problem, Reply, Request};
use crate::Hub;
use crate::registry::{KeyChoice, Record, RegistryError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegenerateDocument {
    policy_key: String,
    devices: Vec<IdentityName>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityName {
    id: String,
    module_id: Option<String>,
}

impl Hub {
    pub(super) async fn regenerate_keys(&self, request: &Request) -> Result<Reply, Problem> {
        let document: RegenerateDocument = request.json()?;
        let choice = KeyChoice::from_wire(&document.policy_key)
            .ok_or_else(|| Problem::argument("policyKey must be primaryKey, secondaryKey, both or swap"))?;
        if document.devices.len() > BULK_IDENTITIES_MAX {
            return Err(Problem::argument(format!(
                "at most {BULK_IDENTITIES_MAX} identities in one request"
            )));
        }
        let (mut rotated, mut errors) = (Vec::new(), Vec::new());
        for name in &document.devices {
            match self.rotate(name, choice).await {
                Ok(record) => rotated.push(keys_json(name, &record)),
                Err(error) => errors.push(json!({
                    "id": name.id,
                    "moduleId": name.module_id,
                    "errorCode": error.code().name(),
                    "errorStatus": error.to_string(),
                })),
            }
        }
        let status = match (rotated.is_empty(), errors.is_empty()) {
            (_, true) => 200,
            (false, false) => 207,
            (true, false) => 400,
        };
        let body = json!({"policyKey": document.policy_key, "rotatedKeys": rotated, "errors": errors});
        Ok(Reply::json(status, &body))
    }

    async fn rotate(&self, name: &IdentityName, choice: KeyChoice) -> Result<Record, RegistryError> {
        let device: DeviceId = name.id.parse()?;
        let module =
            name.module_id.as_deref().filter(|id| !id.is_empty()).map(str::parse::<ModuleId>).transpose()?;
        self.registry.rotate_keys(&device, module.as_ref(), choice).await
    }
}

fn keys_json(name: &IdentityName, record: &Record) -> Value {
    let keys = match &record.identity.authentication {
        Authentication::Sas(keys) => Some(keys),
        _ => None,
    };
    json!({
        "id": name.id,
        "moduleId": name.module_id,
        "primaryKey": keys.map(skerry_model::identity::SymmetricKeys::primary),
        "secondaryKey": keys.map(skerry_model::identity::SymmetricKeys::secondary),
    })
}
