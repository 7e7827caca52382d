//! Making certificates: what stands in each kind, signed by a key that stays in its store.
//!
//! All carry what strict verifiers insist on: random positive serials, key identifiers on both sides,
//! critical basic constraints and key usage where there is an authority.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, SigningKey,
    date_time_ymd,
};
use skerry_model::{Random, Timestamp};
use zeroize::Zeroizing;

use super::{CertificateError, Chain, Subject};
use crate::error::KeyError;
use crate::pair::{self, PairAlgorithm, PublicKey};
use crate::store::KeyStore;

/// Clocks of those who verify are behind more often than they should be.
const BACKDATED: Duration = Duration::from_secs(3600);

/// A new certificate with its key, for a module that keeps both in memory.
#[derive(Debug)]
pub struct Issued {
    /// PKCS#8 in PEM.
    pub key_pem: Zeroizing<String>,
    /// The certificate, then its issuer's chain.
    pub chain_pem: String,
    pub not_after: Timestamp,
}

/// What a module wants to be known as.
#[derive(Clone, Debug)]
pub struct ServerRequest {
    pub common_name: String,
    /// Host names and addresses besides it; doubles are dropped.
    pub names: Vec<String>,
    pub algorithm: PairAlgorithm,
}

/// The key of an issuer.
pub(super) struct StoredKey<'a> {
    store: &'a dyn KeyStore,
    id: &'a str,
    public: PublicKey,
}

impl<'a> StoredKey<'a> {
    pub(super) fn new(store: &'a dyn KeyStore, id: &'a str) -> Result<Self, KeyError> {
        Ok(Self { store, id, public: store.public_key(id)? })
    }
}

impl PublicKeyData for StoredKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.public.bytes
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.public.certificate_algorithm()
    }
}

impl SigningKey for StoredKey<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let scheme = self.public.certificate_scheme();
        self.store.sign_with_pair(self.id, scheme, message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// The kinds of certificates that are made here.
pub(super) enum Kind {
    Root,
    /// Issues for this device only: nothing that issues hangs below it.
    EdgeCa,
    Server {
        names: Vec<String>,
    },
    /// A client; the text stands where the original puts it.
    Client {
        text: String,
    },
}

pub(super) fn params(
    kind: Kind,
    subject: &Subject,
    now: Timestamp,
    not_after: Timestamp,
    random: &dyn Random,
) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject.name();
    params.use_authority_key_identifier_extension = true;
    set_life(&mut params, now, not_after, random);
    match kind {
        Kind::Root => {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        }
        Kind::EdgeCa => {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        }
        Kind::Server { names } => {
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.subject_alt_names = alternative_names(names)?;
        }
        Kind::Client { text } => {
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.subject_alt_names = vec![SanType::DnsName(ia5(text)?)];
        }
    }
    Ok(params)
}

/// A certificate with a key of its own below `chain`, whose key is `issuer`.
pub(super) fn issue(
    params: &CertificateParams,
    algorithm: PairAlgorithm,
    chain: &Chain,
    issuer: StoredKey<'_>,
    not_after: Timestamp,
) -> Result<Issued, CertificateError> {
    let failed = |source| CertificateError::Make { source };
    let key = pair::generate(algorithm).map_err(failed)?;
    let certificate = params.signed_by(&key, &issuer_of(chain, issuer)?).map_err(failed)?;
    let key_pem = Zeroizing::new(key.serialize_pem());
    Ok(Issued { key_pem, chain_pem: format!("{}{}", certificate.pem(), chain.pem()), not_after })
}

pub(super) fn issuer_of<'a>(
    chain: &Chain,
    key: StoredKey<'a>,
) -> Result<Issuer<'static, StoredKey<'a>>, CertificateError> {
    let first = chain.certificates().first().expect("a chain has a first certificate");
    Issuer::from_ca_cert_der(&first.as_slice().into(), key)
        .map_err(|source| CertificateError::Make { source })
}

/// Signs somebody's request; what it asks for is kept, its time is ours to say.
pub(super) fn sign_request(
    csr_pem: &str,
    chain: &Chain,
    issuer: StoredKey<'_>,
    now: Timestamp,
    not_after: Timestamp,
    random: &dyn Random,
) -> Result<String, CertificateError> {
    let mut request =
        CertificateSigningRequestParams::from_pem(csr_pem).map_err(|_| CertificateError::Request)?;
    if matches!(request.params.is_ca, IsCa::Ca(_)) {
        return Err(CertificateError::Request);
    }
    request.params.use_authority_key_identifier_extension = true;
    set_life(&mut request.params, now, not_after, random);
    let certificate = request.signed_by(&issuer_of(chain, issuer)?);
    Ok(certificate.map_err(|source| CertificateError::Make { source })?.pem())
}

fn set_life(params: &mut CertificateParams, now: Timestamp, not_after: Timestamp, random: &dyn Random) {
    let epoch = date_time_ymd(1970, 1, 1);
    let since_epoch = |moment: Timestamp| moment.since(Timestamp::from_unix_seconds(0));
    params.not_before = epoch + since_epoch(now).saturating_sub(BACKDATED);
    params.not_after = epoch + since_epoch(not_after);
    let mut serial = [0; 16];
    random.fill(&mut serial);
    // Positive and without leading zero, so that the encoding needs no care.
    serial[0] = serial[0] & 0x3f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
}

fn alternative_names(names: Vec<String>) -> Result<Vec<SanType>, CertificateError> {
    let mut out: Vec<SanType> = Vec::new();
    for name in names {
        let kind = match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(ia5(name)?),
        };
        if !out.contains(&kind) {
            out.push(kind);
        }
    }
    Ok(out)
}

fn ia5(text: String) -> Result<Ia5String, CertificateError> {
    Ia5String::try_from(text.as_str()).map_err(|_| CertificateError::Name { name: text })
}
