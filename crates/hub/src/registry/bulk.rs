//! Many identities in one request: each item is a change of its own with a result of its own.

use serde::Deserialize;
use serde_json::{Map, Value};
use skerry_model::identity::wire::{AuthenticationDocument, CapabilitiesDocument, IdentityDocument};
use skerry_model::twin::{TwinDocument, TwinPatch};
use skerry_model::{DeviceId, ModuleId};
use skerry_store::documents::Lane;
use tokio::task::JoinSet;

use super::{Precondition, Registry, RegistryError};

/// What an item asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportMode {
    #[default]
    CreateOrUpdate,
    CreateOrUpdateIfMatch,
    Create,
    Update,
    UpdateIfMatch,
    Delete,
    DeleteIfMatch,
    UpdateTwin,
    UpdateTwinIfMatch,
}

impl ImportMode {
    const TABLE: [(&'static str, Self); 9] = [
        ("createOrUpdate", Self::CreateOrUpdate),
        ("createOrUpdateIfMatchETag", Self::CreateOrUpdateIfMatch),
        ("create", Self::Create),
        ("update", Self::Update),
        ("updateIfMatchETag", Self::UpdateIfMatch),
        ("delete", Self::Delete),
        ("deleteIfMatchETag", Self::DeleteIfMatch),
        ("updateTwin", Self::UpdateTwin),
        ("updateTwinIfMatchETag", Self::UpdateTwinIfMatch),
    ];

    /// Reads the wire's word in any case.
    pub fn from_wire(word: &str) -> Option<Self> {
        Self::TABLE.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, mode)| mode)
    }

    pub fn as_str(self) -> &'static str {
        Self::TABLE.into_iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }

    fn checks_etag(self) -> bool {
        matches!(
            self,
            Self::CreateOrUpdateIfMatch | Self::UpdateIfMatch | Self::DeleteIfMatch | Self::UpdateTwinIfMatch
        )
    }
}

/// One item, as lines of device exports have it. [`BulkItem::read`] compares member names without case, so
/// here they are lower case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct BulkItem {
    pub id: String,
    pub moduleid: Option<String>,
    pub etag: Option<String>,
    pub importmode: Option<String>,
    pub status: Option<String>,
    pub statusreason: Option<String>,
    pub authentication: Option<AuthenticationDocument>,
    pub twinetag: Option<String>,
    pub tags: Option<Value>,
    pub properties: Option<Value>,
    pub capabilities: Option<CapabilitiesDocument>,
    pub devicescope: Option<String>,
    pub parentscopes: Option<Vec<String>>,
    pub managedby: Option<String>,
}

/// An item that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BulkItemError {
    #[error("an item of the request cannot be used, {what}")]
    Content { what: String },
    #[error("{word:?} is not an import mode, use create, update, delete or createOrUpdate")]
    Mode { word: String },
}

impl BulkItem {
    /// Tools spell the members and the mode in several cases.
    pub fn read(item: Map<String, Value>) -> Result<(Self, ImportMode), BulkItemError> {
        let lower: Map<String, Value> =
            item.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let item: Self = serde_json::from_value(lower.into())
            .map_err(|error| BulkItemError::Content { what: error.to_string() })?;
        let mode = match item.importmode.as_deref().filter(|word| !word.is_empty()) {
            Some(word) => ImportMode::from_wire(word)
                .ok_or_else(|| BulkItemError::Mode { word: word.chars().take(64).collect() })?,
            None => ImportMode::default(),
        };
        Ok((item, mode))
    }
}

/// How one item ended.
#[derive(Debug)]
pub struct BulkOutcome {
    pub device: String,
    pub module: Option<String>,
    pub mode: ImportMode,
    pub result: Result<(), RegistryError>,
}

