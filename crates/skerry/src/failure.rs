//! How a command fails: a sentence that says what to do next, and an exit code.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed |
//! | 2 | wrong usage (given by the argument parser, too) |
//! | 3 | not found |
//! | 4 | conflict or stale etag |
//! | 5 | not authorised |
//! | 6 | unreachable or timed out |

use std::fmt::Display;
use std::process::ExitCode;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    NotAuthorised(String),
    #[error("{0}")]
    Unreachable(String),
}

impl Failure {
    pub fn failed(what: impl Display) -> Self {
        Self::Failed(what.to_string())
    }

    pub fn usage(what: impl Display) -> Self {
        Self::Usage(what.to_string())
    }

    pub fn unreachable(what: impl Display) -> Self {
        Self::Unreachable(what.to_string())
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Conflict(_) => 4,
            Self::NotAuthorised(_) => 5,
            Self::Unreachable(_) => 6,
        })
    }

    /// What a refusal of a hub means here.
    pub fn of_status(status: u16, text: String) -> Self {
        match status {
            404 => Self::NotFound(text),
            409 | 412 => Self::Conflict(text),
            401 | 403 => Self::NotAuthorised(text),
            408 | 502..=504 => Self::Unreachable(text),
            _ => Self::Failed(text),
        }
    }
}
