//! A server certificate with its key as loaded from two files: is it whole, how long is it good, and is it
//! the one that is wanted.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use skerry_model::Timestamp;
use x509_parser::extensions::GeneralName;

/// Changes when the text of either file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of(certificate_pem: &[u8], key_pem: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        (certificate_pem, key_pem).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What is shown to clients.
pub(super) struct ServerCertificate {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) fingerprint: Fingerprint,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl ServerCertificate {
    pub(super) fn from_pem(
        certificate_pem: &[u8],
        key_pem: &[u8],
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate_pem).collect();
        let chain = chain.map_err(|_| CertificateError::Certificate)?;
        let first = chain.first().ok_or(CertificateError::Certificate)?;
        let (not_before, not_after) = validity_of(first).ok_or(CertificateError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| CertificateError::Key)?;
        let key = provider.key_provider.load_private_key(key).map_err(|_| CertificateError::Key)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(CertificateError::Mismatch),
        }
        let fingerprint = Fingerprint::of(certificate_pem, key_pem);
        Ok(Self { certified: Arc::new(certified), fingerprint, not_before, not_after })
    }

    /// Whether a third of its life or less is left, or it has not begun: a clock that was wrong when the
    /// certificate was made.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let life: Duration = self.not_after.since(self.not_before);
        now < self.not_before || self.not_after.since(now) <= life / 3
    }

    /// Whether a client that trusts `root` takes it for every name and address, and it carries no others.
    pub(super) fn is_for(
        &self,
        names: &[String],
        ips: &[IpAddr],
        root: &CertificateDer<'static>,
        now: Timestamp,
        provider: &Arc<CryptoProvider>,
    ) -> bool {
        self.carries_exactly(names, ips) == Some(true)
            && self.is_taken_by_clients(names, ips, root, now, provider).is_some()
    }

    fn carries_exactly(&self, names: &[String], ips: &[IpAddr]) -> Option<bool> {
        let leaf = self.certified.cert.first()?;
        let (_, leaf) = x509_parser::parse_x509_certificate(leaf).ok()?;
        let carried = leaf.subject_alternative_name().ok()??;
        let carried: BTreeSet<String> = carried.value.general_names.iter().map(written).collect();
        let wanted = names.iter().map(|name| name.to_ascii_lowercase());
        let wanted: BTreeSet<String> = wanted.chain(ips.iter().map(IpAddr::to_string)).collect();
        Some(carried == wanted)
    }

    fn is_taken_by_clients(
        &self,
        names: &[String],
        ips: &[IpAddr],
        root: &CertificateDer<'static>,
        now: Timestamp,
        provider: &Arc<CryptoProvider>,
    ) -> Option<()> {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).ok()?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let verifier = verifier.build().ok()?;
        let (leaf, intermediates) = self.certified.cert.split_first()?;
        let now = UnixTime::since_unix_epoch(now.since(Timestamp::from_unix_seconds(0)));
        let names = names.iter().map(|name| ServerName::try_from(name.as_str()).ok());
        let ips = ips.iter().map(|ip| Some(ServerName::from(*ip)));
        for name in names.chain(ips) {
            verifier.verify_server_cert(leaf, intermediates, &name?, &[], now).ok()?;
        }
        Some(())
    }
}

fn written(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => name.to_ascii_lowercase(),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .map_or_else(|_| name.to_string(), |ip| ip.to_string()),
        other => other.to_string(),
    }
}

/// From when until when a certificate is good.
pub(super) fn validity_of(certificate: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let moment = |time: x509_parser::time::ASN1Time| Timestamp::from_unix_seconds(time.timestamp());
    Some((moment(parsed.validity().not_before), moment(parsed.validity().not_after)))
}

/// The two files do not make a server certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("no certificate is readable in it: write the chain as PEM, the server's certificate first")]
    Certificate,
    #[error("no usable key is readable in it: write it as unencrypted PEM (PKCS#8, SEC1 or PKCS#1)")]
    Key,
    #[error("the key does not belong to the certificate: put both files of the same renewal in place")]
    Mismatch,
    #[error("the certificate expired at {at}: put a renewed one in place")]
    Expired { at: Timestamp },
}
