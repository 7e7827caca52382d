//! `/identities`.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use skerry_model::ModuleId;

use super::Shared;
use crate::api::{Call, Problem, Reply};
use crate::cloud::HubModule;
use crate::identities::IdentityError;

/// Who looks after a module's identity, unless the request says otherwise.
const MANAGED_BY: &str = "iotedge";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewIdentity {
    module_id: String,
    #[serde(default)]
    managed_by: Option<String>,
}

impl Shared {
    pub(super) async fn list_identities(&self) -> Result<Reply, Problem> {
        let modules = self.identities.list().await.map_err(failed)?;
        let identities: Vec<Value> = modules.iter().map(identity).collect();
        Ok(Reply::json(200, &json!({ "identities": identities })))
    }

    pub(super) async fn create_identity(&self, call: &Call) -> Result<Reply, Problem> {
        let body: NewIdentity = call.json()?;
        let module = module_id(&body.module_id)?;
        let managed_by = body.managed_by.as_deref().unwrap_or(MANAGED_BY);
        let made = self.identities.create(&module, Some(managed_by)).await.map_err(failed)?;
        Ok(Reply::json(200, &identity(&made)))
    }

    pub(super) async fn update_identity(&self, call: &Call, module: &str) -> Result<Reply, Problem> {
        // Whatever it says, as long as it is JSON.
        call.optional_json::<IgnoredAny>()?;
        let updated = self.identities.update(&module_id(module)?).await.map_err(failed)?;
        Ok(Reply::json(200, &identity(&updated)))
    }

    pub(super) async fn delete_identity(&self, module: &str) -> Result<Reply, Problem> {
        self.identities.delete(&module_id(module)?).await.map_err(failed)?;
        Ok(Reply::empty())
    }
}

fn module_id(text: &str) -> Result<ModuleId, Problem> {
    text.parse().map_err(|_| Problem::parameter("moduleId"))
}

fn identity(module: &HubModule) -> Value {
    json!({
        "moduleId": module.module_id,
        "managedBy": module.managed_by.as_deref().unwrap_or(MANAGED_BY),
        "generationId": module.generation_id,
        "authType": "sas",
    })
}

/// Whatever it was, as the original answers.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn failed(error: IdentityError) -> Problem {
    Problem::of(500, &error)
}
