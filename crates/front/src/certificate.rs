//! Certificates of clients, read: names, times, and who signed whom. Whom to trust is decided where
//! devices are known.

use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs};
use skerry_model::Timestamp;
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Version};

use crate::tls::der::inside_sequence;

/// A certificate that was taken apart.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub der: Vec<u8>,
    /// For people.
    pub subject: String,
    /// The first common name of the subject.
    pub common_name: Option<String>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// It says of itself that it may sign others, and how many of those may stand below it.
    pub authority: Option<CertificateAuthority>,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    /// The information about its key.
    key_info: Vec<u8>,
    key: Vec<u8>,
    signed: Vec<u8>,
    signature_algorithm: Vec<u8>,
    signature: Vec<u8>,
}

/// What a certificate of an authority allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateAuthority {
    pub below_max: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate cannot be read: {what}")]
pub struct CertificateUnreadable {
    pub what: String,
}

impl Certificate {
    pub fn parse(der: &[u8]) -> Result<Self, CertificateUnreadable> {
        let unreadable = |what: &dyn std::fmt::Display| CertificateUnreadable { what: what.to_string() };
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| unreadable(&error))?;
        if !rest.is_empty() {
            return Err(unreadable(&"bytes follow it"));
        }
        let own = &parsed.tbs_certificate;
        let common_name = own.subject.iter_common_name().next().and_then(|name| name.as_str().ok());
        let time = |time: x509_parser::time::ASN1Time| Timestamp::from_unix_seconds(time.timestamp());
        let constraints = own.basic_constraints().map_err(|error| unreadable(&error))?;
        let authority = constraints
            .map(|constraints| constraints.value)
            .filter(|constraints| constraints.ca && own.version == X509Version::V3)
            .map(|constraints| CertificateAuthority { below_max: constraints.path_len_constraint });
        // The outer sequence holds what is signed, the algorithm, the signature.
        let behind = inside_sequence(der).and_then(|outer| outer.get(own.as_ref().len()..));
        let algorithm = behind
            .and_then(inside_sequence)
            .ok_or_else(|| unreadable(&"its signature algorithm is not where it belongs"))?;
        Ok(Self {
            der: der.to_vec(),
            subject: own.subject.to_string(),
            common_name: common_name.map(str::to_owned),
            not_before: time(own.validity.not_before),
            not_after: time(own.validity.not_after),
            authority,
            subject_der: own.subject.as_raw().to_vec(),
            issuer_der: own.issuer.as_raw().to_vec(),
            key_info: own.subject_pki.raw.to_vec(),
            key: own.subject_pki.subject_public_key.data.to_vec(),
            signed: own.as_ref().to_vec(),
            signature_algorithm: algorithm.to_vec(),
            signature: parsed.signature_value.data.to_vec(),
        })
    }

    /// Whether `issuer` is named as the issuer and its key made the signature.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        self.issuer_der == issuer.subject_der && self.is_signed_with_key_of(issuer)
    }

    fn is_signed_with_key_of(&self, issuer: &Self) -> bool {
        let Some(key_algorithm) = inside_sequence(&issuer.key_info).and_then(inside_sequence) else {
            return false;
        };
        algorithms().all.iter().any(|algorithm| {
            algorithm.signature_alg_id().as_ref() == self.signature_algorithm
                && algorithm.public_key_alg_id().as_ref() == key_algorithm
                && algorithm.verify_signature(&issuer.key, &self.signed, &self.signature).is_ok()
        })
    }

    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Whether it is its own issuer.
    pub fn is_root(&self) -> bool {
        self.is_signed_by(self)
    }
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    aws_lc_rs::default_provider().signature_verification_algorithms
}
