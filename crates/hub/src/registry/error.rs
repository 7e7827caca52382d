//! Why the registry refuses, in the words of the house; [`RegistryError::code`] is the table to
//! the wire's.

use skerry_model::deployment::ContentError;
use skerry_model::identity::{AuthenticationError, ScopeError};
use skerry_model::limits::{MODULES_PER_DEVICE_MAX, STATUS_REASON_CHARS_MAX};
use skerry_model::twin::TwinError;
use skerry_model::{ErrorCode, IdError};
use skerry_store::documents::{CommitError, ReadError};

use super::record::RecordError;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RegistryError {
    #[error("device {device} is not registered")]
    DeviceNotFound { device: String },
    #[error("module {module} is not registered on device {device}")]
    ModuleNotFound { device: String, module: String },
    #[error("device {device} exists already, send its etag in If-Match to update it")]
    DeviceExists { device: String },
    #[error("module {module} exists already on device {device}, send its etag in If-Match to update it")]
    ModuleExists { device: String, module: String },
    #[error("the etag {sent} is not the present one, read the document again")]
    Stale { sent: String },
    #[error("device {device} has {MODULES_PER_DEVICE_MAX} modules, no more are allowed")]
    TooManyModules { device: String },
    #[error("module {module} belongs to the edge runtime and cannot be created or deleted by clients")]
    SystemModule { module: String },
    #[error("{what}")]
    Invalid { what: String },
    #[error("the status reason has {chars} characters, at most {STATUS_REASON_CHARS_MAX} are allowed")]
    StatusReason { chars: usize },
    #[error("the device scope cannot be used, {what}")]
    Scope { what: String },
    #[error(
        "device {device} is not an Azure IoT Edge device, only those have modules set; make it one with capabilities.iotEdge"
    )]
    NotEdge { device: String },
    #[error("the content cannot be applied, {0}")]
    Content(#[from] ContentError),
    #[error("the content cannot be applied to {of}, {error}")]
    Written { of: String, error: TwinError },
    #[error("the content cannot be applied, {what}")]
    ContentKind { what: &'static str },
    #[error(transparent)]
    Id(#[from] IdError),
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    #[error(transparent)]
    Twin(#[from] TwinError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("many others change the same document at this moment, try again")]
    Contended,
    #[error(transparent)]
    Commit(CommitError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<ScopeError> for RegistryError {
    fn from(error: ScopeError) -> Self {
        RegistryError::Scope { what: error.to_string() }
    }
}

impl RegistryError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::DeviceNotFound { .. } => ErrorCode::DeviceNotFound,
            Self::ModuleNotFound { .. } => ErrorCode::ModuleNotFound,
            Self::DeviceExists { .. } => ErrorCode::DeviceAlreadyExists,
            Self::ModuleExists { .. } => ErrorCode::ModuleAlreadyExistsOnDevice,
            Self::Stale { .. } => ErrorCode::PreconditionFailed,
            Self::TooManyModules { .. } => ErrorCode::TooManyModulesOnDevice,
            Self::SystemModule { .. } => ErrorCode::SystemModuleModifyUnauthorizedAccess,
            Self::Invalid { .. }
            | Self::StatusReason { .. }
            | Self::NotEdge { .. }
            | Self::Id(_)
            | Self::Authentication(_)
            | Self::Twin(_) => ErrorCode::ArgumentInvalid,
            Self::Scope { .. } => ErrorCode::InvalidDeviceScope,
            Self::Content(_) | Self::Written { .. } | Self::ContentKind { .. } => {
                ErrorCode::InvalidConfigurationContent
            }
            Self::Record(_) => ErrorCode::ServerError,
            Self::Commit(CommitError::TooLarge(_)) => ErrorCode::ArgumentInvalid,
            Self::Commit(CommitError::Misuse(_)) => ErrorCode::ServerError,
            Self::Contended | Self::Commit(_) | Self::Read(_) => ErrorCode::ServiceUnavailable,
        }
    }
}
