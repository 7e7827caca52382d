//! Other authorities than the Edge CA: a certificate that is kept here, and its key.

use std::time::Duration;

use skerry_model::{Random, Timestamp};

use super::issue::{self, StoredKey};
use super::{CertificateError, Chain};
use crate::store::KeyStore;

/// As for what the Edge CA issues.
const LIFE_MAX: Duration = Duration::from_secs(30 * 86_400);

pub struct Authority<'a> {
    pub chain: &'a Chain,
    pub keys: &'a dyn KeyStore,
    /// The pair of the chain's first certificate.
    pub key: &'a str,
    /// In errors.
    pub name: &'a str,
}

impl Authority<'_> {
    /// Signs somebody's request; the certificate, then the authority's chain.
    pub fn sign_request(
        &self,
        csr_pem: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<String, CertificateError> {
        let Self { chain, keys, key, name } = self;
        let what = (*name).to_owned();
        if !chain.is_authority {
            return Err(CertificateError::NoAuthority { what });
        }
        if chain.validity.not_after <= now {
            return Err(CertificateError::Expired { what, at: chain.validity.not_after });
        }
        if !chain.is_of(&keys.public_key(key)?.bytes) {
            return Err(CertificateError::Mismatch { what });
        }
        let not_after = now.plus(LIFE_MAX).min(chain.validity.not_after);
        let key = StoredKey::new(*keys, key)?;
        let pem = issue::sign_request(csr_pem, chain, key, now, not_after, random)?;
        Ok(format!("{pem}{}", chain.pem()))
    }
}
