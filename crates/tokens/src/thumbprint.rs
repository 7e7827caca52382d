//! Thumbprints of client certificates: SHA-1 or SHA-256 of the DER, in hexadecimal.
//!
//! People paste them from many tools: with colons or spaces, in either case. Inside there is one form. SHA-1
//! is taken because registries hold such thumbprints; it identifies a certificate that an operator named, it
//! signs nothing.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

/// Written in upper-case hexadecimal without separators, as Azure shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thumbprint {
    Sha1([u8; 20]),
    Sha256([u8; 32]),
}

impl Thumbprint {
    /// The SHA-256 thumbprint of a certificate in DER.
    pub fn sha256_of(certificate_der: &[u8]) -> Self {
        let hash = digest(&SHA256, certificate_der);
        Self::Sha256(hash.as_ref().try_into().expect("SHA-256 gives 32 bytes"))
    }

    /// Whether this is the thumbprint of the certificate.
    pub fn matches(&self, certificate_der: &[u8]) -> bool {
        match self {
            Self::Sha1(expected) => digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate_der).as_ref() == expected,
            Self::Sha256(expected) => digest(&SHA256, certificate_der).as_ref() == expected,
        }
    }
}

impl FromStr for Thumbprint {
    type Err = ThumbprintError;

    fn from_str(text: &str) -> Result<Self, ThumbprintError> {
        let mut bytes = [0_u8; 32];
        let mut digits = 0;
        for c in text.chars().filter(|c| !matches!(c, ':' | ' ')) {
            let digit = c.to_digit(16).ok_or(ThumbprintError::NotHex { found: c })?;
            if let Some(byte) = bytes.get_mut(digits / 2) {
                *byte = *byte << 4 | u8::try_from(digit).unwrap_or_default();
            }
            digits += 1;
        }
        match digits {
            40 => {
                let (sha1, _) = bytes.split_first_chunk().expect("32 bytes hold 20");
                Ok(Self::Sha1(*sha1))
            }
            64 => Ok(Self::Sha256(bytes)),
            _ => Err(ThumbprintError::Length { digits }),
        }
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: &[u8] = match self {
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        };
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThumbprintError {
    #[error("{found:?} is not a hexadecimal digit: a thumbprint is 40 (SHA-1) or 64 (SHA-256) of them")]
    NotHex { found: char },
    #[error("the thumbprint has {digits} hexadecimal digits: it needs 40 (SHA-1) or 64 (SHA-256)")]
    Length { digits: usize },
}
