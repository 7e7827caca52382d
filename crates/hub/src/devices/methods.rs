//! Calling a method of a device or module.

use std::time::Duration;

use bytes::Bytes;
use skerry_front::device::{CallReply, WantedCall};
use skerry_model::limits::{METHOD_NAME_CHARS_MAX, METHOD_PAYLOAD_BYTES_MAX};
use skerry_model::{DeviceId, ErrorCode, ModuleId};
use skerry_store::bus::{Address, RequestError};
use tokio::time::Instant;

use super::Devices;
use super::calls::{decode_reply, encode};
use crate::registry::RegistryError;

/// What the bus may take on top of the client's time.
const SLACK: Duration = Duration::from_secs(5);
/// How long the client may take to connect and to answer.
const CONNECT_SECONDS_MAX: u64 = 300;
const RESPONSE_SECONDS_MIN: u64 = 5;
const RESPONSE_SECONDS_MAX: u64 = 300;
pub const RESPONSE_SECONDS_DEFAULT: u64 = 30;

#[derive(Clone, Debug)]
pub struct Invocation {
    pub method: String,
    /// JSON; what was not given is `null`.
    pub payload: Bytes,
    pub connect_within: Duration,
    pub answer_within: Duration,
}

/// What the device answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    pub status: i64,
    /// JSON, or empty.
    pub payload: Bytes,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvokeError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("the method's name must be 1 to {METHOD_NAME_CHARS_MAX} characters")]
    Name,
    #[error("the payload takes {bytes} bytes, at most {METHOD_PAYLOAD_BYTES_MAX} are allowed")]
    Payload { bytes: usize },
    #[error("responseTimeoutInSeconds must be {RESPONSE_SECONDS_MIN} to {RESPONSE_SECONDS_MAX}")]
    ResponseTimeout,
    #[error("connectTimeoutInSeconds must be 0 to {CONNECT_SECONDS_MAX}")]
    ConnectTimeout,
    #[error("Timed out waiting for device to connect.")]
    NotOnline,
    #[error("the device went away before it answered")]
    Lost,
    #[error("Timed out waiting for the response from device.")]
    TimedOut,
    #[error("the device has as many calls open as it may")]
    Busy,
    #[error("the hub is shutting down")]
    Closed,
}

impl InvokeError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Registry(error) => error.code(),
            Self::Name | Self::Payload { .. } | Self::ResponseTimeout | Self::ConnectTimeout => {
                ErrorCode::ArgumentInvalid
            }
            Self::NotOnline | Self::Lost => ErrorCode::DeviceNotOnline,
            Self::TimedOut => ErrorCode::GatewayTimeout,
            Self::Busy => ErrorCode::DeviceMaximumInflightMethodExceeded,
            Self::Closed => ErrorCode::ServiceUnavailable,
        }
    }
}

impl Invocation {
    fn check(&self) -> Result<(), InvokeError> {
        if self.method.is_empty() || self.method.chars().count() > METHOD_NAME_CHARS_MAX {
            return Err(InvokeError::Name);
        }
        if self.payload.len() > METHOD_PAYLOAD_BYTES_MAX {
            return Err(InvokeError::Payload { bytes: self.payload.len() });
        }
        if !(RESPONSE_SECONDS_MIN..=RESPONSE_SECONDS_MAX).contains(&self.answer_within.as_secs()) {
            return Err(InvokeError::ResponseTimeout);
        }
        match self.connect_within.as_secs() {
            0..=CONNECT_SECONDS_MAX => Ok(()),
            _ => Err(InvokeError::ConnectTimeout),
        }
    }
}

impl Devices {
    pub async fn invoke(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        invocation: Invocation,
    ) -> Result<Answered, InvokeError> {
        invocation.check()?;
        let shared = &self.shared;
        shared.registry.get_twin(device, module).await?;
        let Invocation { method, payload, connect_within, answer_within } = invocation;
        let until = Instant::now() + connect_within;
        let wanted = WantedCall { method, payload, start_within: connect_within, answer_within };
        let address = Address::module(device.as_str(), module.map_or("", ModuleId::as_str));
        // Whoever holds the connection watches over both times; this is for one that does not answer.
        let answer_by = until + answer_within + SLACK;
        match shared.bus.request(&address, encode(&wanted), until, answer_by).await {
            Ok(reply) => match decode_reply(&reply) {
                Some(CallReply::Answered { status, payload }) => Ok(Answered { status, payload }),
                Some(CallReply::NotOnline) | None => Err(InvokeError::NotOnline),
                Some(CallReply::TimedOut) => Err(InvokeError::TimedOut),
                Some(CallReply::Busy) => Err(InvokeError::Busy),
            },
            Err(RequestError::NoOwner) => Err(InvokeError::NotOnline),
            Err(RequestError::OwnerLost) => Err(InvokeError::Lost),
            Err(RequestError::Busy { .. }) => Err(InvokeError::Busy),
            Err(RequestError::Late { .. }) => Err(InvokeError::TimedOut),
            Err(RequestError::Closed) => Err(InvokeError::Closed),
        }
    }
}
