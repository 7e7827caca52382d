//! `POST /twins/{id}/methods`: a direct method of a device or module.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use skerry_model::{DeviceId, ModuleId};

use super::{Problem, Reply, Request};
use crate::Hub;
use crate::devices::{Answered, Invocation, InvokeError, RESPONSE_SECONDS_DEFAULT};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    method_name: String,
    /// As it came, so that the device gets the numbers that were sent.
    #[serde(default)]
    payload: Option<Box<RawValue>>,
    #[serde(default)]
    response_timeout_in_seconds: Option<u64>,
    #[serde(default)]
    connect_timeout_in_seconds: Option<u64>,
}

impl Hub {
    pub(super) async fn invoke(
        &self,
        request: &Request,
        device: &str,
        module: Option<&str>,
    ) -> Result<Reply, Problem> {
        let device = device.parse::<DeviceId>()?;
        let module = module.map(str::parse::<ModuleId>).transpose()?;
        let asked: Asked = request.json()?;
        let payload = asked
            .payload
            .map_or(Bytes::from_static(b"null"), |payload| Bytes::copy_from_slice(payload.get().as_bytes()));
        let response = asked.response_timeout_in_seconds.unwrap_or(RESPONSE_SECONDS_DEFAULT);
        let invocation = Invocation {
            method: asked.method_name,
            payload,
            connect_within: Duration::from_secs(asked.connect_timeout_in_seconds.unwrap_or(0)),
            answer_within: Duration::from_secs(response),
        };
        Ok(reply(&self.devices.invoke(&device, module.as_ref(), invocation).await?))
    }
}

fn reply(answered: &Answered) -> Reply {
    let payload = match answered.payload.as_ref() {
        [] => "null".to_owned(),
        // A device that answers with something else than JSON is quoted.
        bytes => match serde_json::from_slice::<&RawValue>(bytes) {
            Ok(raw) => raw.get().to_owned(),
            Err(_) => Value::from(String::from_utf8_lossy(bytes)).to_string(),
        },
    };
    let body = format!(r#"{{"status":{},"payload":{payload}}}"#, answered.status);
    Reply::json_text(200, body)
}

impl From<InvokeError> for Problem {
    fn from(error: InvokeError) -> Self {
        Self::new(error.code(), error.to_string()).in_numbers()
    }
}
