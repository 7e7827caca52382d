//! How the device proves itself to the hub: tokens signed by its key, or its certificate in TLS. The keys
//! stay in their store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use skerry_keys::{CertificateStore, KeyError, KeyStore, Scheme, Symmetric};
use skerry_model::Clock;
use skerry_tokens::{Claim, resource};
use tokio::task::spawn_blocking;

use super::CloudError;

/// The original's name of the device's key and certificate.
pub const DEVICE_KEY: &str = "device-id";

/// Long enough for one request.
const TOKEN_LIFE: Duration = Duration::from_secs(30);
/// All but the unreserved characters, as the SDKs encode.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the device has to show.
#[derive(Clone)]
pub enum Proof {
    Key {
        keys: Arc<dyn KeyStore>,
        audience: String,
        clock: Arc<dyn Clock>,
    },
    /// Shown in TLS; requests carry nothing.
    Certificate(Arc<CertifiedKey>),
}

impl Proof {
    /// Signs for the device with the key `device-id`.
    pub fn key(keys: Arc<dyn KeyStore>, hub: &str, device: &str, clock: Arc<dyn Clock>) -> Self {
        Self::Key { keys, audience: resource(hub, Claim::Device(device)), clock }
    }

    /// Shows the certificate `device-id`. Touches the disk: call it before serving.
    pub fn certificate(keys: Arc<dyn KeyStore>, certificates: &CertificateStore) -> Result<Self, ProofError> {
        let chain =
            certificates.chain(DEVICE_KEY).map_err(|error| ProofError::Certificate(Box::new(error)))?;
        let chain = chain.ok_or(ProofError::Missing)?;
        let public = keys.public_key(DEVICE_KEY)?;
        if !chain.is_of(&public.bytes) {
            return Err(ProofError::Mismatch);
        }
        let key = StoredKey { keys, is_rsa: public.is_rsa };
        let chain = chain.certificates().iter().map(|der| CertificateDer::from(der.clone())).collect();
        Ok(Self::Certificate(Arc::new(CertifiedKey::new(chain, Arc::new(key)))))
    }

    /// What goes into the request's head.
    pub(super) async fn token(&self) -> Result<Option<String>, CloudError> {
        let Self::Key { keys, audience, clock } = self else { return Ok(None) };
        let resource = utf8_percent_encode(audience, ENCODED).to_string();
        let expiry = clock.now().plus(TOKEN_LIFE).unix_seconds();
        let (keys, signed) = (Arc::clone(keys), format!("{resource}\n{expiry}"));
        // The key may be in a chip that takes its time.
        let signature =
            spawn_blocking(move || keys.sign(Symmetric::Named(DEVICE_KEY), signed.as_bytes())).await;
        let signature = match signature {
            Ok(Ok(signature)) => STANDARD.encode(signature),
            Ok(Err(error)) => return Err(CloudError::Proof { what: error.to_string() }),
            Err(_) => return Err(CloudError::Proof { what: "signing broke off".to_owned() }),
        };
        let signature = utf8_percent_encode(&signature, ENCODED);
        Ok(Some(format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}")))
    }

    pub fn is_certificate(&self) -> bool {
        matches!(self, Self::Certificate(_))
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_certificate() { "Proof(certificate)" } else { "Proof(key)" })
    }
}

/// The device's credential cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error("the device's certificate: {0}")]
    Certificate(Box<skerry_keys::CertificateError>),
    #[error("there is no certificate of the device: check identity_cert in [provisioning.authentication]")]
    Missing,
    #[error("identity_pk is not the key of identity_cert: put both files of the same renewal in place")]
    Mismatch,
    #[error("the device's key: {0}")]
    Key(#[from] KeyError),
}

/// The device's private key as TLS uses it.
#[derive(Clone)]
struct StoredKey {
    keys: Arc<dyn KeyStore>,
    is_rsa: bool,
}

impl SigningKey for StoredKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let known: &[(SignatureScheme, Scheme)] = if self.is_rsa {
            &[
                (SignatureScheme::RSA_PSS_SHA256, Scheme::RsaPssSha256),
                (SignatureScheme::RSA_PKCS1_SHA256, Scheme::RsaPkcs1Sha256),
            ]
        } else {
            &[(SignatureScheme::ECDSA_NISTP256_SHA256, Scheme::EcdsaSha256)]
        };
        let (tls, scheme) = *known.iter().find(|(tls, _)| offered.contains(tls))?;
        Some(Box::new(StoredSigner { key: self.clone(), tls, scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        if self.is_rsa { SignatureAlgorithm::RSA } else { SignatureAlgorithm::ECDSA }
    }
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredKey")
    }
}

#[derive(Debug)]
struct StoredSigner {
    key: StoredKey,
    tls: SignatureScheme,
    scheme: Scheme,
}

impl Signer for StoredSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let signed = self.key.keys.sign_with_pair(DEVICE_KEY, self.scheme, message);
        signed.map_err(|error| rustls::Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.tls
    }
}

/// Shows the certificate to whoever asks for one.
#[derive(Debug)]
pub(super) struct Shown(pub(super) Arc<CertifiedKey>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
