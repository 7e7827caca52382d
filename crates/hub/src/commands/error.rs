//! Why a command is not taken, given out or settled.

use skerry_model::message::MessageError;
use skerry_model::{ErrorCode, Timestamp};

use super::stored::StoredError;
use crate::registry::RegistryError;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("the message expired at {expiry}, which is past; send a later time")]
    Expired { expiry: Timestamp },
    #[error("{depth} messages wait for {identity}, no more are allowed; try again when it has received some")]
    Full { identity: String, depth: usize },
    /// The identity is not there, or the store failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LeaseError {
    #[error(transparent)]
    Store(#[from] RegistryError),
    #[error(transparent)]
    Stored(#[from] StoredError),
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettleError {
    #[error("the message is not held by this lock any more; receive it again")]
    LockLost,
    #[error(transparent)]
    Store(#[from] RegistryError),
}

impl SendError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Message(MessageError::Size { .. }) => ErrorCode::MessageTooLarge,
            Self::Message(_) => ErrorCode::ArgumentInvalid,
            Self::Expired { .. } => ErrorCode::InvalidMessageExpiryTime,
            Self::Full { .. } => ErrorCode::DeviceMaximumQueueDepthExceeded,
            Self::Registry(error) => error.code(),
        }
    }
}

impl LeaseError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Store(error) => error.code(),
            Self::Stored(_) => ErrorCode::ServerError,
        }
    }
}

impl SettleError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::LockLost => ErrorCode::DeviceMessageLockLost,
            Self::Store(error) => error.code(),
        }
    }
}
