//! Refusals as the storage service words them: a code in a header, and XML.

use http::StatusCode;
use skerry_front::{Body, Refusal, Response};
use skerry_model::Timestamp;
use skerry_store::blobs::{ReadError, WriteError};

use super::{put_header, reply};

macro_rules! codes {
    ($($name:ident $status:literal $word:literal)*) => {
        /// A failure as storage clients know it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Code { $($name),* }

        impl Code {
            pub(super) fn name(self) -> &'static str {
                match self { $(Code::$name => $word),* }
            }

            pub(super) fn status(self) -> u16 {
                match self { $(Code::$name => $status),* }
            }
        }
    };
}

codes! {
    NotModified 304 "ConditionNotMet"
    BlockListTooLong 400 "BlockListTooLong"
    Crc64Mismatch 400 "Crc64Mismatch"
    InvalidBlockList 400 "InvalidBlockList"
    InvalidHeaderValue 400 "InvalidHeaderValue"
    InvalidInput 400 "InvalidInput"
    InvalidQueryParameterValue 400 "InvalidQueryParameterValue"
    InvalidXmlDocument 400 "InvalidXmlDocument"
    Md5Mismatch 400 "Md5Mismatch"
    MetadataTooLarge 400 "MetadataTooLarge"
    MissingRequiredHeader 400 "MissingRequiredHeader"
    OutOfRangeInput 400 "OutOfRangeInput"
    UnsupportedHeader 400 "UnsupportedHeader"
    AuthenticationFailed 403 "AuthenticationFailed"
    AuthorizationPermissionMismatch 403 "AuthorizationPermissionMismatch"
    BlobNotFound 404 "BlobNotFound"
    ResourceNotFound 404 "ResourceNotFound"
    UnsupportedHttpVerb 405 "UnsupportedHttpVerb"
    RequestTimedOut 408 "OperationTimedOut"
    BlobAlreadyExists 409 "BlobAlreadyExists"
    BlockCountExceedsLimit 409 "BlockCountExceedsLimit"
    // Not among the 5xx, which clients try again at once: somebody has to make room first.
    InsufficientStorage 409 "InsufficientStorage"
    ConditionNotMet 412 "ConditionNotMet"
    LeaseNotPresent 412 "LeaseNotPresentWithBlobOperation"
    RequestBodyTooLarge 413 "RequestBodyTooLarge"
    InvalidRange 416 "InvalidRange"
    InternalError 500 "InternalError"
    ServerBusy 503 "ServerBusy"
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) text: String,
    /// Where the range was refused: how many bytes there are.
    pub(super) length: Option<u64>,
}

impl Fault {
    pub(super) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), length: None }
    }

    pub(super) fn header(name: &str, text: &str) -> Self {
        Self::new(Code::InvalidHeaderValue, format!("the header {name} {text}"))
    }

    pub(super) fn render(&self, with_body: bool, now: Timestamp) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let with_body = with_body && status != StatusCode::NOT_MODIFIED;
        let body = if with_body { Body::from(self.xml(now)) } else { Body::empty() };
        let mut response = reply(status, body);
        let headers = response.headers_mut();
        put_header(headers, "x-ms-error-code", self.code.name());
        if with_body {
            put_header(headers, "content-type", "application/xml");
        }
        if let Some(length) = self.length {
            put_header(headers, "content-range", &format!("bytes */{length}"));
        }
        response
    }

    fn xml(&self, now: Timestamp) -> String {
        let text: String = self.text.chars().take(800).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{}</Code><Message>{}\nTime:{now}</Message></Error>",
            self.code.name(),
            super::list::escaped(&text),
        )
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::BodyTooLarge { .. } => Code::RequestBodyTooLarge,
            Refusal::BodyTimeout => Code::RequestTimedOut,
            Refusal::BodyBroken | Refusal::TooManyHeaders { .. } => Code::InvalidInput,
            Refusal::NoRoom => Code::ServerBusy,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<WriteError> for Fault {
    fn from(error: WriteError) -> Self {
        let code = match &error {
            WriteError::Full { .. } | WriteError::DiskFull | WriteError::TooManyBlobs { .. } => {
                Code::InsufficientStorage
            }
            WriteError::BlobTooLarge { .. } => Code::RequestBodyTooLarge,
            WriteError::TooManyBlocks { .. } => Code::BlockCountExceedsLimit,
            WriteError::Name { .. } => Code::InvalidInput,
            WriteError::BlockId { .. } => Code::InvalidQueryParameterValue,
            WriteError::Attributes { .. } => Code::MetadataTooLarge,
            WriteError::BlockNotFound { .. } => Code::InvalidBlockList,
            WriteError::Conflict { .. } => Code::ConditionNotMet,
            WriteError::Failed { .. } => Code::InternalError,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        let code = match &error {
            ReadError::Gone => Code::ServerBusy,
            ReadError::Damaged { .. } | ReadError::Failed { .. } => Code::InternalError,
        };
        Self::new(code, error.to_string())
    }
}
