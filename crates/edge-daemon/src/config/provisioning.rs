//! `[provisioning]`: as which device this machine speaks, to which hub, and how it proves that.

use std::path::PathBuf;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use skerry_model::DeviceId;
use skerry_tokens::{Host, SharedKey};

use super::certificates::{CertificatePlace, identity_certificate};
use super::reader::Reader;
use super::tree::At;
use super::uri::{self, KeyPlace};

/// Where the device's identity comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provisioning {
    Manual {
        hub: Host,
        device: DeviceId,
        credential: DeviceCredential,
    },
    Dps(Dps),
    /// No identity in a hub.
    Off,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceCredential {
    Sas(KeySource),
    X509(DeviceCertificate),
}

/// A symmetric key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    Inline(SharedKey),
    /// The file holds the bytes themselves, not base64.
    At(KeyPlace),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCertificate {
    pub certificate: CertificatePlace,
    /// Beside a certificate in a file.
    pub key: Option<KeyPlace>,
}

/// The Device Provisioning Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dps {
    pub global_endpoint: String,
    pub id_scope: String,
    pub payload: Option<PathBuf>,
    /// May be absent with a certificate, whose common name counts then.
    pub registration_id: Option<String>,
    pub attestation: Attestation,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attestation {
    SymmetricKey(KeySource),
    X509(DeviceCertificate),
    Tpm,
}

/// Takes keys with or without their padding, as the original does.
const PADDING_OPTIONAL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn read(root: &Reader<'_>) -> Option<Provisioning> {
    let Some(table) = root.table("provisioning") else {
        if !root.has("provisioning") {
            root.missing(
                "provisioning",
                "write [provisioning] with source = \"manual\" and connection_string",
            );
        }
        return None;
    };
    let source = table.need("source", "write source = \"manual\", \"dps\" or \"none\"")?;
    let provisioning = match source.value.as_str() {
        "manual" if table.has("connection_string") => connection_string(&table),
        "manual" => manual(&table),
        "dps" => dps(&table),
        "none" => Some(Provisioning::Off),
        other => {
            let text = format!("is {other:?}: write \"manual\", \"dps\" or \"none\"");
            table.error(source.offset, "source", text);
            return None;
        }
    };
    table.finish();
    provisioning
}

fn connection_string(table: &Reader<'_>) -> Option<Provisioning> {
    for other in ["iothub_hostname", "device_id", "authentication"] {
        if let Some(found) = table.value(other) {
            table.error(found.offset, other, "stands beside connection_string: keep the one that is meant");
        }
    }
    let text = table.string("connection_string")?;
    match parse_connection_string(&text.value) {
        Ok((hub, device, key)) => {
            let credential = DeviceCredential::Sas(KeySource::Inline(key));
            Some(Provisioning::Manual { hub, device, credential })
        }
        Err(error) => {
            table.error(text.offset, "connection_string", error);
            None
        }
    }
}

/// The three parts that count, in any order; others are passed over.
pub(super) fn parse_connection_string(text: &str) -> Result<(Host, DeviceId, SharedKey), String> {
    let part = |name: &str| {
        let mut parts = text.split(';').filter_map(|part| part.split_once('='));
        let found = parts.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
        found.ok_or_else(|| format!("has no {name}=: copy the device's connection string whole"))
    };
    let hub = part("HostName")?.parse().map_err(|error| format!("holds a wrong HostName: {error}"))?;
    let device = part("DeviceId")?.parse().map_err(|error| format!("holds a wrong DeviceId: {error}"))?;
    let key = inline_key(part("SharedAccessKey")?);
    Ok((hub, device, key.map_err(|error| format!("holds a wrong SharedAccessKey: {error}"))?))
}

fn inline_key(text: &str) -> Result<SharedKey, String> {
    let bytes = PADDING_OPTIONAL.decode(text).map_err(|_| "it is not base64".to_owned())?;
    SharedKey::from_bytes(&bytes).map_err(|error| error.to_string())
}

fn manual(table: &Reader<'_>) -> Option<Provisioning> {
    table.skip("connection_string");
    let hub = table.need("iothub_hostname", "name the hub, or write connection_string instead");
    let hub = hub.and_then(|text| parsed::<Host>(table, "iothub_hostname", &text));
    let device = table.need("device_id", "name the device, or write connection_string instead");
    let device = device.and_then(|text| parsed::<DeviceId>(table, "device_id", &text));
    let Some(auth) = table.table("authentication") else {
        if !table.has("authentication") {
            table.missing("authentication", "write method = \"sas\" or \"x509\" in it");
        }
        return None;
    };
    let method = auth.need("method", "write \"sas\" or \"x509\"")?;
    let credential = match method.value.as_str() {
        "sas" => key_source(&auth, "device_id_pk").map(DeviceCredential::Sas),
        "x509" => device_certificate(&auth, false).map(DeviceCredential::X509),
        other => {
            auth.error(method.offset, "method", format!("is {other:?}: write \"sas\" or \"x509\""));
            None
        }
    };
    auth.finish();
    Some(Provisioning::Manual { hub: hub?, device: device?, credential: credential? })
}

