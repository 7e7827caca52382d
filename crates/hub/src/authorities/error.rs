//! Why an authority is not registered, proven or found.

use skerry_front::CertificateUnreadable;
use skerry_model::{ErrorCode, Timestamp};
use skerry_store::documents::{CommitError, ReadError};

use super::{AUTHORITIES_MAX, NAME_CHARS_MAX};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AuthorityError {
    #[error("there is no certificate authority {name:?}, `skerry ca list` shows those there are")]
    NotFound { name: String },
    #[error("the certificate authority {name:?} exists already, send If-Match to replace its certificate")]
    Exists { name: String },
    #[error("a name takes 1 to {NAME_CHARS_MAX} ASCII letters, digits, - . or _")]
    Name,
    #[error("the hub has {AUTHORITIES_MAX} certificate authorities, no more are allowed")]
    TooMany,
    #[error(transparent)]
    Certificate(#[from] CertificateUnreadable),
    #[error("the certificate does not count now, it ends {until}")]
    Time { until: Timestamp },
    #[error("ask for a code first, `skerry ca verify NAME` prints one")]
    NoCode,
    #[error("the certificate is named {found:?}, it has to be named {code}")]
    Code { found: String, code: String },
    #[error("the certificate is not signed by the authority's key")]
    Proof,
    #[error("somebody else changed it at this moment, try again")]
    Changed,
    #[error("what is stored of {name:?} is damaged ({what}), remove it and add it again")]
    Damaged { name: String, what: String },
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl AuthorityError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::OperationNotFound,
            Self::Exists { .. } => ErrorCode::DeviceAlreadyExists,
            Self::Changed => ErrorCode::PreconditionFailed,
            Self::Damaged { .. } => ErrorCode::ServerError,
            Self::Commit(_) | Self::Read(_) => ErrorCode::ServiceUnavailable,
            _ => ErrorCode::ArgumentInvalid,
        }
    }
}
