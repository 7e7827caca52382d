//! `[edge_ca]`, `[cert_issuance]`, `[preloaded_certs]`, `[preloaded_keys]`: certificates and who issues them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use skerry_keys::renewal::{Policy, Span};
use skerry_keys::{Attribute, Preloaded, Subject};
use skerry_tokens::Secret;

use super::provisioning::{file, parsed};
use super::reader::Reader;
use super::tree::{Value, secret};
use super::uri::KeyPlace;

const DAY: Duration = Duration::from_secs(86_400);
const QUICKSTART_DAYS: i64 = 90;
const ISSUED_DAYS: i64 = 30;
const DAYS_MAX: i64 = 36_500;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificatePlace {
    File(PathBuf),
    Issued(Box<Issuance>),
}

/// How a certificate is to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuance {
    pub method: IssuanceMethod,
    pub subject: Option<Subject>,
    pub auto_renew: Option<Policy>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuanceMethod {
    Est { url: Option<String>, auth: EstAuth },
    LocalCa { life: Duration },
    SelfSigned { life: Duration },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EstAuth {
    pub basic: Option<(String, Secret)>,
    pub identity: Option<(PathBuf, KeyPlace)>,
    pub bootstrap: Option<(PathBuf, KeyPlace)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeCaConfig {
    Quickstart { life: Duration, subject: Option<Subject>, policy: Policy },
    Preloaded { certificate: PathBuf, key: KeyPlace },
    Issued(Box<Issuance>),
}

impl Default for EdgeCaConfig {
    fn default() -> Self {
        Self::Quickstart { life: DAY * 90, subject: None, policy: Policy::default() }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertIssuance {
    pub est: Option<Est>,
    pub local_ca: Option<LocalCaConfig>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Est {
    pub trusted_certs: Vec<PathBuf>,
    pub auth: EstAuth,
    pub identity_auto_renew: Option<Policy>,
    /// `default`, or the id of a certificate.
    pub urls: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalCaConfig {
    pub certificate: CertificatePlace,
    /// Beside a certificate in a file.
    pub key: Option<KeyPlace>,
}

pub(super) fn edge_ca(root: &Reader<'_>, issuance: &CertIssuance) -> Option<EdgeCaConfig> {
    let Some(table) = root.table("edge_ca") else { return Some(EdgeCaConfig::default()) };
    let is_quickstart = table.has("auto_generated_edge_ca_expiry_days") || table.entries().is_empty();
    let forms = [is_quickstart, table.has("cert") || table.has("pk"), table.has("method")];
    let config = match forms {
        [true, false, false] => quickstart(&table),
        [false, true, false] => preloaded_edge_ca(&table),
        [false, false, true] => self::issuance(&table, true).map(|issued| {
            if matches!(issued.method, IssuanceMethod::LocalCa { .. }) && issuance.local_ca.is_none() {
                table.error(table.offset, "method", "wants [cert_issuance.local_ca], which is missing");
            }
            if let IssuanceMethod::Est { url: None, .. } = issued.method
                && issuance.est.is_none()
            {
                table.error(table.offset, "method", "wants [cert_issuance.est], which is missing");
            }
            EdgeCaConfig::Issued(Box::new(issued))
        }),
        [false, false, false] => {
            table.error(
                table.offset,
                "method",
                "is missing: write auto_generated_edge_ca_expiry_days, cert and pk, or method",
            );
            None
        }
        _ => {
            table.error(
                table.offset,
                "method",
                "cannot be told: keep only one of auto_generated_edge_ca_expiry_days, cert with pk, and method",
            );
            None
        }
    };
    // In a form that cannot be told, all keys count as known.
    for key in
        ["auto_generated_edge_ca_expiry_days", "cert", "pk", "method", "common_name", "subject", "auto_renew"]
    {
        if config.is_none() {
            table.skip(key);
        }
    }
    table.finish();
    config
}

fn quickstart(table: &Reader<'_>) -> Option<EdgeCaConfig> {
    let days = table.integer("auto_generated_edge_ca_expiry_days", 1, DAYS_MAX).unwrap_or(QUICKSTART_DAYS);
    let subject = subject(table);
    let policy = auto_renew(table, "auto_renew").unwrap_or_default();
    if !policy.rotate_key {
        table.error(table.offset, "auto_renew.rotate_key", "must be true for an Edge CA that is made here");
    }
    Some(EdgeCaConfig::Quickstart { life: life(days), subject, policy })
}

fn preloaded_edge_ca(table: &Reader<'_>) -> Option<EdgeCaConfig> {
    let certificate = table.need("cert", "name the certificate: \"file:///…\"");
    let key = table.need("pk", "name the key: \"file:///…\"");
    let certificate = certificate.and_then(|text| file(table, "cert", &text));
    let key = key.and_then(|text| parsed(table, "pk", &text));
    Some(EdgeCaConfig::Preloaded { certificate: certificate?, key: key? })
}

/// `identity_cert`: a file, or a table that says how it is issued.
pub(super) fn identity_certificate(table: &Reader<'_>, can_renew: bool) -> Option<CertificatePlace> {
    place(table, "identity_cert", can_renew)
}

fn place(table: &Reader<'_>, key: &'static str, can_renew: bool) -> Option<CertificatePlace> {
    let Some(found) = table.value(key) else {
        table.missing(key, "name the certificate: \"file:///…\"");
        return None;
    };
    if let Value::String(_) = found.value {
        let text = table.string(key)?;
        return file(table, key, &text).map(CertificatePlace::File);
    }
    let issued = table.open(key, found)?;
    let issuance = issuance(&issued, can_renew);
    issued.finish();
    issuance.map(|issuance| CertificatePlace::Issued(Box::new(issuance)))
}

/// The keys of an issuance table; whoever opened it finishes it.
fn issuance(table: &Reader<'_>, can_renew: bool) -> Option<Issuance> {
    let method = table.need("method", "write \"est\", \"local_ca\" or \"self_signed\"")?;
    let subject = subject(table);
    let auto_renew = if can_renew { auto_renew(table, "auto_renew") } else { None };
    let days = table.integer("expiry_days", 1, DAYS_MAX).unwrap_or(ISSUED_DAYS);
    let method = match method.value.as_str() {
        "est" => IssuanceMethod::Est { url: table.text("url"), auth: est_auth(table) },
        "local_ca" => IssuanceMethod::LocalCa { life: life(days) },
        "self_signed" => IssuanceMethod::SelfSigned { life: life(days) },
        other => {
            let text = format!("is {other:?}: write \"est\", \"local_ca\" or \"self_signed\"");
            table.error(method.offset, "method", text);
            return None;
        }
    };
    Some(Issuance { method, subject, auto_renew })
}

fn subject(table: &Reader<'_>) -> Option<Subject> {
    let common_name = table.text("common_name").map(|name| Subject::common_name(&name));
    let Some(named) = table.table("subject") else { return common_name };
    let mut attributes = Vec::new();
    for (key, value) in named.entries() {
        match (Attribute::from_name(&key.value), &value.value) {
            (Ok(attribute), Value::String(text)) => attributes.push((attribute, text.clone())),
            (Ok(_), other) => {
                named.error(value.offset, &key.value, format!("is {}, not a text", other.kind()));
            }
            (Err(error), _) => named.error(key.offset, &key.value, error.to_string()),
        }
    }
    if common_name.is_some() {
        table.error(named.offset, "subject", "stands beside common_name: keep the one that is meant");
    }
    Some(Subject(attributes))
}

fn auto_renew(table: &Reader<'_>, key: &'static str) -> Option<Policy> {
    let policy = table.table(key)?;
    let span =
        |key: &'static str, hint| policy.need(key, hint).and_then(|text| parsed::<Span>(&policy, key, &text));
    let threshold = span("threshold", "write for example \"80%\" or \"10day\"");
    let retry = span("retry", "write for example \"4%\" or \"60min\"");
    let rotate_key = policy.boolean("rotate_key");
    if !policy.has("rotate_key") {
        policy.missing("rotate_key", "write true or false");
    }
    policy.finish();
    Some(Policy { rotate_key: rotate_key?, threshold: threshold?, retry: retry? })
}

pub(super) fn cert_issuance(root: &Reader<'_>) -> CertIssuance {
    let Some(table) = root.table("cert_issuance") else { return CertIssuance::default() };
    let est = table.table("est").map(|est| {
        let auth = est.table("auth").map_or_else(EstAuth::default, |auth| {
            let read = est_auth(&auth);
            auth.finish();
            read
        });
        let urls = est.table("urls").map(|urls| urls.free_texts()).unwrap_or_default();
        for (name, url) in &urls {
            if url.starts_with("http://") {
                est.warn(est.offset, &format!("urls.{name}"), "is not encrypted: use https://");
            }
        }
        let trusted = est.strings("trusted_certs");
        let trusted_certs = trusted.iter().filter_map(|text| file(&est, "trusted_certs", text)).collect();
        let identity_auto_renew = auto_renew(&est, "identity_auto_renew");
        est.finish();
        Est { trusted_certs, auth, identity_auto_renew, urls: urls.into_iter().collect() }
    });
    let local_ca = table.table("local_ca").and_then(|local| {
        let certificate = place(&local, "cert", false);
        let key = local.string("pk");
        if key.is_none() && matches!(certificate, Some(CertificatePlace::File(_))) {
            local.missing("pk", "name the key of cert: \"file:///…\"");
        }
        let key = key.and_then(|key| parsed(&local, "pk", &key));
        local.finish();
        Some(LocalCaConfig { certificate: certificate?, key })
    });
    table.finish();
    CertIssuance { est, local_ca }
}

fn est_auth(table: &Reader<'_>) -> EstAuth {
    let pair = |certificate: &'static str, key: &'static str| {
        let (cert, pk) = (table.string(certificate), table.string(key));
        match (cert, pk) {
            (Some(cert), Some(pk)) => Some((file(table, certificate, &cert)?, parsed(table, key, &pk)?)),
            (None, None) => None,
            _ => {
                table.error(table.offset, certificate, format!("and {key} belong together: write both"));
                None
            }
        }
    };
    let basic = match (table.text("username"), table.text("password")) {
        (Some(name), password) => Some((name, secret(password.unwrap_or_default()))),
        _ => None,
    };
    EstAuth {
        basic,
        identity: pair("identity_cert", "identity_pk"),
        bootstrap: pair("bootstrap_identity_cert", "bootstrap_identity_pk"),
    }
}

pub(super) fn preloaded_certs(root: &Reader<'_>) -> BTreeMap<String, Preloaded> {
    let mut out = BTreeMap::new();
    let Some(table) = root.table("preloaded_certs") else { return out };
    for (key, value) in table.entries() {
        let preloaded = match &value.value {
            Value::String(text) => {
                let text = super::tree::At { offset: value.offset, value: text.clone() };
                file(&table, &key.value, &text).map(Preloaded::File)
            }
            Value::Array(items) => {
                let ids: Option<Vec<String>> = items
                    .iter()
                    .map(|item| if let Value::String(id) = &item.value { Some(id.clone()) } else { None })
                    .collect();
                if ids.is_none() {
                    table.error(value.offset, &key.value, "is no list of ids of certificates");
                }
                ids.map(Preloaded::Bundle)
            }
            other => {
                let text = format!("is {}, not the URI of a file or a list of ids", other.kind());
                table.error(value.offset, &key.value, text);
                None
            }
        };
        out.extend(preloaded.map(|preloaded| (key.value.clone(), preloaded)));
    }
    out
}

pub(super) fn preloaded_keys(root: &Reader<'_>) -> BTreeMap<String, KeyPlace> {
    let mut out = BTreeMap::new();
    let Some(table) = root.table("preloaded_keys") else { return out };
    for (key, value) in table.entries() {
        if let Value::String(text) = &value.value {
            let text = super::tree::At { offset: value.offset, value: text.clone() };
            out.extend(parsed(&table, &key.value, &text).map(|place| (key.value.clone(), place)));
        } else {
            table.error(value.offset, &key.value, format!("is {}, not a URI", value.value.kind()));
        }
    }
    out
}

fn life(days: i64) -> Duration {
    DAY * u32::try_from(days).unwrap_or(u32::MAX)
}
