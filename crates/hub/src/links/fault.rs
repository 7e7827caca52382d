//! Refusals as links tell them: a condition that SDKs know, and a description that people do.
//!
//! Links of a hub carry the numbered code as JSON in the description, as requests over HTTP do;
//! those of Event Hubs a text.

use serde_json::json;
use skerry_amqp::codec::Value;
use skerry_amqp::performative::{Fault, condition};
use skerry_model::{ErrorCode, Random, Timestamp};

use crate::access::AccessError;
use crate::commands::{LeaseError, SendError, SettleError};
use crate::files::FileError;
use crate::rest::tracking_id;

pub(super) const ARGUMENT: &str = "com.microsoft:argument-error";
pub(super) const OUT_OF_RANGE: &str = "com.microsoft:argument-out-of-range";
pub(super) const BUSY: &str = "com.microsoft:server-busy";
const TIMEOUT: &str = "com.microsoft:timeout";
const LOCK_LOST: &str = "com.microsoft:message-lock-lost";
const PRECONDITION: &str = "com.microsoft:precondition-failed";
const THROTTLED: &str = "com.microsoft:device-container-throttled";
const TRACKING: &str = "com.microsoft:tracking-id";

/// Why a link is not opened, or a message not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) condition: &'static str,
    pub(super) code: ErrorCode,
    pub(super) text: String,
}

impl Refusal {
    /// With the condition that goes with the code.
    pub(super) fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self { condition: condition_of(code), code, text: text.into() }
    }

    pub(super) fn with(condition: &'static str, code: ErrorCode, text: impl Into<String>) -> Self {
        Self { condition, code, text: text.into() }
    }

    pub(super) fn of_hub(self, random: &dyn Random, now: Timestamp) -> Fault {
        let tracking = self.tracked(random, now);
        let description = json!({
            "errorCode": self.code.number(),
            "trackingId": tracking,
            "message": self.text,
            "timestampUtc": now.to_string(),
        });
        with_tracking(Fault::new(self.condition, description.to_string()), &tracking)
    }

    pub(super) fn of_events(self, random: &dyn Random, now: Timestamp) -> Fault {
        let tracking = self.tracked(random, now);
        // SDKs know by these words what was not found.
        let lead = match self.condition {
            condition::NOT_FOUND => "the messaging entity asked for could not be found: ",
            _ => "",
        };
        let description = format!("{lead}{} TrackingId:{tracking}", self.text);
        with_tracking(Fault::new(self.condition, description), &tracking)
    }

    /// An id under which the log speaks of the same.
    fn tracked(&self, random: &dyn Random, now: Timestamp) -> String {
        let tracking = tracking_id(random, now);
        let (condition, error) = (self.condition, self.text.as_str());
        if self.code.status() >= 500 {
            tracing::error!(condition, tracking, error, "A link or message was not taken.");
        } else {
            tracing::debug!(condition, tracking, error, "A link or message was refused.");
        }
        tracking
    }
}

fn with_tracking(mut fault: Fault, tracking: &str) -> Fault {
    fault.info = Value::Map(vec![(Value::symbol(TRACKING), Value::string(tracking))]);
    fault
}

fn condition_of(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::DeviceNotFound
        | ErrorCode::ModuleNotFound
        | ErrorCode::AmqpAddressNotFound
        | ErrorCode::OperationNotFound => condition::NOT_FOUND,
        ErrorCode::DeviceMaximumQueueDepthExceeded | ErrorCode::IotHubQuotaExceeded => {
            condition::RESOURCE_LIMIT_EXCEEDED
        }
        ErrorCode::MessageTooLarge => condition::MESSAGE_SIZE_EXCEEDED,
        ErrorCode::InvalidOperation | ErrorCode::MethodNotAllowed => condition::NOT_ALLOWED,
        ErrorCode::DeviceMessageLockLost => LOCK_LOST,
        ErrorCode::PreconditionFailed => PRECONDITION,
        ErrorCode::ThrottlingException => THROTTLED,
        ErrorCode::ServiceUnavailable => TIMEOUT,
        code if code.status() == 401 => condition::UNAUTHORIZED_ACCESS,
        code if code.status() < 500 => ARGUMENT,
        _ => condition::INTERNAL_ERROR,
    }
}

impl From<SendError> for Refusal {
    fn from(error: SendError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<LeaseError> for Refusal {
    fn from(error: LeaseError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<SettleError> for Refusal {
    fn from(error: SettleError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<FileError> for Refusal {
    fn from(error: FileError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<AccessError> for Refusal {
    fn from(error: AccessError) -> Self {
        Self::new(error.code(), told(&error))
    }
}

/// The error in the words of a connection, which has no headers.
pub(super) fn told(error: &AccessError) -> String {
    match error {
        AccessError::Missing => {
            "nothing that counts was shown on this connection, put a token at $cbs first".to_owned()
        }
        AccessError::Malformed { what } => {
            format!("the token is no SharedAccessSignature that this hub can read, {what}")
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_condition_that_sdks_look_for() {
        let table = [
            (ErrorCode::DeviceNotFound, "amqp:not-found"),
            (ErrorCode::DeviceMaximumQueueDepthExceeded, "amqp:resource-limit-exceeded"),
            (ErrorCode::MessageTooLarge, "amqp:link:message-size-exceeded"),
            (ErrorCode::IotHubUnauthorized, "amqp:unauthorized-access"),
            (ErrorCode::InvalidMessageExpiryTime, "com.microsoft:argument-error"),
            (ErrorCode::DeviceMessageLockLost, "com.microsoft:message-lock-lost"),
            (ErrorCode::ServiceUnavailable, "com.microsoft:timeout"),
            (ErrorCode::ServerError, "amqp:internal-error"),
        ];
        for (code, condition) in table {
            assert_eq!(condition_of(code), condition, "{code}");
        }
    }
}
