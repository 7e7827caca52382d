//! Our own root: made once, trusted by hand on every device, and therefore long-lived; below it short server
//! certificates that nobody has to think about.
//!
//! Both use P-256, which every SDK's TLS takes, and carry what strict verifiers (Python's since 3.13) insist
//! on: critical basic constraints and key usage on the root, key identifiers on both, names as subject
//! alternative names. Private keys come from the crypto library's generator; serials and times from the
//! caller.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use skerry_model::{Random, Timestamp};

use super::server::validity_of;

/// How long a server certificate lives; it is renewed when a third is left.
pub const SERVER_LIFETIME: Duration = days(90);
const ROOT_LIFETIME: Duration = days(20 * 365);
/// Devices' clocks are behind more often than they should be.
const BACKDATED: Duration = Duration::from_secs(3600);
/// 2026-01-01: a machine that believes to live earlier has lost its clock, and its root must not expire
/// before the clock is found again.
const EARLIEST_UNIX_SECONDS: i64 = 1_767_225_600;
/// X.509's bound for a common name.
const COMMON_NAME_CHARS_MAX: usize = 64;

const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

/// A root certificate with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    not_after: Timestamp,
}

/// A new certificate and its key, as PEM.
pub struct Issued {
    pub certificate_pem: String,
    pub key_pem: String,
}

impl Authority {
    /// A new root for the hub or edge called `name`, and its PEM texts to keep.
    pub fn create(name: &str, now: Timestamp, random: &dyn Random) -> Result<(Self, Issued), AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&format!("Skerry root CA of {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial(random));
        let not_after = now.max(Timestamp::from_unix_seconds(EARLIEST_UNIX_SECONDS)).plus(ROOT_LIFETIME);
        set_validity(&mut params, now, not_after);
        let failed = |source| AuthorityError::Make { source };
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        let issued = Issued { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() };
        let certificate = certificate.der().clone();
        Ok((Self { issuer: Issuer::new(params, key), certificate, not_after }, issued))
    }

    /// A root that was kept. The first certificate of the text is taken.
    pub fn from_pem(certificate_pem: &[u8], key_pem: &[u8]) -> Result<Self, AuthorityError> {
        let certificate =
            CertificateDer::from_pem_slice(certificate_pem).map_err(|_| AuthorityError::Certificate)?;
        let key = std::str::from_utf8(key_pem).map_err(|_| AuthorityError::Key)?;
        let key = KeyPair::from_pem(key).map_err(|_| AuthorityError::Key)?;
        let parsed = x509_parser::parse_x509_certificate(&certificate);
        let (_, parsed) = parsed.map_err(|_| AuthorityError::Certificate)?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(AuthorityError::Mismatch);
        }
        let (_, not_after) = validity_of(&certificate).ok_or(AuthorityError::Certificate)?;
        let issuer =
            Issuer::from_ca_cert_der(&certificate, key).map_err(|source| AuthorityError::Make { source })?;
        Ok(Self { issuer, certificate, not_after })
    }

    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A server certificate for all names and addresses, never outliving the root.
    pub fn issue(
        &self,
        names: &[String],
        ips: &[IpAddr],
        lifetime: Duration,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Issued, AuthorityError> {
        if self.not_after <= now {
            return Err(AuthorityError::Expired { at: self.not_after });
        }
        let mut params = CertificateParams::default();
        for name in names {
            let text = name.as_str().try_into();
            let text = text.map_err(|_| AuthorityError::Name { name: name.clone() })?;
            params.subject_alt_names.push(SanType::DnsName(text));
        }
        params.subject_alt_names.extend(ips.iter().copied().map(SanType::IpAddress));
        let first = names.first().cloned().or_else(|| ips.first().map(IpAddr::to_string));
        params.distinguished_name = common_name(&first.ok_or(AuthorityError::NoName)?);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial(random));
        set_validity(&mut params, now, now.plus(lifetime).min(self.not_after));
        let failed = |source| AuthorityError::Make { source };
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Issued { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text.chars().take(COMMON_NAME_CHARS_MAX).collect::<String>());
    name
}

/// 16 random bytes, positive and without leading zero, so that the encoding needs no care.
fn serial(random: &dyn Random) -> SerialNumber {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn set_validity(params: &mut CertificateParams, now: Timestamp, not_after: Timestamp) {
    let epoch = date_time_ymd(1970, 1, 1);
    let since_epoch = |moment: Timestamp| moment.since(Timestamp::from_unix_seconds(0));
    params.not_before = epoch + since_epoch(now).saturating_sub(BACKDATED);
    params.not_after = epoch + since_epoch(not_after);
}

#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("a server certificate needs a name: give at least one host name or address")]
    NoName,
    #[error("{name:?} cannot stand in a certificate: use the ASCII form of the host name")]
    Name { name: String },
    #[error("the root certificate is not readable as PEM: restore it from a backup")]
    Certificate,
    #[error("the root's key is not readable as PEM: restore it from a backup")]
    Key,
    #[error("the root's key belongs to another certificate: restore both from the same backup")]
    Mismatch,
    #[error(
        "the root certificate expired at {at}: move it and its key away to get a new root, which every device then has to trust"
    )]
    Expired { at: Timestamp },
    #[error("cannot make a certificate: {source}")]
    Make { source: rcgen::Error },
}
