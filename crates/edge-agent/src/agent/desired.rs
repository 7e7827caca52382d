//! Versions of the manifest: the one that is wanted, and the last one that held.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Agent;
use crate::Device;
use crate::container::{fingerprint, section_digest};
use crate::manifest::{HUB, Manifest, ManifestError, Module};
use crate::plan::Wanted;

/// A manifest that can be carried out.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) number: u64,
    /// Tells it from others, whatever its number.
    pub(super) digest: String,
    pub(super) section: Map<String, Value>,
    pub(super) manifest: Manifest,
}

/// The last version that held, and what its containers were made of.
#[derive(Clone, Debug)]
pub(super) struct Good {
    pub(super) version: Version,
    pub(super) images: BTreeMap<String, GoodImage>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GoodImage {
    pub(super) fingerprint: String,
    pub(super) id: String,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u64,
    desired: Map<String, Value>,
    #[serde(default)]
    images: BTreeMap<String, GoodImage>,
}

impl Version {
    pub(super) fn read(number: u64, section: &Map<String, Value>) -> Result<Self, ManifestError> {
        let manifest = Manifest::parse(section)?;
        Ok(Self { number, digest: section_digest(section), section: section.clone(), manifest })
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.saved(BTreeMap::new())
    }

    fn saved(&self, images: BTreeMap<String, GoodImage>) -> Vec<u8> {
        let saved = Saved { version: self.number, desired: self.section.clone(), images };
        serde_json::to_vec(&saved).expect("it came as JSON")
    }

    /// `None`: not what [`Version::bytes`] wrote.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let saved: Saved = serde_json::from_slice(bytes).ok()?;
        Self::read(saved.version, &saved.desired).ok()
    }

    /// Every container that it wants.
    pub(super) fn wanted(&self, device: &Device, is_hub_inside: bool) -> BTreeMap<String, Wanted> {
        let containers = self.manifest.containers().filter(|(name, _)| !(is_hub_inside && *name == HUB));
        containers
            .map(|(name, module)| {
                let wanted = Wanted {
                    status: module.status,
                    policy: module.restart_policy,
                    pull: module.pull_policy,
                    order: module.startup_order,
                    fingerprint: fingerprint(device, module),
                };
                (name.to_owned(), wanted)
            })
            .collect()
    }
}

impl Agent {
    /// A version is the newest from now on.
    pub(super) fn take_version(&mut self, version: Version) {
        let before = self.version.replace(Arc::new(version));
        let env = self.version.as_ref().map(|version| &version.manifest.agent.env);
        if let Some(env) =
            env.filter(|env| before.as_ref().is_none_or(|before| before.manifest.agent.env != **env))
        {
            self.options.settings.environment(env);
        }
        fn hub(version: &Version) -> Option<&Module> {
            version.manifest.hub.as_ref()
        }
        let now = self.version.as_deref().and_then(hub);
        let then = before.as_deref().and_then(hub);
        if let Some(now) =
            now.filter(|now| then.is_none_or(|then| then.env != now.env || then.options != now.options))
        {
            self.options.settings.hub(&now.env, &now.options);
        }
    }
}

impl Good {
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.version.saved(self.images.clone())
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let saved: Saved = serde_json::from_slice(bytes).ok()?;
        Some(Self { version: Version::read(saved.version, &saved.desired).ok()?, images: saved.images })
    }
}
