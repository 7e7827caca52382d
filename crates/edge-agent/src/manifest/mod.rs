//! The desired properties of `$edgeAgent`, read: which modules there should be, and how each is
//! made. Pure: a section of a twin in, a manifest or every fault in it out.
//!
//! Names of members are matched exactly first and then without regard to case, and members that
//! nobody knows are left alone, both as the original does.

mod error;
mod image;
mod members;
mod module;
mod options;
mod secret;
mod upstream;
mod version;

pub use error::{Fault, ManifestError};
pub use image::{Image, ImageError, registry_of};
pub use module::{DesiredStatus, Module, PullPolicy, RestartPolicy};
pub use options::{join_chunks, split_chunks};
pub use secret::Secret;
pub use upstream::with_upstream;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use members::{Faults, Members};

/// The agent and the hub, as containers are called.
pub const AGENT: &str = "edgeAgent";
pub const HUB: &str = "edgeHub";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// As written, `1.0` or `1.1`.
    pub schema_version: String,
    pub min_docker_version: String,
    pub logging_options: String,
    pub credentials: BTreeMap<String, RegistryCredential>,
    pub agent: Module,
    pub hub: Option<Module>,
    pub modules: BTreeMap<String, Module>,
    /// Whether an update that fails goes back to what was there before: `skerry.rollback`, a member of
    /// our own that the original leaves alone.
    pub is_rollback_on: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryCredential {
    pub address: String,
    pub username: String,
    pub password: Secret,
}

impl Manifest {
    /// Reads the section; its `$version` and `$metadata` are no part of it.
    pub fn parse(desired: &Map<String, Value>) -> Result<Self, ManifestError> {
        let members: Map<String, Value> = desired
            .iter()
            .filter(|(key, _)| !key.starts_with('$'))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if members.is_empty() {
            return Err(ManifestError::Empty);
        }
        let faults = Faults::default();
        let whole = Members::new("", &members, &faults);
        let schema_version = version::check(whole.get("schemaVersion"))?;
        let manifest = read(schema_version, &whole);
        match (manifest, faults.into_list()) {
            (Some(manifest), faults) if faults.is_empty() => Ok(manifest),
            (_, faults) => Err(ManifestError::Invalid { faults }),
        }
    }

    /// Every module that is a container of its own, and not the agent.
    pub fn containers(&self) -> impl Iterator<Item = (&str, &Module)> {
        let hub = self.hub.iter().map(|hub| (HUB, hub));
        hub.chain(self.modules.iter().map(|(name, module)| (name.as_str(), module)))
    }
}

fn read(schema_version: String, whole: &Members<'_>) -> Option<Manifest> {
    let runtime = whole.object("runtime");
    let system = whole.object("systemModules");
    let modules = whole.object("modules");
    let is_rollback_on = match whole.optional_object("skerry") {
        Some(own) => own.flag("rollback").unwrap_or(true),
        None => true,
    };
    let (runtime, system, modules) = (runtime?, system?, modules?);
    runtime.kind("type");
    let settings = runtime.optional_object("settings");
    let text = |key| settings.as_ref().and_then(|settings| settings.text(key)).unwrap_or_default();
    let (min_docker_version, logging_options) = (text("minDockerVersion"), text("loggingOptions"));
    let credentials = settings.as_ref().and_then(|settings| settings.optional_object("registryCredentials"));
    let credentials = credentials.map(|credentials| credentials.each(credential)).unwrap_or_default();
    let agent = system.object(AGENT).and_then(|agent| Module::read_agent(&agent));
    let hub = system.optional_object(HUB).and_then(|hub| Module::read(&hub, RestartPolicy::Always));
    let modules = modules.each(|name, module| {
        if matches!(name, AGENT | HUB) {
            module.fault("this name belongs to a system module, choose another");
        }
        if !skerry_runtime::is_container_name(name) {
            module.fault(
                "it cannot be the name of a container: that takes two or more letters, digits, `_`, `.` and `-`",
            );
        }
        Module::read(module, RestartPolicy::OnUnhealthy)
    });
    Some(Manifest {
        schema_version,
        min_docker_version,
        logging_options,
        credentials,
        agent: agent?,
        hub,
        modules,
        is_rollback_on,
    })
}

fn credential(_name: &str, members: &Members<'_>) -> Option<RegistryCredential> {
    let part = |key| {
        let text = members.required_text(key)?;
        if text.trim().is_empty() {
            members.fault_at(key, "it is blank, give all of address, username and password");
            return None;
        }
        Some(text)
    };
    let (address, username, password) = (part("address"), part("username"), part("password"));
    Some(RegistryCredential { address: address?, username: username?, password: Secret::new(password?) })
}
