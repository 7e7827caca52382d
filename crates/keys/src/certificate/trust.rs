//! What modules and devices are told to trust.

use std::path::{Path, PathBuf};

use super::{CertificateError, Chain, EdgeCa};
use crate::file::{FileError, read_file};

/// The trust bundle is read anew each time: files that the operator replaces count at once.
#[derive(Clone, Debug, Default)]
pub struct TrustBundle {
    /// `trust_bundle_cert`: the operator's roots besides the Edge CA's.
    pub user: Option<PathBuf>,
    /// Roots of those who sign deployment manifests.
    pub manifest: Option<PathBuf>,
}

impl TrustBundle {
    /// PEM; what stands above the Edge CA first.
    pub fn pem(&self, edge_ca: &EdgeCa) -> Result<String, CertificateError> {
        let mut pem = edge_ca.anchors()?;
        if let Some(path) = &self.user {
            pem.push_str(read(path)?.pem());
        }
        Ok(pem)
    }

    /// Empty when manifests need no signature.
    pub fn manifest_pem(&self) -> Result<String, CertificateError> {
        self.manifest.as_deref().map_or_else(|| Ok(String::new()), |path| Ok(read(path)?.pem().to_owned()))
    }
}

fn read(path: &Path) -> Result<Chain, CertificateError> {
    let bytes = read_file(path)?.ok_or_else(|| FileError::Missing { path: path.to_owned() })?;
    Chain::from_pem(&bytes, &path.display().to_string())
}
