//! Certificates by id: files of our own, the operator's files, and bundles of both.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use super::{CertificateError, Chain};
use crate::error::KeyError;
use crate::file::{FileError, path_in, read_file, remove, write_file};

/// Bundles may hold bundles, this deep.
const DEPTH_MAX: usize = 4;

/// What the configuration says about a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preloaded {
    File(PathBuf),
    /// Other certificates, one after the other; those that are missing are left out.
    Bundle(Vec<String>),
}

/// `CERTS/<letters and digits of the id>-<sha256 of the id>.cer`, PEM.
pub struct CertificateStore {
    directory: PathBuf,
    preloaded: BTreeMap<String, Preloaded>,
}

impl CertificateStore {
    pub fn open(
        directory: PathBuf,
        preloaded: BTreeMap<String, Preloaded>,
    ) -> Result<Self, CertificateError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map_err(|source| FileError::Write { path: directory.clone(), source })?;
        Ok(Self { directory, preloaded })
    }

    /// The text of a certificate; `None` when there is none.
    pub fn get(&self, id: &str) -> Result<Option<String>, CertificateError> {
        self.find(id, 0)
    }

    /// The same, read.
    pub fn chain(&self, id: &str) -> Result<Option<Chain>, CertificateError> {
        let pem = self.get(id)?;
        pem.map(|pem| Chain::from_pem(pem.as_bytes(), &format!("the certificate {id:?}"))).transpose()
    }

    /// Keeps a certificate in place of the one of that id.
    pub fn import(&self, id: &str, pem: &str) -> Result<(), CertificateError> {
        self.refuse_preloaded(id)?;
        Chain::from_pem(pem.as_bytes(), &format!("the certificate {id:?}"))?;
        Ok(write_file(&path_in(&self.directory, id, "cer")?, pem.as_bytes(), 0o600)?)
    }

    /// Deleting what is not there is done.
    pub fn delete(&self, id: &str) -> Result<(), CertificateError> {
        self.refuse_preloaded(id)?;
        Ok(remove(&path_in(&self.directory, id, "cer")?)?)
    }

    fn find(&self, id: &str, depth: usize) -> Result<Option<String>, CertificateError> {
        if depth > DEPTH_MAX {
            return Err(CertificateError::Nested { id: id.to_owned() });
        }
        let bytes = match self.preloaded.get(id) {
            None => read_file(&path_in(&self.directory, id, "cer")?)?,
            Some(Preloaded::File(path)) => {
                let bytes = read_file(path)?;
                Some(bytes.ok_or_else(|| FileError::Missing { path: path.clone() })?)
            }
            Some(Preloaded::Bundle(ids)) => {
                let mut bundle = String::new();
                for id in ids {
                    if let Some(pem) = self.find(id, depth + 1)? {
                        bundle.push_str(pem.trim_end());
                        bundle.push('\n');
                    }
                }
                return Ok((!bundle.is_empty()).then_some(bundle));
            }
        };
        let unreadable = |_| CertificateError::Unreadable { what: format!("the certificate {id:?}") };
        bytes.map(|bytes| String::from_utf8(bytes).map_err(unreadable)).transpose()
    }

    fn refuse_preloaded(&self, id: &str) -> Result<(), CertificateError> {
        let path = match self.preloaded.get(id) {
            None => return Ok(()),
            Some(Preloaded::File(path)) => path.clone(),
            Some(Preloaded::Bundle(_)) => PathBuf::from(format!("preloaded_certs.{id}")),
        };
        Err(KeyError::from(FileError::Operators { path }).into())
    }
}
