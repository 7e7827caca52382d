//! From a configuration to keys, certificates and the way to the hub. Touches the disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use skerry_keys::{
    CaSource, CertificateStore, EdgeCa, EdgeCaOptions, FileKeyStore, FileOptions, IDENTITY_MASTER_KEY,
    KeyStore, LocalCa, MASTER_ENCRYPTION_KEY, Preloaded, Subject, TrustBundle, read_file,
};
use skerry_model::DeviceId;
use skerry_tokens::Host;
use zeroize::Zeroizing;

use crate::cloud::{
    Clocks, Cloud, CloudOptions, DEVICE_KEY, Https, HttpsOptions, Proof, client_config, trusted_roots,
};
use crate::config::{
    Config, DeviceCredential, EdgeCaConfig, IssuanceMethod, KeyPlace, KeySource, LOCAL_CA, Provisioning,
    Undone,
};
use crate::identities::{Device, Identities, IdentitiesOptions, IdentityCache};
use crate::options::Options;
use crate::outcome::StartError;

/// X.509's bound, with what stands before the device's id.
const COMMON_NAME_CHARS_MAX: usize = 64;

/// What the APIs work with.
pub(crate) struct Prepared {
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) certificates: Arc<CertificateStore>,
    pub(crate) edge_ca: Arc<EdgeCa>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) clocks: Arc<Clocks>,
    pub(crate) trust: TrustBundle,
    pub(crate) additional: Map<String, Value>,
}

pub(crate) fn prepare(options: &Options) -> Result<Prepared, StartError> {
    let config = &options.config;
    config.supported()?;
    let (hub, device, credential) = match &config.provisioning {
        Provisioning::Manual { hub, device, credential } => (hub, device, credential),
        Provisioning::Dps(_) => return Err(Undone::Dps.into()),
        Provisioning::Off => return Err(StartError::NotProvisioned),
    };
    let (key_files, certificate_files) = preloaded(config)?;
    let keys: Arc<dyn KeyStore> = Arc::new(FileKeyStore::open(FileOptions {
        directory: options.places.keys.clone(),
        preloaded: key_files,
        owner: options.uid,
        random: Arc::clone(&options.random),
    })?);
    // From the first start on, whoever registers a module first.
    keys.make_key(IDENTITY_MASTER_KEY)?;
    let certificates =
        Arc::new(CertificateStore::open(options.places.certificates.clone(), certificate_files)?);
    let proof = proof(options, &keys, &certificates, hub, device, credential)?;
    let edge_ca = Arc::new(EdgeCa::open(EdgeCaOptions {
        source: ca_source(config, device)?,
        keys: Arc::clone(&keys),
        certificates: Arc::clone(&certificates),
        device: device.to_string(),
        clock: Arc::clone(&options.clock),
        random: Arc::clone(&options.random),
    })?);
    let gateway = config.parent_hostname.clone().unwrap_or_else(|| hub.clone());
    let device = Device { hub: hub.clone(), gateway, id: device.clone(), is_x509: proof.is_certificate() };
    let clocks = Arc::new(Clocks::new(Arc::clone(&options.clock)));
    let identities = Arc::new(Identities::open(IdentitiesOptions {
        cloud: cloud(options, &device, proof, &clocks)?,
        keys: Arc::clone(&keys),
        cache: IdentityCache::open(&options.places.identities, device.hub.name(), &device.id)?,
        prefers_cache: config.prefer_module_identity_cache,
        device,
    })?);
    let trust = TrustBundle {
        user: config.trust_bundle_cert.clone(),
        manifest: config.own.manifest_trust_bundle_cert.clone(),
    };
    Ok(Prepared {
        keys,
        certificates,
        edge_ca,
        identities,
        clocks,
        trust,
        additional: additional_info(config)?,
    })
}

type Files = (BTreeMap<String, PathBuf>, BTreeMap<String, Preloaded>);

/// Keys and certificates that the operator names.
fn preloaded(config: &Config) -> Result<Files, StartError> {
    let (places, certificates) = (config.named_keys(), config.named_certificates());
    let mut keys = BTreeMap::new();
    for (id, place) in places {
        match place {
            KeyPlace::File(path) => {
                keys.insert(id, path);
            }
            KeyPlace::Pkcs11(_) => return Err(Undone::Pkcs11 { id }.into()),
        }
    }
    // What a daemon of the version 1.1 has encrypted stays readable.
    if let Some(path) = &config.imported_master_encryption_key {
        keys.insert(MASTER_ENCRYPTION_KEY.to_owned(), path.clone());
    }
    Ok((keys, certificates))
}

