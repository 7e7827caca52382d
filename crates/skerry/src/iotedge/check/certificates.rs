//! Checks of certificates in files, and of the keys that belong to them.

use std::path::Path;

use skerry_edge_daemon::config::{
    Attestation, CertificatePlace, DeviceCertificate, DeviceCredential, EdgeCaConfig, EstAuth,
    IssuanceMethod, KeyPlace, Provisioning,
};
use skerry_keys::{CertificateStore, Chain, EDGE_CA, Preloaded, PublicKey, read_file};

use super::facts::Facts;
use super::{Outcome, settings};

/// Of devices that prove themselves by one.
pub fn identity(facts: &Facts) -> Outcome {
    let x509 = match &facts.config().provisioning {
        Provisioning::Manual { credential: DeviceCredential::X509(x509), .. } => x509,
        Provisioning::Dps(dps) => match &dps.attestation {
            Attestation::X509(x509) => x509,
            Attestation::SymmetricKey(_) | Attestation::Tpm => return Outcome::Ignored,
        },
        _ => return Outcome::Ignored,
    };
    let DeviceCertificate { certificate: CertificatePlace::File(path), .. } = x509 else {
        return Outcome::Ignored;
    };
    age(facts, path, "the device's certificate")
}

/// What certificates are asked for with.
pub fn est(facts: &Facts) -> Outcome {
    let config = facts.config();
    let of_edge_ca = match &config.edge_ca {
        EdgeCaConfig::Issued(issued) => match &issued.method {
            IssuanceMethod::Est { auth, .. } => Some(auth),
            _ => None,
        },
        _ => None,
    };
    let all: Vec<&EstAuth> = config.cert_issuance.est.iter().map(|est| &est.auth).chain(of_edge_ca).collect();
    Outcome::worst(all.into_iter().flat_map(|auth| {
        let of = |pair: &Option<(std::path::PathBuf, KeyPlace)>, what: &str| {
            pair.as_ref().map(|(certificate, _)| age(facts, certificate, what))
        };
        [of(&auth.identity, "the EST identity"), of(&auth.bootstrap, "the EST bootstrap identity")]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
    }))
}

pub fn local_ca(facts: &Facts) -> Outcome {
    match facts.config().cert_issuance.local_ca.as_ref().map(|local| &local.certificate) {
        Some(CertificatePlace::File(path)) => age(facts, path, "the local CA"),
        _ => Outcome::Ignored,
    }
}

pub fn edge_ca(facts: &Facts) -> Outcome {
    if let EdgeCaConfig::Preloaded { certificate, .. } = &facts.config().edge_ca {
        return age(facts, certificate, "the Edge CA");
    }
    let directory = facts.directories.for_daemon().certificates;
    if !directory.is_dir() {
        // The daemon makes it when it starts.
        return Outcome::Skipped;
    }
    let store = CertificateStore::open(directory, std::collections::BTreeMap::new());
    match store.and_then(|store| store.chain(EDGE_CA)) {
        Ok(Some(chain)) => expiry(facts, "the Edge CA", &chain),
        Ok(None) => Outcome::Skipped,
        Err(error) => Outcome::error(error.to_string()),
    }
}

/// Every certificate that the configuration names.
pub fn preloaded(facts: &Facts) -> Outcome {
    let config = facts.config();
    let named = config.named_certificates();
    let clashes = config.preloaded_certs.iter().filter(|(id, place)| named.get(*id) != Some(place)).map(|(id, _)| {
        Outcome::error(format!(
            "preloaded_certs.{id} is the id of a certificate that another part of the configuration names: give it \
             another id"
        ))
    });
    let files = named.iter().filter_map(|(id, place)| match place {
        Preloaded::File(path) => Some(age(facts, path, &format!("the certificate {id}"))),
        Preloaded::Bundle(_) => None,
    });
    Outcome::worst(clashes.chain(files))
}

pub fn est_https(facts: &Facts) -> Outcome {
    let Some(est) = &facts.config().cert_issuance.est else { return Outcome::Ignored };
    Outcome::worst(est.urls.iter().map(|(name, url)| {
        if url.to_ascii_lowercase().starts_with("https://") {
            return Outcome::Ok;
        }
        Outcome::warning(format!(
            "cert_issuance.est.urls.{name} is {url}, which anybody on the way can read and change: use https://"
        ))
    }))
}

pub fn match_keys(facts: &Facts) -> Outcome {
    let config = facts.config();
    let (keys, certificates) = (config.named_keys(), config.named_certificates());
    Outcome::worst(certificates.iter().filter_map(|(id, place)| {
        let (Preloaded::File(path), KeyPlace::File(key)) = (place, keys.get(id)?) else { return None };
        // What cannot be read is told by the checks that read it.
        let chain = Chain::from_pem(&read_file(path).ok()??, id).ok()?;
        let public = PublicKey::of_private_pem(&read_file(key).ok()??)?;
        Some(if chain.is_of(&public.bytes) {
            Outcome::Ok
        } else {
            Outcome::error(format!(
                "{} is no certificate of the key {}: give {id} a pair that belongs together",
                path.display(),
                key.display()
            ))
        })
    }))
}

/// Whether a file holds a certificate, and for how long it is good.
fn age(facts: &Facts, path: &Path, what: &str) -> Outcome {
    let pem = match read_file(path) {
        Ok(Some(pem)) => pem,
        Ok(None) => return Outcome::error(format!("{what} is not there: {}", path.display())),
        Err(error) => return Outcome::error(error.to_string()),
    };
    match Chain::from_pem(&pem, what) {
        Ok(chain) => expiry(facts, what, &chain),
        Err(error) => Outcome::error(format!("{}: {error}", path.display())),
    }
}

fn expiry(facts: &Facts, what: &str, chain: &Chain) -> Outcome {
    settings::expiry(what, chain.validity.not_before, chain.validity.not_after, facts.now)
}
