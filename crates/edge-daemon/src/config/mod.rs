//! `/etc/aziot/config.toml`: the original's schema, and a table `[skerry]` with what is ours.
//!
//! Reading is pure: text in, a configuration or every problem with its place out. What nobody knows warns,
//! with the name that was probably meant; strict reading refuses it.

mod apply;
mod certificates;
mod import;
mod named;
mod own;
mod problem;
mod provisioning;
mod reader;
mod runtime;
mod tree;
mod undone;
mod uri;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use skerry_keys::Preloaded;
use skerry_tokens::Host;

pub use apply::{ApplyError, Snapshot, apply, minimal, write_minimal};
pub use certificates::{
    CertIssuance, CertificatePlace, EdgeCaConfig, Est, EstAuth, Issuance, IssuanceMethod, LocalCaConfig,
};
pub use import::{ImportError, Imported, import};
pub use own::{ModuleKeyKind, Own};
pub use problem::{ConfigError, Problem, Severity};
pub use provisioning::{Attestation, DeviceCertificate, DeviceCredential, Dps, KeySource, Provisioning};
pub use runtime::{Agent, Endpoints, ImageCollection, MobyRuntime, Network, RegistryAuth, Subnet};
pub use undone::Undone;
pub use uri::{KeyPlace, SocketPlace, UriError};

pub(crate) use named::LOCAL_CA;
use provisioning::{file, parsed};
use reader::{Notes, Reader};
use tree::At;

/// The original's least time for an answer of the hub.
const CLOUD_TIMEOUT_SECONDS_MIN: i64 = 70;

/// Everything that the file says, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `None`: the machine's own name.
    pub hostname: Option<String>,
    pub parent_hostname: Option<Host>,
    pub trust_bundle_cert: Option<PathBuf>,
    pub allow_elevated_docker_permissions: bool,
    pub auto_reprovisioning: Reprovisioning,
    pub imported_master_encryption_key: Option<PathBuf>,
    pub additional_info: Option<PathBuf>,
    pub cloud_timeout: Duration,
    pub cloud_retries: u32,
    pub prefer_module_identity_cache: bool,
    pub throttle: Throttle,
    pub local_id_domain: Option<String>,
    pub provisioning: Provisioning,
    pub agent: Agent,
    /// As containers see the sockets.
    pub connect: Endpoints,
    pub listen: Endpoints,
    /// `None`: for ever.
    pub watchdog_retries_max: Option<u64>,
    pub moby_runtime: MobyRuntime,
    pub image_collection: ImageCollection,
    pub edge_ca: EdgeCaConfig,
    pub cert_issuance: CertIssuance,
    pub preloaded_keys: BTreeMap<String, KeyPlace>,
    pub preloaded_certs: BTreeMap<String, Preloaded>,
    /// Parameters of the key library, as they are.
    pub aziot_keys: BTreeMap<String, String>,
    pub tpm: Tpm,
    pub own: Own,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reprovisioning {
    Dynamic,
    AlwaysOnStartup,
    OnErrorOnly,
}

/// Connections of one user to one socket that are open at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    pub management: usize,
    pub workload: usize,
    pub keyd: usize,
    pub certd: usize,
    pub identityd: usize,
    pub tpmd: usize,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { management: 50, workload: 10, keyd: 10, certd: 10, identityd: 10, tpmd: 10 }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tpm {
    pub tcti: String,
    pub auth_key_index: u32,
    pub endorsement: String,
    pub owner: String,
}

impl Default for Tpm {
    fn default() -> Self {
        let (endorsement, owner) = (String::new(), String::new());
        Self { tcti: "device".to_owned(), auth_key_index: 0x100, endorsement, owner }
    }
}

/// What was read, and what is to be said about it.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub config: Config,
    pub warnings: Vec<Problem>,
}

impl Config {
    /// `strict`: warnings refuse as well.
    pub fn parse(text: &str, strict: bool) -> Result<Parsed, ConfigError> {
        let (table, faults) = tree::parse(text);
        let notes = Notes::default();
        for fault in &faults {
            notes.error(fault.offset, "", fault.text.clone());
        }
        // In what is left of a broken text, keys are missing that stand in it.
        let config = if faults.is_empty() { read(&Reader::root(&table, &notes)) } else { None };
        let mut problems = notes.placed(text);
        if strict {
            problems.iter_mut().for_each(|problem| problem.severity = Severity::Error);
        }
        match config {
            Some(config) if problems.iter().all(|problem| problem.severity == Severity::Warning) => {
                Ok(Parsed { config, warnings: problems })
            }
            _ => Err(ConfigError { problems }),
        }
    }
}

