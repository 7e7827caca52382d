//! `POST /skerry/v1/faults`: breaks the connections of an identity as a test wants it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use skerry_model::{DeviceId, ErrorCode, ModuleId};

use super::{Problem, Reply, Request};
use crate::Hub;
use crate::devices::{FaultError, FaultRequest};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FaultDocument {
    device_id: String,
    module_id: Option<String>,
    /// By the word that the vendors' test suites have for it.
    operation_type: String,
    #[serde(default)]
    delay_seconds: u64,
    #[serde(default)]
    duration_seconds: u64,
    /// Of messages that are held back.
    #[serde(default)]
    hold_milliseconds: u64,
}

/// No test suite has a word for messages that wait.
const HOLD: &str = "HoldMessages";

impl Hub {
    pub(super) async fn ask_for_fault(&self, request: &Request) -> Result<Reply, Problem> {
        let document: FaultDocument = request.json()?;
        let device: DeviceId = document.device_id.parse()?;
        let module: Option<ModuleId> = document.module_id.as_deref().map(str::parse).transpose()?;
        // A name that is not there is a typing mistake, not a fault that happens to nobody.
        match &module {
            Some(module) => self.registry.get_module(&device, module).await?,
            None => self.registry.get_device(&device).await?,
        };
        let lasts = Duration::from_secs(document.duration_seconds);
        if document.operation_type == HOLD {
            if document.delay_seconds != 0 {
                return Err(Problem::argument("HoldMessages begins at once, leave out delaySeconds"));
            }
            let by = Duration::from_millis(document.hold_milliseconds);
            self.devices.hold_messages(&device, module.as_ref(), by, lasts)?;
            return Ok(Reply::json(200, &json!({})));
        }
        let request = FaultRequest {
            word: &document.operation_type,
            delay: Duration::from_secs(document.delay_seconds),
            lasts,
        };
        let connections = self.devices.ask_for_fault(&device, module.as_ref(), request)?;
        Ok(Reply::json(200, &json!({"connections": connections})))
    }
}

impl From<FaultError> for Problem {
    fn from(error: FaultError) -> Self {
        let code = match error {
            FaultError::Off => ErrorCode::InvalidOperation,
            FaultError::Unknown { .. } => ErrorCode::ArgumentInvalid,
            FaultError::TooMany => ErrorCode::ThrottlingException,
        };
        Self::new(code, error.to_string())
    }
}
