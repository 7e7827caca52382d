//! `POST /twins/{device}/methods`, `…/modules/{module}/methods`: a method of somebody at this edge.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use skerry_front::Response;
use skerry_front::device::{CallReply, WantedCall};
use skerry_model::IdentityId;
use skerry_model::limits::{METHOD_NAME_CHARS_MAX, METHOD_PAYLOAD_BYTES_MAX};

use super::{Problem, text};
use crate::service::Shared;

const RESPONSE_SECONDS_DEFAULT: u64 = 30;
const RESPONSE_SECONDS: std::ops::RangeInclusive<u64> = 5..=300;
const CONNECT_SECONDS_MAX: u64 = 300;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    method_name: String,
    /// As it came, so that the client gets the numbers that were sent.
    #[serde(default)]
    payload: Option<Box<RawValue>>,
    #[serde(default)]
    response_timeout_in_seconds: Option<u64>,
    #[serde(default)]
    connect_timeout_in_seconds: Option<u64>,
}

impl Shared {
    pub(super) async fn invoke_method(
        &self,
        head: &Parts,
        body: Bytes,
        device: &str,
        module: Option<&str>,
    ) -> Result<Response, Problem> {
        let from = self.caller(head).await?;
        let cannot_be = |error: skerry_model::IdError| Problem::bad(error.to_string());
        let to = IdentityId {
            device: device.parse().map_err(cannot_be)?,
            module: module.map(str::parse).transpose().map_err(cannot_be)?,
        };
        let asked: Asked = serde_json::from_slice(&body).map_err(|error| Problem::bad(error.to_string()))?;
        let reply = self.invoke(&from, &to, wanted(asked)?).await;
        match reply {
            CallReply::Answered { status, payload } => {
                let body = format!(r#"{{"status":{status},"payload":{}}}"#, json_of(&payload));
                Ok(text(StatusCode::OK, "application/json; charset=utf-8", body))
            }
            CallReply::NotOnline => Err(Problem(
                StatusCode::NOT_FOUND,
                format!("{to} is not connected, or does not listen to methods"),
            )),
            CallReply::TimedOut => {
                Err(Problem(StatusCode::GATEWAY_TIMEOUT, format!("{to} did not answer in time")))
            }
            CallReply::Busy => {
                Err(Problem(StatusCode::TOO_MANY_REQUESTS, format!("{to} has as many calls open as it may")))
            }
        }
    }
}

fn wanted(asked: Asked) -> Result<WantedCall, Problem> {
    let Asked { method_name, payload, response_timeout_in_seconds, connect_timeout_in_seconds } = asked;
    if method_name.is_empty() || method_name.chars().count() > METHOD_NAME_CHARS_MAX {
        return Err(Problem::bad(format!("methodName must be 1 to {METHOD_NAME_CHARS_MAX} characters")));
    }
    let payload = payload
        .map_or(Bytes::from_static(b"null"), |payload| Bytes::copy_from_slice(payload.get().as_bytes()));
    if payload.len() > METHOD_PAYLOAD_BYTES_MAX {
        return Err(Problem::bad(format!("the payload may take {METHOD_PAYLOAD_BYTES_MAX} bytes")));
    }
    let answer = response_timeout_in_seconds.unwrap_or(RESPONSE_SECONDS_DEFAULT);
    if !RESPONSE_SECONDS.contains(&answer) {
        return Err(Problem::bad("responseTimeoutInSeconds must be 5 to 300"));
    }
    let start = connect_timeout_in_seconds.unwrap_or(0);
    if start > CONNECT_SECONDS_MAX {
        return Err(Problem::bad("connectTimeoutInSeconds must be 0 to 300"));
    }
    Ok(WantedCall {
        method: method_name,
        payload,
        start_within: Duration::from_secs(start),
        answer_within: Duration::from_secs(answer),
    })
}

/// A client that answers with something else than JSON is quoted.
fn json_of(payload: &[u8]) -> String {
    match payload {
        [] => "null".to_owned(),
        bytes => match serde_json::from_slice::<&RawValue>(bytes) {
            Ok(raw) => raw.get().to_owned(),
            Err(_) => Value::from(String::from_utf8_lossy(bytes)).to_string(),
        },
    }
}
