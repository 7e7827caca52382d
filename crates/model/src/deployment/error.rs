//! Why a content is none. `of` says whose: a module's id, or the member for devices and modules in general.

use crate::IdError;
use crate::limits::MODULES_PER_DEVICE_MAX;

/// A content that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    #[error("{what} must be a JSON object")]
    NotAnObject { what: String },
    #[error("the content is empty, it holds modulesContent, deviceContent or moduleContent")]
    Empty,
    #[error("modulesContent names a module that cannot be, {error}")]
    Module { error: IdError },
    #[error("modulesContent names {modules} modules, a device has at most {MODULES_PER_DEVICE_MAX}")]
    TooManyModules { modules: usize },
    #[error(
        "{of} holds {found:?}, use \"properties.desired\" for all desired properties or \"properties.desired.<place>\" \
         for one place in them"
    )]
    Key { of: String, found: String },
    #[error("{of}: the place {found:?} has an empty key between its dots")]
    Place { of: String, found: String },
}
