//! How a module of the manifest becomes a container: what is written in its options, and what
//! every module gets besides.

mod fingerprint;
mod inject;

pub use fingerprint::{FINGERPRINT_LABEL, fingerprint, section_digest};
pub use inject::{Identity, create_request, pull_request};

/// The name of the identity that belongs to a container.
pub fn identity_name(container: &str) -> String {
    match container {
        crate::manifest::AGENT | crate::manifest::HUB => format!("${container}"),
        name => name.to_owned(),
    }
}