impl Registry {
    /// Applies every item; they run side by side, so that they share the store's commits. The
    /// outcomes come in the order of the items.
    pub async fn bulk(&self, items: Vec<(BulkItem, ImportMode)>) -> Vec<BulkOutcome> {
        let mut running = JoinSet::new();
        for (at, (item, mode)) in items.into_iter().enumerate() {
            let registry = self.clone();
            running.spawn(async move {
                let result = registry.apply_item(&item, mode).await;
                (at, BulkOutcome { device: item.id, module: item.moduleid, mode, result })
            });
        }
        let mut outcomes = Vec::with_capacity(running.len());
        while let Some(done) = running.join_next().await {
            match done {
                Ok(outcome) => outcomes.push(outcome),
                // A panic in an item is a bug: let it take the request down, where it is counted.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        outcomes.sort_by_key(|(at, _)| *at);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    async fn apply_item(&self, item: &BulkItem, mode: ImportMode) -> Result<(), RegistryError> {
        let device: DeviceId = item.id.parse()?;
        let module: Option<ModuleId> =
            item.moduleid.as_deref().filter(|id| !id.is_empty()).map(str::parse).transpose()?;
        let of_twin = matches!(mode, ImportMode::UpdateTwin | ImportMode::UpdateTwinIfMatch);
        let etag = if of_twin { item.twinetag.as_ref().or(item.etag.as_ref()) } else { item.etag.as_ref() };
        let wanted = match (mode.checks_etag(), etag) {
            (true, Some(etag)) => Precondition::from_header(Some(etag)),
            (true, None) => {
                let what = format!("the import mode {} needs an etag", mode.as_str());
                return Err(RegistryError::Invalid { what });
            }
            (false, _) => Precondition::Exists,
        };
        match mode {
            ImportMode::Create => self.create_item(&device, module.as_ref(), item).await,
            ImportMode::Update | ImportMode::UpdateIfMatch => {
                self.update_item(&device, module.as_ref(), item, &wanted).await
            }
            ImportMode::CreateOrUpdate | ImportMode::CreateOrUpdateIfMatch => {
                match self.update_item(&device, module.as_ref(), item, &wanted).await {
                    Err(RegistryError::DeviceNotFound { .. }) if module.is_none() => {}
                    Err(RegistryError::ModuleNotFound { .. }) => {}
                    other => return other,
                }
                self.create_item(&device, module.as_ref(), item).await
            }
            ImportMode::Delete | ImportMode::DeleteIfMatch => match &module {
                Some(module) => self.delete_module(&device, module, &wanted).await,
                None => self.delete_device(&device, &wanted).await,
            },
            ImportMode::UpdateTwin | ImportMode::UpdateTwinIfMatch => {
                let patch = twin_patch(item)?;
                self.patch_twin(&device, module.as_ref(), &patch, &wanted, Lane::Bulk).await.map(drop)
            }
        }
    }

    async fn create_item(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        item: &BulkItem,
    ) -> Result<(), RegistryError> {
        let (document, twin) = (identity_document(item), twin_patch(item)?);
        match module {
            Some(module) => self.create_module(device, module, &document, &twin, Lane::Bulk).await.map(drop),
            None => self.create_device(device, &document, &twin, Lane::Bulk).await.map(drop),
        }
    }

    async fn update_item(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        item: &BulkItem,
        wanted: &Precondition,
    ) -> Result<(), RegistryError> {
        let (document, twin) = (identity_document(item), twin_patch(item)?);
        match module {
            Some(module) => self.update_module(device, module, &document, wanted, Lane::Bulk).await?,
            None => self.update_device(device, &document, wanted, Lane::Bulk).await?,
        };
        if !twin.is_empty() {
            self.patch_twin(device, module, &twin, &Precondition::Exists, Lane::Bulk).await?;
        }
        Ok(())
    }
}

fn identity_document(item: &BulkItem) -> IdentityDocument {
    IdentityDocument {
        status: item.status.clone(),
        status_reason: item.statusreason.clone(),
        authentication: item.authentication.clone(),
        capabilities: item.capabilities.clone(),
        device_scope: item.devicescope.clone(),
        parent_scopes: item.parentscopes.clone(),
        managed_by: item.managedby.clone(),
        ..IdentityDocument::default()
    }
}

fn twin_patch(item: &BulkItem) -> Result<TwinPatch, RegistryError> {
    Ok(TwinDocument::read(&serde_json::json!({"tags": item.tags, "properties": item.properties}))?)
}
