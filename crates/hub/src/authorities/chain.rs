//! From a client's certificate to an authority that counts.

use skerry_front::{Certificate, ChainError, check_chain};
use skerry_model::Timestamp;

use super::Authority;

/// Only those count whose key somebody has proven to hold.
pub(super) fn check(
    chain: &[impl AsRef<[u8]>],
    name: &str,
    authorities: &[Authority],
    now: Timestamp,
) -> Result<(), ChainError> {
    let verified = authorities.iter().filter(|authority| authority.is_verified);
    let anchors: Vec<&Certificate> = verified.map(|authority| &authority.certificate).collect();
    check_chain(chain, name, &anchors, now)
}

#[cfg(test)]
mod tests;
