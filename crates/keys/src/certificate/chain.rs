//! A certificate with those above it, as PEM.

use std::str;

use skerry_model::Timestamp;
use x509_parser::pem::Pem;
use x509_parser::prelude::X509Certificate;

use super::CertificateError;
use crate::renewal::Validity;

/// No chain is longer.
const CERTIFICATES_MAX: usize = 64;

/// One certificate or more, the first of them is the one that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    certificates: Vec<Vec<u8>>,
    pem: String,
    pub validity: Validity,
    pub common_name: Option<String>,
    pub is_authority: bool,
    public_key: Vec<u8>,
}

impl Chain {
    /// `what` names the chain in errors.
    pub fn from_pem(pem: &[u8], what: &str) -> Result<Self, CertificateError> {
        let unreadable = || CertificateError::Unreadable { what: what.to_owned() };
        let mut certificates = Vec::new();
        for block in Pem::iter_from_buffer(pem) {
            let block = block.map_err(|_| unreadable())?;
            if block.label == "CERTIFICATE" {
                certificates.push(block.contents);
            }
        }
        if certificates.len() > CERTIFICATES_MAX {
            return Err(unreadable());
        }
        let text = str::from_utf8(pem).map_err(|_| unreadable())?;
        let mut pem = text.trim_end().to_owned();
        pem.push('\n');
        let first = certificates.first().ok_or_else(unreadable)?;
        let (_, first) = x509_parser::parse_x509_certificate(first).map_err(|_| unreadable())?;
        Ok(Self {
            pem,
            validity: validity(&first),
            common_name: common_name(&first),
            is_authority: first.is_ca(),
            public_key: first.public_key().subject_public_key.data.to_vec(),
            certificates,
        })
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// DER, the certificate itself first.
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// Whether the key with these public bytes belongs to the first certificate.
    pub fn is_of(&self, public_key: &[u8]) -> bool {
        self.public_key == public_key
    }

    /// Whether the first certificate carries a valid signature of `issuer`'s.
    pub fn is_below(&self, issuer: &Chain) -> bool {
        let (Some(own), Some(above)) = (self.certificates.first(), issuer.certificates.first()) else {
            return false;
        };
        let (Ok((_, own)), Ok((_, above))) =
            (x509_parser::parse_x509_certificate(own), x509_parser::parse_x509_certificate(above))
        else {
            return false;
        };
        own.issuer() == above.subject() && own.verify_signature(Some(above.public_key())).is_ok()
    }
}

fn validity(certificate: &X509Certificate<'_>) -> Validity {
    let moment = |time: x509_parser::time::ASN1Time| Timestamp::from_unix_seconds(time.timestamp());
    let validity = certificate.validity();
    Validity { not_before: moment(validity.not_before), not_after: moment(validity.not_after) }
}

fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let name = certificate.subject().iter_common_name().next()?;
    name.as_str().ok().map(str::to_owned)
}
