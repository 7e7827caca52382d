//! Identities of modules in the hub: made, changed, listed and deleted with the device's own credential.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use skerry_model::{DeviceId, ModuleId, Random};

use super::{Clocks, CloudError, CloudRequest, CloudResponse, Proof, Transport, send_with_retries};

/// What the original's daemon asks with.
const API_VERSION: &str = "2017-11-08-preview";
/// Characters that stay as they are in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'$');
/// Of what a hub says when it refuses.
const REFUSAL_CHARS_MAX: usize = 500;

pub struct CloudOptions {
    pub device: DeviceId,
    pub transport: Arc<dyn Transport>,
    pub proof: Proof,
    pub retries: u32,
    pub clocks: Arc<Clocks>,
    pub random: Arc<dyn Random>,
}

/// A module as the hub knows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HubModule {
    pub module_id: ModuleId,
    pub generation_id: String,
    #[serde(default)]
    pub managed_by: Option<String>,
}

/// The hub's registry, as far as a device may use it.
pub struct Cloud {
    options: CloudOptions,
}

impl Cloud {
    pub fn new(options: CloudOptions) -> Self {
        Self { options }
    }

    pub async fn list(&self) -> Result<Vec<HubModule>, CloudError> {
        read(&self.call(Method::GET, None, false, Bytes::new()).await?)
    }

    pub async fn get(&self, module: &ModuleId) -> Result<HubModule, CloudError> {
        read(&self.call(Method::GET, Some(module), false, Bytes::new()).await?)
    }

    /// A new identity without keys; the hub gives the generation from which the keys are derived.
    pub async fn create(&self, module: &ModuleId, managed_by: Option<&str>) -> Result<HubModule, CloudError> {
        read(&self.put(module, managed_by, false, None).await?)
    }

    /// Gives an identity that is there its keys.
    pub async fn set_keys(
        &self,
        module: &ModuleId,
        managed_by: Option<&str>,
        [primary, secondary]: [&[u8; 32]; 2],
    ) -> Result<HubModule, CloudError> {
        let authentication = json!({
            "type": "sas",
            "symmetricKey": {
                "primaryKey": STANDARD.encode(primary),
                "secondaryKey": STANDARD.encode(secondary),
            },
        });
        read(&self.put(module, managed_by, true, Some(authentication)).await?)
    }

    /// Deleting what is not there is done.
    pub async fn delete(&self, module: &ModuleId) -> Result<(), CloudError> {
        match self.call(Method::DELETE, Some(module), true, Bytes::new()).await {
            Ok(_) | Err(CloudError::Refused { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn put(
        &self,
        module: &ModuleId,
        managed_by: Option<&str>,
        replaces: bool,
        authentication: Option<Value>,
    ) -> Result<CloudResponse, CloudError> {
        let mut body = json!({ "deviceId": self.options.device, "moduleId": module });
        if let Some(managed_by) = managed_by {
            body["managedBy"] = managed_by.into();
        }
        if let Some(authentication) = authentication {
            body["authentication"] = authentication;
        }
        self.call(Method::PUT, Some(module), replaces, body.to_string().into()).await
    }

    async fn call(
        &self,
        method: Method,
        module: Option<&ModuleId>,
        replaces: bool,
        body: Bytes,
    ) -> Result<CloudResponse, CloudError> {
        let segment = |id: &str| utf8_percent_encode(id, SEGMENT).to_string();
        let mut path = format!("/devices/{}/modules", segment(self.options.device.as_str()));
        if let Some(module) = module {
            path.push('/');
            path.push_str(&segment(module.as_str()));
        }
        path.push_str("?api-version=");
        path.push_str(API_VERSION);
        let request = CloudRequest { method, path, replaces, body };
        let CloudOptions { transport, proof, retries, clocks, random, .. } = &self.options;
        let response = send_with_retries(&**transport, &request, proof, *retries, &**random).await?;
        if let Some(date) = response.date {
            clocks.note(date);
        }
        if response.status.is_success() {
            return Ok(response);
        }
        Err(CloudError::Refused { status: response.status.as_u16(), text: explain(&response.body) })
    }
}

fn read<T: for<'de> Deserialize<'de>>(response: &CloudResponse) -> Result<T, CloudError> {
    serde_json::from_slice(&response.body)
        .map_err(|_| CloudError::Answer { what: "it is not the JSON of a module" })
}

/// The sentence in an error body, whichever of a hub's forms it has.
fn explain(body: &[u8]) -> String {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = json["Message"]
        .as_str()
        .or(json["message"].as_str())
        .map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned);
    let text = match text.strip_prefix("ErrorCode:").and_then(|rest| rest.split_once(';')) {
        Some((name, text)) => format!("{text} ({name})"),
        None => text,
    };
    text.chars().take(REFUSAL_CHARS_MAX).collect()
}
