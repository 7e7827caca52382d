//! What the registry knows of a device or module besides its twin.

mod authentication;
mod chain;
mod scope;
pub mod scope_wire;
pub mod wire;

pub use authentication::{
    Authentication, AuthenticationError, AuthenticationKind, SymmetricKeys, Thumbprint, Thumbprints,
};
pub use chain::{AuthChain, ChainError};
pub use scope::{ScopeError, ScopeId};

use crate::time::Timestamp;
use crate::{DeviceId, ModuleId};

/// Whether an identity may connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Enabled,
    Disabled,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Enabled => "enabled",
            Status::Disabled => "disabled",
        }
    }

    /// Reads the wire's word in any case.
    pub fn from_wire(word: &str) -> Option<Self> {
        [Status::Enabled, Status::Disabled]
            .into_iter()
            .find(|status| word.eq_ignore_ascii_case(status.as_str()))
    }
}

/// A device or module as the registry keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    pub device: DeviceId,
    /// `None` for the device itself.
    pub module: Option<ModuleId>,
    /// Chosen anew by the hub each time the id is created, so that a re-created device is another.
    pub generation: String,
    /// Counts changes of the identity from a random start.
    pub etag: u64,
    pub status: Status,
    pub status_reason: Option<String>,
    pub status_updated: Timestamp,
    pub authentication: Authentication,
    /// An edge device, which brings the two system modules.
    pub edge: bool,
    pub scope: Option<ScopeId>,
    pub parent_scopes: Vec<ScopeId>,
    /// Who manages a module, such as `iotEdge`.
    pub managed_by: Option<String>,
    /// The plug-and-play model a device announced; empty when none.
    pub model: String,
}

impl Identity {
    /// An identity as it begins: enabled, unable to authenticate, without parents.
    pub fn new(device: DeviceId, module: Option<ModuleId>, generation: u64, etag: u64) -> Self {
        Self {
            device,
            module,
            generation: generation.to_string(),
            etag,
            status: Status::Enabled,
            status_reason: None,
            status_updated: Timestamp::NEVER,
            authentication: Authentication::None,
            edge: false,
            scope: None,
            parent_scopes: Vec::new(),
            managed_by: None,
            model: String::new(),
        }
    }

    /// The etag as clients see it, without quotes: base64 of the decimal counter.
    pub fn etag_text(&self) -> String {
        etag_text(&self.etag.to_string())
    }
}

/// A decimal counter as clients see it in an identity's etag.
pub fn etag_text(counter: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(counter)
}
