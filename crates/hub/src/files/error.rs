//! Why an upload is refused, in the words of the house; [`FileError::code`] is the table to the wire's.

use skerry_model::ErrorCode;
use skerry_store::blobs;

use crate::registry::RegistryError;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FileError {
    #[error("the blob name cannot be used, {what}; choose another one")]
    Name { what: &'static str },
    #[error("the device has {max} uploads that are not finished; finish one, or wait until one expires")]
    TooManyUploads { max: usize },
    #[error(
        "the hub has no room for files, {bytes_max} bytes are taken; delete some, or raise files.bytes_max"
    )]
    NoRoom { bytes_max: u64 },
    #[error("this correlation id belongs to no upload of the device; begin another upload")]
    UnknownUpload,
    #[error("the upload of {blob} was not finished in time; begin another one")]
    ExpiredUpload { blob: String },
    #[error("isSuccess must be true or false")]
    NoOutcome,
    #[error("the blob {blob} was not written since the upload began; write it, then say so")]
    BlobMissing { blob: String },
    #[error("there is no file {file:?} of device {device}")]
    FileNotFound { device: String, file: String },
    #[error("file notices are switched off on this hub; set files.notices to have them")]
    NoticesOff,
    #[error("the lock is not held any more; take the next notice")]
    LockLost,
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Write(#[from] blobs::WriteError),
    #[error(transparent)]
    Read(#[from] blobs::ReadError),
}

impl FileError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Name { .. } => ErrorCode::ArgumentInvalid,
            Self::TooManyUploads { .. } => ErrorCode::DeviceMaximumActiveFileUploadLimitExceeded,
            Self::NoRoom { .. } => ErrorCode::IotHubQuotaExceeded,
            Self::UnknownUpload => ErrorCode::InvalidFileUploadCorrelationId,
            Self::ExpiredUpload { .. } => ErrorCode::ExpiredFileUploadCorrelationId,
            Self::NoOutcome => ErrorCode::InvalidFileUploadCompletionStatus,
            Self::BlobMissing { .. } => ErrorCode::InvalidStorageEndpointOrBlob,
            Self::FileNotFound { .. } => ErrorCode::OperationNotFound,
            Self::NoticesOff => ErrorCode::InvalidOperation,
            Self::LockLost => ErrorCode::DeviceMessageLockLost,
            Self::Registry(error) => error.code(),
            Self::Write(_) | Self::Read(_) => ErrorCode::ServiceUnavailable,
        }
    }
}
