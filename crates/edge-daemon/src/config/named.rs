//! Keys and certificates that lie in files of the operator's, by the ids under which the services know them.

use std::collections::BTreeMap;

use skerry_keys::{EDGE_CA, Preloaded};

use super::Config;
use super::certificates::{CertificatePlace, EdgeCaConfig};
use super::provisioning::{DeviceCertificate, DeviceCredential, KeySource, Provisioning};
use super::uri::KeyPlace;
use crate::cloud::DEVICE_KEY;

/// The authority that is named for issuing others.
pub(crate) const LOCAL_CA: &str = "local-ca";

impl Config {
    pub fn named_keys(&self) -> BTreeMap<String, KeyPlace> {
        let mut places = self.preloaded_keys.clone();
        let mut name = |id: &str, place: &KeyPlace| places.insert(id.to_owned(), place.clone());
        if let Provisioning::Manual { credential, .. } = &self.provisioning {
            match credential {
                DeviceCredential::Sas(KeySource::At(place)) => {
                    name(DEVICE_KEY, place);
                }
                DeviceCredential::Sas(KeySource::Inline(_)) => {}
                DeviceCredential::X509(x509) => {
                    if let DeviceCertificate { certificate: CertificatePlace::File(_), key: Some(key) } = x509
                    {
                        name(DEVICE_KEY, key);
                    }
                }
            }
        }
        if let EdgeCaConfig::Preloaded { key, .. } = &self.edge_ca {
            name(EDGE_CA, key);
        }
        if let Some(local) = &self.cert_issuance.local_ca
            && let (CertificatePlace::File(_), Some(key)) = (&local.certificate, &local.key)
        {
            name(LOCAL_CA, key);
        }
        places
    }

    pub fn named_certificates(&self) -> BTreeMap<String, Preloaded> {
        let mut places = self.preloaded_certs.clone();
        let mut name = |id: &str, path: &std::path::Path| {
            places.insert(id.to_owned(), Preloaded::File(path.to_owned()));
        };
        if let Provisioning::Manual { credential: DeviceCredential::X509(x509), .. } = &self.provisioning
            && let DeviceCertificate { certificate: CertificatePlace::File(path), key: Some(_) } = x509
        {
            name(DEVICE_KEY, path);
        }
        if let EdgeCaConfig::Preloaded { certificate, .. } = &self.edge_ca {
            name(EDGE_CA, certificate);
        }
        if let Some(local) = &self.cert_issuance.local_ca
            && let (CertificatePlace::File(path), Some(_)) = (&local.certificate, &local.key)
        {
            name(LOCAL_CA, path);
        }
        places
    }
}
