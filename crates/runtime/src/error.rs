//! Why the engine did not do what it was asked.

use std::time::Duration;

use crate::BodyError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    #[error("the container engine does not answer at {place}: {reason}; see whether it runs")]
    Down { place: String, reason: String },
    #[error("the container engine has not answered within {} s ({call})", .after.as_secs())]
    Late { call: &'static str, after: Duration },
    #[error("not found: {text}")]
    NotFound { text: String },
    #[error("in the way of something else: {text}")]
    Conflict { text: String },
    #[error("the container engine refused ({call}, status {status}): {text}")]
    Refused { call: &'static str, status: u16, text: String },
    #[error("the modules that ran before are not taken over yet; the daemon's log says what is in the way")]
    Early,
    /// An answer that no engine gives: something else listens there.
    #[error("the container engine's answer makes no sense ({call}): {text}")]
    Garbled { call: &'static str, text: String },
}

impl EngineError {
    /// The status of HTTP that says the same.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotFound { .. } => 404,
            Self::Conflict { .. } => 409,
            Self::Refused { status, .. } => *status,
            Self::Down { .. } | Self::Late { .. } | Self::Early | Self::Garbled { .. } => 500,
        }
    }

    /// Whether the same call may work later without anybody changing it.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Down { .. } | Self::Late { .. } | Self::Early)
            || matches!(self, Self::Refused { status, .. } if *status >= 500)
    }
}

/// Why an image is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{image:?} is no reference to an image: {text}")]
    Reference { image: String, text: String },
    #[error(
        "the registry lets nobody pull {image} without other credentials: {text}; \
         check registryCredentials, and that the image exists"
    )]
    Auth { image: String, text: String },
    #[error("the image {image} does not exist: {text}; check its name and tag")]
    NotFound { image: String, text: String },
    #[error("the disk has no room for {image}: {text}; free some, or remove unused images")]
    DiskFull { image: String, text: String },
    #[error("the registry of {image} cannot be reached: {text}")]
    Network { image: String, text: String },
    #[error("nothing of {image} has come for {} s", .after.as_secs())]
    Stalled { image: String, after: Duration },
    #[error("the image {image} cannot be pulled: {text}")]
    Refused { image: String, text: String },
}

impl PullError {
    pub fn status(&self) -> u16 {
        match self {
            Self::Engine(error) => error.status(),
            Self::Reference { .. } => 400,
            Self::Auth { .. } | Self::NotFound { .. } => 404,
            _ => 500,
        }
    }

    /// Whether the same pull may work later without anybody changing the manifest.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_passing(),
            Self::DiskFull { .. } | Self::Network { .. } | Self::Stalled { .. } => true,
            Self::Reference { .. } | Self::Auth { .. } | Self::NotFound { .. } | Self::Refused { .. } => {
                false
            }
        }
    }
}

/// Why a container was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the image {image} is not there, pull it first")]
    NoImage { image: String },
    #[error("a container {name:?} exists already")]
    Exists { name: String },
    #[error("the container engine refuses the createOptions of {name}: {text}")]
    Refused { name: String, status: u16, text: String },
}

impl CreateError {
    pub fn status(&self) -> u16 {
        match self {
            Self::Engine(error) => error.status(),
            Self::Body(_) => 400,
            Self::NoImage { .. } => 404,
            Self::Exists { .. } => 409,
            Self::Refused { status, .. } => *status,
        }
    }

    /// Whether the same request may work later without anybody changing it.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_passing(),
            // Old engines call a wrong type of a member a failure of their own: only words help.
            Self::Refused { text, .. } => text.contains("no space left on device"),
            Self::Body(_) | Self::NoImage { .. } | Self::Exists { .. } => false,
        }
    }
}
