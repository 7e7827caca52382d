//! Key pairs: which kinds there are, how they are made, read and signed with.

use aws_lc_rs::digest::{Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize, SignatureAlgorithm};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::RSAPublicKey;
use zeroize::Zeroizing;

use crate::error::KeyError;

/// What a pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairAlgorithm {
    EcP256,
    Rsa2048,
    Rsa4096,
}

impl PairAlgorithm {
    /// The first known word of a list such as `ec-p256:rsa-2048:*`; the star is whatever we like best.
    pub fn preferred(list: &str) -> Option<Self> {
        list.split(':').find_map(|word| match word {
            "ec-p256" | "*" => Some(Self::EcP256),
            "rsa-2048" => Some(Self::Rsa2048),
            "rsa-4096" => Some(Self::Rsa4096),
            _ => None,
        })
    }
}

/// How a pair signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// ECDSA on P-256 with SHA-256, in ASN.1.
    EcdsaSha256,
    RsaPkcs1Sha256,
    RsaPssSha256,
}

/// By what a digest was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// Of its digests.
    pub fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// The public half of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub is_rsa: bool,
    /// What stands inside the bit string of a certificate's public key.
    pub bytes: Vec<u8>,
}

/// What a public key consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicParts {
    /// Big end first, without zeros before.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// On P-256, uncompressed.
    Ec { point: Vec<u8> },
}

impl PublicKey {
    /// The public half of a private key in PEM; `None` for what is none, or on another curve than P-256.
    pub fn of_private_pem(pem: &[u8]) -> Option<Self> {
        Pair::from_pem(pem).map(|pair| pair.public())
    }

    pub fn parts(&self) -> PublicParts {
        if !self.is_rsa {
            return PublicParts::Ec { point: self.bytes.clone() };
        }
        let (_, key) = RSAPublicKey::from_der(&self.bytes).expect("an RSA key shows itself as PKCS#1");
        let bare = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        PublicParts::Rsa { modulus: bare(key.modulus), exponent: bare(key.exponent) }
    }

    pub(crate) fn certificate_algorithm(&self) -> &'static SignatureAlgorithm {
        if self.is_rsa { &PKCS_RSA_SHA256 } else { &PKCS_ECDSA_P256_SHA256 }
    }

    pub(crate) fn certificate_scheme(&self) -> Scheme {
        if self.is_rsa { Scheme::RsaPkcs1Sha256 } else { Scheme::EcdsaSha256 }
    }
}

/// PEM, unencrypted PKCS#8.
pub(crate) fn generate(algorithm: PairAlgorithm) -> Result<rcgen::KeyPair, rcgen::Error> {
    match algorithm {
        PairAlgorithm::EcP256 => rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        PairAlgorithm::Rsa2048 => rcgen::KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        PairAlgorithm::Rsa4096 => rcgen::KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
    }
}

/// A private key in memory, for the length of one call.
pub(crate) enum Pair {
    Ec(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl Pair {
    /// PKCS#8, SEC1 or PKCS#1 in PEM; `None` for what is none of these, or on another curve.
    pub(crate) fn from_pem(pem: &[u8]) -> Option<Self> {
        for block in x509_parser::pem::Pem::iter_from_buffer(pem) {
            let block = block.ok()?;
            let bytes = Zeroizing::new(block.contents);
            return match block.label.as_str() {
                "PRIVATE KEY" => Self::from_pkcs8(&bytes),
                "EC PRIVATE KEY" => {
                    let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, &bytes);
                    pair.ok().map(Box::new).map(Self::Ec)
                }
                "RSA PRIVATE KEY" => RsaKeyPair::from_der(&bytes).ok().map(Box::new).map(Self::Rsa),
                // Parameters of a curve may stand before the key.
                "EC PARAMETERS" => continue,
                _ => None,
            };
        }
        None
    }

    fn from_pkcs8(bytes: &[u8]) -> Option<Self> {
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, bytes) {
            return Some(Self::Ec(Box::new(pair)));
        }
        RsaKeyPair::from_pkcs8(bytes).ok().map(Box::new).map(Self::Rsa)
    }

    pub(crate) fn public(&self) -> PublicKey {
        match self {
            Self::Ec(pair) => PublicKey { is_rsa: false, bytes: pair.public_key().as_ref().to_vec() },
            Self::Rsa(pair) => PublicKey { is_rsa: true, bytes: pair.public_key().as_ref().to_vec() },
        }
    }

    pub(crate) fn sign(&self, id: &str, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |_| KeyError::Library { what: "sign" };
        // ECDSA wants fresh randomness below each signature; the library brings its own.
        let random = SystemRandom::new();
        match (self, scheme) {
            (Self::Ec(pair), Scheme::EcdsaSha256) => {
                Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec())
            }
            (Self::Rsa(pair), Scheme::RsaPkcs1Sha256 | Scheme::RsaPssSha256) => {
                let padding: &'static dyn RsaEncoding =
                    if scheme == Scheme::RsaPssSha256 { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            (Self::Ec(_), _) => Err(KeyError::Scheme { id: id.to_owned(), is: "an elliptic curve's" }),
            (Self::Rsa(_), _) => Err(KeyError::Scheme { id: id.to_owned(), is: "RSA" }),
        }
    }

    pub(crate) fn sign_digest(&self, id: &str, hash: Hash, digest: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |_| KeyError::Library { what: "sign" };
        let (algorithm, padding): (_, &'static dyn RsaEncoding) = match hash {
            Hash::Sha256 => (&SHA256, &RSA_PKCS1_SHA256),
            Hash::Sha384 => (&SHA384, &RSA_PKCS1_SHA384),
            Hash::Sha512 => (&SHA512, &RSA_PKCS1_SHA512),
        };
        let digest = Digest::import_less_safe(digest, algorithm).map_err(failed)?;
        match self {
            Self::Ec(pair) if hash == Hash::Sha256 => {
                Ok(pair.sign_digest(&digest).map_err(failed)?.as_ref().to_vec())
            }
            Self::Ec(_) => Err(KeyError::Scheme { id: id.to_owned(), is: "an elliptic curve's" }),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(padding, &digest, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}