fn dps(table: &Reader<'_>) -> Option<Provisioning> {
    let global_endpoint = table.need("global_endpoint", "write the https:// address of the service");
    if let Some(endpoint) = &global_endpoint
        && !endpoint.value.starts_with("https://")
    {
        table.error(endpoint.offset, "global_endpoint", "does not begin with https://");
    }
    let id_scope = table.need("id_scope", "copy it from the service's overview");
    let payload = table.table("payload").and_then(|payload| {
        let path = payload.need("uri", "name the file: { uri = \"file:///…\" }");
        payload.finish();
        path.and_then(|path| file(table, "payload.uri", &path))
    });
    let Some(attestation) = table.table("attestation") else {
        if !table.has("attestation") {
            table.missing("attestation", "write method = \"symmetric_key\", \"x509\" or \"tpm\" in it");
        }
        return None;
    };
    let method = attestation.need("method", "write \"symmetric_key\", \"x509\" or \"tpm\"")?;
    let is_x509 = method.value == "x509";
    let registration_id = match attestation.has("registration_id") || is_x509 {
        true => attestation.text("registration_id"),
        false => attestation.need("registration_id", "name the device's registration").map(|id| id.value),
    };
    let proof = match method.value.as_str() {
        "symmetric_key" => key_source(&attestation, "symmetric_key").map(Attestation::SymmetricKey),
        "x509" => device_certificate(&attestation, true).map(Attestation::X509),
        "tpm" => Some(Attestation::Tpm),
        other => {
            let text = format!("is {other:?}: write \"symmetric_key\", \"x509\" or \"tpm\"");
            attestation.error(method.offset, "method", text);
            None
        }
    };
    attestation.finish();
    Some(Provisioning::Dps(Dps {
        global_endpoint: global_endpoint?.value,
        id_scope: id_scope?.value,
        payload,
        registration_id,
        attestation: proof?,
    }))
}

fn key_source(table: &Reader<'_>, key: &'static str) -> Option<KeySource> {
    let Some(source) = table.table(key) else {
        if !table.has(key) {
            table.missing(key, "write { value = \"base64\" } or { uri = \"file:///…\" }");
        }
        return None;
    };
    let (value, place) = (source.string("value"), source.string("uri"));
    let found = match (value, place) {
        (Some(value), None) => match inline_key(&value.value) {
            Ok(key) => Some(KeySource::Inline(key)),
            Err(error) => {
                source.error(value.offset, "value", format!("is no key: {error}"));
                None
            }
        },
        (None, Some(place)) => parsed(&source, "uri", &place).map(KeySource::At),
        (Some(value), Some(_)) => {
            source.error(value.offset, "value", "stands beside uri: keep the one that is meant");
            None
        }
        (None, None) => {
            source.missing("value", "write { value = \"base64\" } or { uri = \"file:///…\" }");
            None
        }
    };
    source.finish();
    found
}

fn device_certificate(table: &Reader<'_>, can_renew: bool) -> Option<DeviceCertificate> {
    let certificate = identity_certificate(table, can_renew);
    let key = table.string("identity_pk");
    match (&certificate, &key) {
        (Some(CertificatePlace::File(_)), None) => {
            table.missing("identity_pk", "name the key of identity_cert: \"file:///…\"");
        }
        (Some(CertificatePlace::Issued(_)), Some(key)) => {
            table.error(key.offset, "identity_pk", "stands beside a certificate that is issued: remove it");
        }
        _ => {}
    }
    let key = key.and_then(|key| parsed(table, "identity_pk", &key));
    Some(DeviceCertificate { certificate: certificate?, key })
}

/// Reads a text as something else, or notes why it is not.
pub(super) fn parsed<T>(table: &Reader<'_>, key: &str, text: &At<String>) -> Option<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let read = text.value.parse();
    read.map_err(|error: T::Err| table.error(text.offset, key, told(&error.to_string()))).ok()
}

/// Errors of other crates are whole sentences, ours begin with the verb.
fn told(error: &str) -> String {
    if error.starts_with("is ") { error.to_owned() } else { format!("cannot be read: {error}") }
}

pub(super) fn file(table: &Reader<'_>, key: &str, text: &At<String>) -> Option<PathBuf> {
    uri::file(&text.value).map_err(|error| table.error(text.offset, key, error.to_string())).ok()
}
