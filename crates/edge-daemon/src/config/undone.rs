//! What the schema has and nobody here does yet. It is taken, so that files of the original can be read, and said
//! plainly: what the device cannot start with refuses an apply, the rest warns.

use super::Config;
use super::certificates::{CertificatePlace, EdgeCaConfig, IssuanceMethod};
use super::provisioning::{DeviceCredential, Provisioning};
use super::reader::Reader;
use super::uri::KeyPlace;

/// The device cannot start with this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undone {
    #[error(
        "provisioning by DPS is not supported yet: write source = \"manual\" into [provisioning], then apply"
    )]
    Dps,
    #[error("the key {id} lies in a PKCS#11 token, which is not supported yet: name a file instead")]
    Pkcs11 { id: String },
    #[error("{what} cannot be issued by {method} yet: name files instead")]
    Issuance { what: &'static str, method: &'static str },
}

impl Undone {
    /// Which table of the configuration asks for it.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Dps | Self::Issuance { what: DEVICE, .. } => "provisioning",
            Self::Pkcs11 { .. } => "preloaded_keys",
            Self::Issuance { what: LOCAL_CA, .. } => "cert_issuance",
            Self::Issuance { .. } => "edge_ca",
        }
    }
}

const DEVICE: &str = "the device's certificate";
const LOCAL_CA: &str = "the local CA";
const EDGE_CA: &str = "the Edge CA";

impl Config {
    /// Whether the device can start with it.
    pub fn supported(&self) -> Result<(), Undone> {
        match &self.provisioning {
            Provisioning::Dps(_) => return Err(Undone::Dps),
            Provisioning::Manual { credential: DeviceCredential::X509(x509), .. } => {
                if let CertificatePlace::Issued(issuance) = &x509.certificate {
                    return Err(Undone::Issuance { what: DEVICE, method: name(&issuance.method) });
                }
            }
            Provisioning::Manual { .. } | Provisioning::Off => {}
        }
        if let Some((id, _)) =
            self.named_keys().into_iter().find(|(_, place)| matches!(place, KeyPlace::Pkcs11(_)))
        {
            return Err(Undone::Pkcs11 { id });
        }
        let EdgeCaConfig::Issued(issued) = &self.edge_ca else { return Ok(()) };
        let local = self.cert_issuance.local_ca.as_ref().map(|local| &local.certificate);
        match (&issued.method, local) {
            (IssuanceMethod::Est { .. }, _) => Err(Undone::Issuance { what: EDGE_CA, method: "EST" }),
            (IssuanceMethod::LocalCa { .. }, Some(CertificatePlace::Issued(by))) => {
                Err(Undone::Issuance { what: LOCAL_CA, method: name(&by.method) })
            }
            _ => Ok(()),
        }
    }
}

fn name(method: &IssuanceMethod) -> &'static str {
    match method {
        IssuanceMethod::Est { .. } => "EST",
        IssuanceMethod::LocalCa { .. } => "a local CA",
        IssuanceMethod::SelfSigned { .. } => "itself",
    }
}

/// What has no effect, at its place.
pub(super) fn warn(root: &Reader<'_>, config: &Config) {
    let all = [
        ("tpm", "has no effect yet: there is no service for a TPM"),
        ("localid", "has no effect yet: only identities of the hub are given"),
        ("aziot_keys", "has no effect yet: keys are files"),
        ("watchdog", "has no effect: the agent is a part of the daemon, which systemd starts again"),
    ];
    for (key, text) in all {
        if let Some(found) = root.value(key) {
            root.warn(found.offset, key, text);
        }
    }
    if config.cert_issuance.est.is_some()
        && let Some(found) = root.value("cert_issuance")
    {
        root.warn(found.offset, "cert_issuance.est", "has no effect yet: no certificate is asked for by EST");
    }
    if let Err(undone) = config.supported()
        && let Some(found) = root.value(undone.key())
    {
        root.warn(found.offset, undone.key(), format!("cannot be applied: {undone}"));
    }
}
