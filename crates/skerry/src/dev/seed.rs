//! The devices and modules that a hub begins with: a file of JSON lines, as exports of devices are.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use skerry_hub::registry::{BulkItem, ImportMode, Registry, RegistryError};
use skerry_model::identity::Identity;

use super::seeded::Seeded;
use crate::failure::Failure;

/// Bytes of the file.
const SEED_BYTES_MAX: u64 = 64 << 20;

#[derive(Default)]
pub struct Seed {
    path: PathBuf,
    items: Vec<Item>,
}

struct Item {
    line: usize,
    item: BulkItem,
    mode: ImportMode,
}

impl Seed {
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("cannot read the seed {}: {error}", path.display()))
        };
        let mut text = String::new();
        let file = File::open(path).map_err(|error| cannot(&error))?;
        file.take(SEED_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| cannot(&error))?;
        if text.len() as u64 > SEED_BYTES_MAX {
            return Err(cannot(&format_args!("it is larger than {} MiB", SEED_BYTES_MAX >> 20)));
        }
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let mut seed = Self { path: path.to_owned(), items: Vec::new() };
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let line_number = at + 1;
            let object: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
                seed.refuse(
                    line_number,
                    &format_args!("{error}. Each line is one JSON object such as {{\"id\":\"pump-1\"}}"),
                )
            })?;
            let (item, mode) = BulkItem::read(object).map_err(|error| seed.refuse(line_number, &error))?;
            seed.items.push(Item { line: line_number, item, mode });
        }
        Ok(seed)
    }

    /// One more, as if it stood behind the last line.
    pub fn add(&mut self, object: Value) -> Result<(), Failure> {
        let Value::Object(object) = object else { return Err(Failure::failed("a device is an object")) };
        let (item, mode) = BulkItem::read(object).map_err(Failure::usage)?;
        self.items.push(Item { line: self.items.len() + 1, item, mode });
        Ok(())
    }

    /// Registers everything, one after the other, devices before modules. Gives the identities that are
    /// there then, in the order of the file.
    pub async fn plant(
        mut self,
        registry: &Registry,
        seeded: Option<&Seeded>,
    ) -> Result<Vec<Identity>, Failure> {
        if let Some(seeded) = seeded {
            self.give_keys(seeded);
        }
        for of_modules in [false, true] {
            for Item { line, item, mode } in &self.items {
                if is_of_module(item) != of_modules {
                    continue;
                }
                for outcome in registry.bulk(vec![(item.clone(), *mode)]).await {
                    outcome.result.map_err(|error| self.refuse(*line, &error))?;
                }
            }
        }
        let (mut seen, mut identities) = (HashSet::new(), Vec::new());
        for Item { line, item, .. } in &self.items {
            if !seen.insert((item.id.clone(), item.moduleid.clone())) {
                continue;
            }
            match found(registry, item).await {
                Ok(identity) => identities.push(identity),
                // A later line took it away.
                Err(RegistryError::DeviceNotFound { .. } | RegistryError::ModuleNotFound { .. }) => {}
                Err(error) => return Err(self.refuse(*line, &error)),
            }
        }
        Ok(identities)
    }

    /// Where a line leaves keys to the hub, they follow from the ids. Later lines about the same identity
    /// leave them as they are.
    fn give_keys(&mut self, seeded: &Seeded) {
        let mut seen = HashSet::new();
        for Item { item, .. } in &mut self.items {
            if !seen.insert((item.id.clone(), item.moduleid.clone())) {
                continue;
            }
            let (device, module) = (item.id.clone(), item.moduleid.clone().filter(|id| !id.is_empty()));
            let keys = item.authentication.get_or_insert_default().symmetric_key.get_or_insert_default();
            for (key, which) in [(&mut keys.primary_key, "primary"), (&mut keys.secondary_key, "secondary")] {
                if key.as_ref().is_none_or(String::is_empty) {
                    *key = Some(seeded.identity_key(&device, module.as_deref(), which));
                }
            }
        }
    }

    fn refuse(&self, line: usize, error: &dyn std::fmt::Display) -> Failure {
        Failure::usage(format!("{}:{line}: {error}", self.path.display()))
    }
}

fn is_of_module(item: &BulkItem) -> bool {
    item.moduleid.as_ref().is_some_and(|id| !id.is_empty())
}

async fn found(registry: &Registry, item: &BulkItem) -> Result<Identity, RegistryError> {
    let device = item.id.parse()?;
    let record = match item.moduleid.as_deref().filter(|id| !id.is_empty()) {
        Some(module) => registry.get_module(&device, &module.parse()?).await?,
        None => registry.get_device(&device).await?,
    };
    Ok(record.identity)
}
