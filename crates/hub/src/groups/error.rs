//! Why a group is not found, made or removed.

use skerry_model::ErrorCode;
use skerry_store::documents::ReadError;

use super::name::{DEFAULT, GroupNameError};
use crate::registry::RegistryError;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GroupError {
    #[error("there is no consumer group {name:?}, `skerry consumer-group list` shows those there are")]
    NotFound { name: String },
    #[error(transparent)]
    Name(#[from] GroupNameError),
    #[error(
        "the hub has {groups_max} consumer groups, no more are allowed; delete one, or raise telemetry.consumer_groups_max"
    )]
    TooMany { groups_max: usize },
    #[error("{DEFAULT} is always there and cannot be deleted")]
    Default,
    #[error("what is stored of the consumer group {name:?} is damaged ({what}), restore it from a backup")]
    Damaged { name: String, what: String },
    #[error(transparent)]
    Store(#[from] RegistryError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl GroupError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::OperationNotFound,
            Self::Name(_) | Self::Default | Self::TooMany { .. } => ErrorCode::ArgumentInvalid,
            Self::Damaged { .. } => ErrorCode::ServerError,
            Self::Store(error) => error.code(),
            Self::Read(_) => ErrorCode::ServiceUnavailable,
        }
    }
}
