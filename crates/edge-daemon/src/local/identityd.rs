//! The identity service.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use skerry_keys::IDENTITY_MASTER_KEY;
use skerry_model::ModuleId;
use tokio::sync::mpsc;

use super::handles::{Handles, Key};
use super::{blocking, check_local};
use crate::api::{Api, Call, IDENTITY_VERSIONS, Problem, Reply, Versions};
use crate::caller::Callers;
use crate::cloud::{CloudError, DEVICE_KEY, HubModule};
use crate::identities::{Identities, IdentityError};
use crate::management::Request;

pub(crate) struct IdentityService {
    pub(crate) identities: Arc<Identities>,
    pub(crate) callers: Callers,
    pub(crate) handles: Arc<Handles>,
    pub(crate) requests: mpsc::Sender<Request>,
}

impl Api for IdentityService {
    fn versions(&self) -> Versions {
        IDENTITY_VERSIONS
    }

    fn answer<'a>(
        &'a self,
        call: &'a Call,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send + 'a>> {
        Box::pin(self.route(call))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    module_id: Option<String>,
}

impl IdentityService {
    async fn route(&self, call: &Call) -> Result<Reply, Problem> {
        let words: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        let is = |method: Method| call.method == method;
        match words.as_slice() {
            ["identities", "provisioning"] if is(Method::GET) => {
                call.since("2021-12-01")?;
                let auth = if self.identities.device().is_x509 { "x509" } else { "sas" };
                Ok(Reply::json(200, &json!({ "source": "manual", "auth": auth })))
            }
            ["trust-bundle"] if is(Method::GET) => Ok(Reply::json(200, &json!({ "certificate": "" }))),
            ["identities", "identity"] if is(Method::GET) => {
                check_local(&self.callers, call)?;
                Err(Problem::new(400, "no identity is declared for this user"))
            }
            ["identities", "device"] if is(Method::POST) => {
                check_local(&self.callers, call)?;
                aziot(&call.json::<Wanted>()?.kind)?;
                Ok(Reply::json(200, &self.device().await?))
            }
            ["identities", "device", "reprovision"] if is(Method::POST) => {
                check_local(&self.callers, call)?;
                aziot(&call.json::<Wanted>()?.kind)?;
                // One that waits already is enough.
                let _ = self.requests.try_send(Request::Reprovision);
                Ok(Reply::empty())
            }
            ["identities", "modules"] if is(Method::GET) => {
                check_local(&self.callers, call)?;
                aziot(call.query("type").unwrap_or("aziot"))?;
                let mut identities = Vec::new();
                for module in self.identities.list().await.map_err(failed)? {
                    identities.push(self.module(&module).await?);
                }
                Ok(Reply::json(200, &json!({ "identities": identities })))
            }
            ["identities", "modules"] if is(Method::POST) => {
                check_local(&self.callers, call)?;
                let wanted: Wanted = call.json()?;
                aziot(&wanted.kind)?;
                let module = module_id(&wanted.module_id.unwrap_or_default())?;
                let made = self.identities.create(&module, None).await.map_err(failed)?;
                Ok(Reply::json(200, &self.module(&made).await?))
            }
            ["identities", "modules", module] => {
                check_local(&self.callers, call)?;
                aziot(call.query("type").unwrap_or("aziot"))?;
                let module = module_id(module)?;
                match call.method {
                    Method::GET => {
                        let found = self.identities.get(&module).await.map_err(failed)?;
                        Ok(Reply::json(200, &self.module(&found).await?))
                    }
                    Method::PUT => {
                        let updated = self.identities.update(&module).await.map_err(failed)?;
                        Ok(Reply::json(200, &self.module(&updated).await?))
                    }
                    Method::DELETE => {
                        self.identities.delete(&module).await.map_err(failed)?;
                        Ok(Reply::empty())
                    }
                    _ => Err(Problem::method()),
                }
            }
            ["identities", "provisioning" | "identity" | "device" | "modules"]
            | ["identities", "device", "reprovision"]
            | ["trust-bundle"] => Err(Problem::method()),
            _ => Err(Problem::not_found()),
        }
    }

    async fn device(&self) -> Result<Value, Problem> {
        let device = self.identities.device();
        let auth = if device.is_x509 {
            let handle = self.handle(Key::Pair(DEVICE_KEY.to_owned())).await?;
            json!({ "type": "x509", "keyHandle": handle, "certId": DEVICE_KEY })
        } else {
            json!({ "type": "sas", "keyHandle": self.handle(Key::Symmetric(DEVICE_KEY.to_owned())).await? })
        };
        Ok(json!({ "type": "aziot", "spec": {
            "hubName": device.hub.name(),
            "gatewayHost": device.gateway.name(),
            "deviceId": device.id,
            "auth": auth,
        }}))
    }

    async fn module(&self, module: &HubModule) -> Result<Value, Problem> {
        let device = self.identities.device();
        let data = format!("{}:{}:primary", module.module_id, module.generation_id);
        let key = Key::Derived(IDENTITY_MASTER_KEY.to_owned(), STANDARD.encode(data));
        Ok(json!({ "type": "aziot", "spec": {
            "hubName": device.hub.name(),
            "gatewayHost": device.gateway.name(),
            "deviceId": device.id,
            "moduleId": module.module_id,
            "genId": module.generation_id,
            "auth": { "type": "sas", "keyHandle": self.handle(key).await? },
        }}))
    }

    async fn handle(&self, key: Key) -> Result<String, Problem> {
        let handles = Arc::clone(&self.handles);
        blocking(move || handles.give(key).map_err(|error| Problem::of(404, &error))).await
    }
}

/// Identities of the hub; local ones need an authority that issues them.
fn aziot(kind: &str) -> Result<(), Problem> {
    if kind == "aziot" { Ok(()) } else { Err(Problem::parameter("type")) }
}

fn module_id(text: &str) -> Result<ModuleId, Problem> {
    text.parse().map_err(|_| Problem::parameter("moduleId"))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn failed(error: IdentityError) -> Problem {
    match &error {
        IdentityError::Cloud(CloudError::Refused { status: 404, .. }) => Problem::of(400, &error),
        IdentityError::Cloud(_) | IdentityError::Key(_) => Problem::of(404, &error),
        _ => Problem::new(500, "internal error"),
    }
}
