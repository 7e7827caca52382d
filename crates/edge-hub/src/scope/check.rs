//! Whether somebody is who they say.

use std::time::Duration;

use skerry_front::device::{PeerCertificates, Proof};
use skerry_front::{Certificate, check_chain};
use skerry_model::identity::Authentication;
use skerry_model::{IdentityId, Status, Timestamp};
use skerry_tokens::{
    Claim, KeyPair, KeyUse, ModuleRule, SasToken, SharedKey, Thumbprint, VerifyError, covers,
};

use super::{Known, Scope};

/// An identity that is who it says.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    /// When what it showed stops counting.
    pub ends: Option<Timestamp>,
    /// Of its registration: one that is made anew is another.
    pub generation: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAdmitted {
    #[error(
        "{id} is not known in the scope of this device: make this device its parent, or create the module"
    )]
    Unknown { id: IdentityId },
    #[error("{id} is disabled in its hub")]
    Disabled { id: IdentityId },
    #[error("{id} shows nothing: it has to show a token or a certificate")]
    Nothing { id: IdentityId },
    #[error("{id} is registered with {registered}, and shows something else")]
    OtherKind { id: IdentityId, registered: &'static str },
    #[error("the token of {id} does not count: {what}")]
    Token { id: IdentityId, what: String },
    #[error("the certificate of {id} does not count: {what}")]
    Certificate { id: IdentityId, what: String },
    #[error("{id} comes by the word of an edge hub that does not count: {what}")]
    Behalf { id: IdentityId, what: String },
}

impl NotAdmitted {
    /// Whether the hub may know something newer that changes it.
    pub(crate) fn may_change(&self) -> bool {
        !matches!(self, Self::Nothing { .. })
    }
}

impl Scope {
    /// Judges by what is known. `roots` are those that leaf devices' chains may end in.
    pub(crate) fn check(
        &self,
        id: &IdentityId,
        proof: &Proof,
        hosts: &[String],
        roots: &[Certificate],
        (now, skew): (Timestamp, Duration),
    ) -> Result<Admitted, NotAdmitted> {
        let unknown = || NotAdmitted::Unknown { id: id.clone() };
        let known = self.get(id).ok_or_else(unknown)?;
        let device = match &id.module {
            None => known.clone(),
            Some(_) => {
                let device = IdentityId { device: id.device.clone(), module: None };
                self.get(&device).ok_or_else(unknown)?
            }
        };
        // A module goes with its device; somebody behind a device that is disabled, too.
        if known.status == Status::Disabled || device.status == Status::Disabled {
            return Err(NotAdmitted::Disabled { id: id.clone() });
        }
        let ends = match proof {
            Proof::Nothing => return Err(NotAdmitted::Nothing { id: id.clone() }),
            Proof::Token(text) => Some(check_token(text, (&known, &device), hosts, (now, skew))?),
            Proof::Certificate(chain) => {
                check_certificate(chain, &known, roots, now)?;
                None
            }
        };
        Ok(Admitted { ends, generation: known.generation.clone() })
    }
}

/// By the keys of the module, or those of its device where the token is the device's.
pub(super) fn check_token(
    text: &str,
    (known, device): (&Known, &Known),
    hosts: &[String],
    (now, skew): (Timestamp, Duration),
) -> Result<Timestamp, NotAdmitted> {
    let refused = |what: String| NotAdmitted::Token { id: known.id.clone(), what };
    let token = SasToken::parse(text).map_err(|error| refused(error.to_string()))?;
    let claim = match &known.id.module {
        None => Claim::Device(known.id.device.as_str()),
        Some(module) => Claim::Module(known.id.device.as_str(), module.as_str()),
    };
    covers(token.resource(), hosts, claim, ModuleRule::DeviceTokenToo)
        .map_err(|error| refused(error.to_string()))?;
    let by_keys_of = |signer: &Known| {
        let Authentication::Sas(keys) = &signer.authentication else {
            let registered = signer.authentication.kind().as_str();
            return Err(NotAdmitted::OtherKind { id: known.id.clone(), registered });
        };
        let key = |text: &str| text.parse::<SharedKey>().map_err(|error| refused(error.to_string()));
        let (primary, secondary) = (key(keys.primary())?, key(keys.secondary())?);
        let keys = KeyPair { primary: &primary, secondary: &secondary };
        match token.verify(keys, KeyUse::Hub, now, skew) {
            Ok(_) => Ok(true),
            Err(VerifyError::Signature) => Ok(false),
            Err(error @ VerifyError::Expired { .. }) => Err(refused(error.to_string())),
        }
    };
    let is_own = by_keys_of(known);
    let counts = match is_own {
        Ok(false) | Err(NotAdmitted::OtherKind { .. }) if known.id.module.is_some() => {
            by_keys_of(device).unwrap_or(false) || is_own?
        }
        other => other?,
    };
    match counts {
        true => Ok(token.ends_at(skew)),
        false => Err(refused(VerifyError::Signature.to_string())),
    }
}

fn check_certificate(
    chain: &PeerCertificates,
    known: &Known,
    roots: &[Certificate],
    now: Timestamp,
) -> Result<(), NotAdmitted> {
    let refused = |what: String| NotAdmitted::Certificate { id: known.id.clone(), what };
    // As the original: modules have keys, which the runtime makes.
    if known.id.module.is_some() {
        return Err(refused("modules show tokens".to_owned()));
    }
    let own = chain.first().ok_or_else(|| NotAdmitted::Nothing { id: known.id.clone() })?;
    match &known.authentication {
        Authentication::SelfSigned(prints) => {
            let certificate = Certificate::parse(own).map_err(|error| refused(error.to_string()))?;
            if !certificate.is_valid_at(now) {
                return Err(refused("it does not count at this time".to_owned()));
            }
            let registered = [prints.primary(), prints.secondary()].into_iter().flatten();
            let mut readable = registered.filter_map(|print| print.as_str().parse::<Thumbprint>().ok());
            match readable.any(|print| print.matches(own)) {
                true => Ok(()),
                false => {
                    Err(refused(format!("its thumbprint {} is not registered", Thumbprint::sha256_of(own))))
                }
            }
        }
        Authentication::CertificateAuthority => {
            let anchors: Vec<&Certificate> = roots.iter().collect();
            check_chain(chain, known.id.device.as_str(), &anchors, now)
                .map_err(|error| refused(error.to_string()))
        }
        other => {
            let registered = other.kind().as_str();
            Err(NotAdmitted::OtherKind { id: known.id.clone(), registered })
        }
    }
}
