//! One request of a storage client: which blob, with which headers, and what its link allows.

use http::request::Parts;

use super::fault::{Code, Fault};
use super::{blob_of, query_value};
use crate::files::{Files, Permissions};

/// What these would ask for does not exist here, and going on without it would be wrong.
const REFUSED: &[&str] = &[
    "if-modified-since",
    "if-unmodified-since",
    "x-ms-copy-source",
    "x-ms-encryption-key",
    "x-ms-encryption-scope",
    "x-ms-if-tags",
    "x-ms-structured-body",
    "x-ms-tags",
];

pub(super) struct Call<'a> {
    pub(super) blob: String,
    pub(super) head: &'a Parts,
    permissions: Permissions,
}

impl<'a> Call<'a> {
    /// Checks the link before anything else is looked at.
    pub(super) fn read(files: &Files, head: &'a Parts) -> Result<Self, Fault> {
        let blob = blob_of(head.uri.path()).unwrap_or_default();
        let permissions = files
            .permissions(&blob, head.uri.query())
            .map_err(|error| Fault::new(Code::AuthenticationFailed, error.to_string()))?;
        let call = Self { blob, head, permissions };
        if let Some(name) = REFUSED.iter().find(|name| call.header(name).is_some()) {
            return Err(Fault::new(Code::UnsupportedHeader, format!("{name} is not possible here")));
        }
        if call.header("x-ms-lease-id").is_some() {
            return Err(Fault::new(Code::LeaseNotPresent, "blobs of this hub have no leases"));
        }
        Ok(call)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    pub(super) fn query(&self, name: &str) -> Option<String> {
        query_value(self.head.uri.query(), name)
    }

    pub(super) fn require(&self, allowed: impl FnOnce(Permissions) -> bool) -> Result<(), Fault> {
        match allowed(self.permissions) {
            true => Ok(()),
            false => Err(Fault::new(
                Code::AuthorizationPermissionMismatch,
                format!("the link allows only {}", self.permissions),
            )),
        }
    }
}
