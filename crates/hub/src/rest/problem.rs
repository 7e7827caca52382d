//! Refusals in the form that every SDK reads.
//!
//! The Node SDK takes `Message` apart at its first semicolon and colon, C# wants the body's name to
//! agree with the header `iothub-errorcode`: so the text holds neither a semicolon nor the word
//! by which they find the code.

use serde_json::json;
use skerry_model::{ErrorCode, Random, Timestamp};

use super::Reply;
use crate::access::{AccessError, PolicyError, SenderError};
use crate::registry::RegistryError;
use crate::search::SearchError;

/// Characters of an explanation that goes out.
const TEXT_CHARS_MAX: usize = 800;

/// Why a request is refused, in the wire's vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub code: ErrorCode,
    pub text: String,
    /// Told by number inside the message, which clients of methods look for.
    is_numbered: bool,
}

impl Problem {
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), is_numbered: false }
    }

    #[must_use]
    pub(super) fn in_numbers(mut self) -> Self {
        self.is_numbered = true;
        self
    }

    pub(super) fn argument(text: impl Into<String>) -> Self {
        Self::new(ErrorCode::ArgumentInvalid, text)
    }

    /// The answer, with an id under which the log speaks of the same event.
    pub fn render(&self, random: &dyn Random, now: Timestamp) -> Reply {
        let tracking = tracking_id(random, now);
        if self.code.status() >= 500 {
            tracing::error!(code = %self.code, tracking, error = self.text, "A request failed.");
        } else {
            tracing::debug!(code = %self.code, tracking, error = self.text, "a request was refused");
        }
        let body = if self.is_numbered {
            let message = json!({
                "errorCode": self.code.number(),
                "trackingId": tracking,
                "message": self.text,
                "timestampUtc": now.to_string(),
            });
            json!({"Message": message.to_string(), "ExceptionMessage": ""})
        } else {
            json!({
                "Message": format!("ErrorCode:{};{}", self.code, safe(&self.text)),
                "ExceptionMessage": format!("Tracking ID:{tracking}"),
            })
        };
        let mut reply = Reply::json(self.code.status(), &body);
        reply.header("iothub-errorcode", self.code.name());
        if self.code.retry() == skerry_model::Retry::Later {
            reply.header("retry-after", "1");
        }
        reply
    }
}

/// `<32 hex>-G:0-TimeStamp:07/16/2016 00:12:41`, as the original writes it.
pub(crate) fn tracking_id(random: &dyn Random, now: Timestamp) -> String {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    let text = now.to_string();
    let (date, time) = text.split_at(10.min(text.len()));
    let mut parts = date.split('-');
    let (year, month, day) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let time: String = time.chars().skip(1).take(8).collect();
    format!("{:032x}-G:0-TimeStamp:{month}/{day}/{year} {time}", u128::from_be_bytes(bytes))
}

fn safe(text: &str) -> String {
    let text: String = text.chars().take(TEXT_CHARS_MAX).map(|c| if c == ';' { ',' } else { c }).collect();
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.to_ascii_lowercase().find("errorcode") {
        out.push_str(&rest[..at]);
        out.push_str("error code");
        rest = &rest[at + "errorcode".len()..];
    }
    out.push_str(rest);
    if out.is_empty() { "no details".to_owned() } else { out }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<SenderError> for Problem {
    fn from(error: SenderError) -> Self {
        match error {
            SenderError::Access(error) => error.into(),
            SenderError::Registry(error) => error.into(),
        }
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<skerry_model::IdError> for Problem {
    fn from(error: skerry_model::IdError) -> Self {
        Self::argument(error.to_string())
    }
}

impl From<skerry_model::identity::ChainError> for Problem {
    fn from(error: skerry_model::identity::ChainError) -> Self {
        Self::argument(error.to_string())
    }
}

impl From<skerry_model::twin::TwinError> for Problem {
    fn from(error: skerry_model::twin::TwinError) -> Self {
        Self::argument(error.to_string())
    }
}

impl From<PolicyError> for Problem {
    fn from(error: PolicyError) -> Self {
        let code = match &error {
            PolicyError::NotFound { .. } => ErrorCode::OperationNotFound,
            PolicyError::Exists { .. } => ErrorCode::DeviceAlreadyExists,
            PolicyError::Name | PolicyError::TooMany | PolicyError::LastOwner { .. } => {
                ErrorCode::ArgumentInvalid
            }
            PolicyError::File(_) => ErrorCode::ServerError,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zeros;
    impl Random for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn the_text_cannot_confuse_the_sdks_parsers() {
        let problem = Problem::argument("bad; ErrorCode:Fake;errorcode");
        let reply = problem.render(&Zeros, Timestamp::from_unix_seconds(0));
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body["Message"], "ErrorCode:ArgumentInvalid;bad, error code:Fake,error code");
        assert_eq!(
            body["ExceptionMessage"],
            "Tracking ID:00000000000000000000000000000000-G:0-TimeStamp:01/01/1970 00:00:00"
        );
        assert_eq!(reply.status, 400);
    }
}