fn read(root: &Reader<'_>) -> Option<Config> {
    let hostname = root.string("hostname").map(|name| {
        check_host_name(root, "hostname", &name);
        name.value
    });
    // Both names are the same key; the second is what it was called first.
    let parent = root.string("parent_hostname").or_else(|| root.string("local_gateway_hostname"));
    root.skip("local_gateway_hostname");
    let provisioning = provisioning::read(root);
    if let (Some(parent), Some(Provisioning::Dps(_))) = (&parent, &provisioning) {
        root.error(
            parent.offset,
            "parent_hostname",
            "cannot be used with DPS: provision manually behind a parent",
        );
    }
    let parent_hostname = parent.and_then(|name| parsed(root, "parent_hostname", &name));
    let path = |key: &'static str| root.string(key).and_then(|text| file(root, key, &text));
    let trust_bundle_cert = path("trust_bundle_cert");
    let additional_info = path("additional_info");
    let imported_master_encryption_key = root.text("imported_master_encryption_key").map(PathBuf::from);
    let cert_issuance = certificates::cert_issuance(root);
    let edge_ca = certificates::edge_ca(root, &cert_issuance);
    let agent = runtime::agent(root);
    let config = Config {
        hostname,
        parent_hostname,
        trust_bundle_cert,
        allow_elevated_docker_permissions: root.boolean("allow_elevated_docker_permissions").unwrap_or(true),
        auto_reprovisioning: reprovisioning(root),
        imported_master_encryption_key,
        additional_info,
        cloud_timeout: seconds(root.integer("cloud_timeout_sec", CLOUD_TIMEOUT_SECONDS_MIN, 3600)),
        cloud_retries: number(root.integer("cloud_retries", 0, 100), 1),
        prefer_module_identity_cache: root.boolean("prefer_module_identity_cache").unwrap_or(false),
        throttle: throttle(root),
        local_id_domain: local_id(root),
        provisioning: provisioning.unwrap_or(Provisioning::Off),
        agent: agent.unwrap_or_default(),
        connect: runtime::endpoints(root, "connect", Endpoints::connect()),
        listen: runtime::endpoints(root, "listen", Endpoints::listen()),
        watchdog_retries_max: runtime::watchdog(root),
        moby_runtime: runtime::moby_runtime(root),
        image_collection: runtime::image_collection(root),
        edge_ca: edge_ca.unwrap_or_default(),
        cert_issuance,
        preloaded_keys: certificates::preloaded_keys(root),
        preloaded_certs: certificates::preloaded_certs(root),
        aziot_keys: root
            .table("aziot_keys")
            .map(|keys| keys.free_texts())
            .unwrap_or_default()
            .into_iter()
            .collect(),
        tpm: tpm(root),
        own: own::read(root),
    };
    undone::warn(root, &config);
    // The reader is shared with the tables that are read; unknown keys of the top are told last.
    root.unknown();
    Some(config)
}

fn seconds(seconds: Option<i64>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(CLOUD_TIMEOUT_SECONDS_MIN).unsigned_abs())
}

fn number(found: Option<i64>, default: u32) -> u32 {
    found.and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
}

fn check_host_name(table: &Reader<'_>, key: &str, name: &At<String>) {
    match name.value.parse::<Host>() {
        Ok(host) if host.port().is_none() => {}
        Ok(_) => table.error(name.offset, key, "has a port: give the name alone"),
        Err(error) => table.error(name.offset, key, format!("cannot be a host name: {error}")),
    }
    if name.value.len() > 64 {
        table.warn(name.offset, key, "has more than 64 characters, too long for the name in a certificate");
    }
}

fn reprovisioning(root: &Reader<'_>) -> Reprovisioning {
    let Some(mode) = root.string("auto_reprovisioning_mode") else { return Reprovisioning::Dynamic };
    match mode.value.as_str() {
        "Dynamic" => Reprovisioning::Dynamic,
        "AlwaysOnStartup" => Reprovisioning::AlwaysOnStartup,
        "OnErrorOnly" => Reprovisioning::OnErrorOnly,
        other => {
            let text = format!("is {other:?}: write \"Dynamic\", \"AlwaysOnStartup\" or \"OnErrorOnly\"");
            root.error(mode.offset, "auto_reprovisioning_mode", text);
            Reprovisioning::Dynamic
        }
    }
}

fn throttle(root: &Reader<'_>) -> Throttle {
    let mut throttle = Throttle::default();
    let count = |table: &Reader<'_>, key: &'static str, default: usize| {
        table.integer(key, 1, 10_000).and_then(|count| usize::try_from(count).ok()).unwrap_or(default)
    };
    if let Some(table) = root.table("iotedge_max_requests") {
        throttle.management = count(&table, "management", throttle.management);
        throttle.workload = count(&table, "workload", throttle.workload);
        table.finish();
    }
    if let Some(table) = root.table("aziot_max_requests") {
        for (key, value) in [
            ("keyd", &mut throttle.keyd),
            ("certd", &mut throttle.certd),
            ("tpmd", &mut throttle.tpmd),
            ("identityd", &mut throttle.identityd),
        ] {
            if !table.has(key) {
                table.missing(key, "the table holds keyd, certd, tpmd and identityd");
            }
            *value = count(&table, key, *value);
        }
        table.finish();
    }
    throttle
}

fn local_id(root: &Reader<'_>) -> Option<String> {
    let table = root.table("localid")?;
    let domain = table.need("domain", "name the domain of local identities").map(|domain| domain.value);
    table.finish();
    domain
}

fn tpm(root: &Reader<'_>) -> Tpm {
    let mut tpm = Tpm::default();
    let Some(table) = root.table("tpm") else { return tpm };
    if let Some(tcti) = table.text("tcti") {
        tpm.tcti = tcti;
    }
    tpm.auth_key_index = number(table.integer("auth_key_index", 0, 0x7f_ffff), tpm.auth_key_index);
    if let Some(hierarchy) = table.table("hierarchy_authorization") {
        tpm.endorsement = hierarchy.text("endorsement").unwrap_or_default();
        tpm.owner = hierarchy.text("owner").unwrap_or_default();
        hierarchy.finish();
    }
    table.finish();
    tpm
}