fn proof(
    options: &Options,
    keys: &Arc<dyn KeyStore>,
    certificates: &CertificateStore,
    hub: &Host,
    device: &DeviceId,
    credential: &DeviceCredential,
) -> Result<Proof, StartError> {
    match credential {
        DeviceCredential::Sas(source) => {
            if let KeySource::Inline(key) = source {
                let bytes = Zeroizing::new(STANDARD.decode(key.reveal()).unwrap_or_default());
                keys.import_key(DEVICE_KEY, &bytes)?;
            }
            Ok(Proof::key(Arc::clone(keys), hub.name(), device.as_str(), Arc::clone(&options.clock)))
        }
        // One that would have to be issued was refused before.
        DeviceCredential::X509(_) => Ok(Proof::certificate(Arc::clone(keys), certificates)?),
    }
}

fn ca_source(config: &Config, device: &DeviceId) -> Result<CaSource, StartError> {
    let default_subject = || {
        let name: String = format!("aziot-edge CA {device}").chars().take(COMMON_NAME_CHARS_MAX).collect();
        Subject::common_name(&name)
    };
    Ok(match &config.edge_ca {
        EdgeCaConfig::Quickstart { life, subject, policy } => CaSource::Quickstart {
            subject: subject.clone().unwrap_or_else(default_subject),
            life: *life,
            policy: *policy,
        },
        EdgeCaConfig::Preloaded { .. } => CaSource::Operator,
        EdgeCaConfig::Issued(issuance) => {
            let subject = issuance.subject.clone().unwrap_or_else(default_subject);
            let policy = issuance.auto_renew.unwrap_or_default();
            match issuance.method {
                // The root that signs it is made here, so that renewals change nobody's trust.
                IssuanceMethod::SelfSigned { life } => CaSource::Quickstart { subject, life, policy },
                IssuanceMethod::LocalCa { life } => {
                    let ca = LocalCa { certificate_id: LOCAL_CA.to_owned(), key_id: LOCAL_CA.to_owned() };
                    CaSource::Local { ca, subject, life, policy }
                }
                IssuanceMethod::Est { .. } => {
                    return Err(Undone::Issuance { what: "the Edge CA", method: "EST" }.into());
                }
            }
        }
    })
}

fn cloud(
    options: &Options,
    device: &Device,
    proof: Proof,
    clocks: &Arc<Clocks>,
) -> Result<Cloud, StartError> {
    let config = &options.config;
    // A parent shows a certificate below its own Edge CA, which the operator's bundle names.
    let files = [config.own.hub_ca_cert.as_deref(), config.trust_bundle_cert.as_deref()];
    let files: Vec<_> = files.into_iter().flatten().collect();
    let tls = client_config(trusted_roots(&files)?, &proof)?;
    let transport = Https::new(HttpsOptions {
        host: device.gateway.name().to_owned(),
        port: device.gateway.port().unwrap_or(config.own.hub_https_port),
        address: config.own.hub_address,
        proxy: options.proxy.clone(),
        tls,
        timeout: config.cloud_timeout,
    });
    Ok(Cloud::new(CloudOptions {
        device: device.id.clone(),
        transport: Arc::new(transport),
        proof,
        retries: config.cloud_retries,
        clocks: Arc::clone(clocks),
        random: Arc::clone(&options.random),
    }))
}

/// A flat table of texts.
fn additional_info(config: &Config) -> Result<Map<String, Value>, StartError> {
    let Some(path) = &config.additional_info else { return Ok(Map::new()) };
    let refused = |text: String| StartError::AdditionalInfo { path: path.clone(), text };
    let bytes =
        read_file(path)?.ok_or_else(|| refused("does not exist: check additional_info".to_owned()))?;
    let text = String::from_utf8(bytes).map_err(|_| refused("is not UTF-8".to_owned()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| refused(error.to_string()))?;
    table
        .into_iter()
        .map(|(key, value)| match value {
            toml::Value::String(text) => Ok((key, text.into())),
            other => Err(refused(format!("{key} is {}, not a text", other.type_str()))),
        })
        .collect()
}
