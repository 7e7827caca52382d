//! From a client's certificate to one that is trusted.

use skerry_model::Timestamp;

use crate::{Certificate, CertificateUnreadable};

/// Why a chain proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    #[error("the client has no certificate")]
    Empty,
    #[error(transparent)]
    Unreadable(#[from] CertificateUnreadable),
    #[error("the certificate is that of {found:?}, not of {name:?}")]
    Name { found: String, name: String },
    #[error("the certificate of {subject} does not count at this time")]
    Time { subject: String },
    #[error("no trusted authority has signed {subject}, nor a certificate that came with it")]
    Nobody { subject: String },
}

/// Checks that the first of `chain` is called `name`, and that some of the others lead from it to one of
/// `anchors`. The client's key is proven already. Whoever signs in between has to say that it is an authority;
/// of the anchors somebody has said so.
pub fn check_chain(
    chain: &[impl AsRef<[u8]>],
    name: &str,
    anchors: &[&Certificate],
    now: Timestamp,
) -> Result<(), ChainError> {
    let mut rest = chain.iter().map(|der| Certificate::parse(der.as_ref()));
    let own = rest.next().ok_or(ChainError::Empty)??;
    let mut rest: Vec<Certificate> = rest.collect::<Result<_, _>>()?;
    let found = own.common_name.clone().unwrap_or_default();
    if found != name {
        return Err(ChainError::Name { found, name: name.to_owned() });
    }
    let mut current = own;
    // So many authorities stand between the client and the current certificate's signer.
    let mut between = 0;
    loop {
        if !current.is_valid_at(now) {
            return Err(ChainError::Time { subject: current.subject });
        }
        let counts = |anchor: &Certificate| {
            anchor.is_valid_at(now) && has_room(anchor, between) && current.is_signed_by(anchor)
        };
        if anchors.iter().any(|anchor| counts(anchor)) {
            return Ok(());
        }
        let above = rest.iter().position(|certificate| {
            certificate.authority.is_some()
                && has_room(certificate, between)
                && current.is_signed_by(certificate)
        });
        match above {
            // Taken out, so that nobody goes in a circle.
            Some(at) => current = rest.swap_remove(at),
            None => return Err(ChainError::Nobody { subject: current.subject }),
        }
        between += 1;
    }
}

/// Whether so many authorities may stand below this one.
fn has_room(certificate: &Certificate, between: u32) -> bool {
    let below_max = certificate.authority.and_then(|authority| authority.below_max);
    below_max.is_none_or(|below_max| between <= below_max)
}
