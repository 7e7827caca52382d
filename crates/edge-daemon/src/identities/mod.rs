//! Modules of this device: known to the hub, with keys that are derived here, and remembered for the time
//! when the hub cannot be asked.

mod cache;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use skerry_keys::{KeyError, KeyStore, ModuleKeys};
use skerry_model::{DeviceId, ModuleId};
use skerry_tokens::Host;
use tokio::task::spawn_blocking;

pub use cache::{CacheError, IdentityCache};

use crate::cloud::{Cloud, CloudError, HubModule};

/// Who has made the identities that the edge may make and remove.
const OWN: &str = "iotedge";

/// As which device this machine is provisioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub hub: Host,
    /// Where the hub is reached: the parent of a nested device, else the hub.
    pub gateway: Host,
    pub id: DeviceId,
    pub is_x509: bool,
}

pub struct IdentitiesOptions {
    pub device: Device,
    pub cloud: Cloud,
    pub keys: Arc<dyn KeyStore>,
    pub cache: IdentityCache,
    /// Ask what is remembered first, and the hub for the rest.
    pub prefers_cache: bool,
}

/// The identities of modules. Signing needs the hub only for a module that was never seen.
pub struct Identities {
    options: IdentitiesOptions,
    /// What is in the cache, so that signing reads no file for it.
    known: Mutex<BTreeMap<ModuleId, HubModule>>,
    /// Changes in the hub take turns: making one is two calls.
    turn: tokio::sync::Mutex<()>,
}

impl Identities {
    /// Reads what is remembered. Touches the disk: call it before serving.
    pub fn open(options: IdentitiesOptions) -> Result<Self, CacheError> {
        let known =
            options.cache.load()?.into_iter().map(|module| (module.module_id.clone(), module)).collect();
        Ok(Self { options, known: Mutex::new(known), turn: tokio::sync::Mutex::default() })
    }

    pub fn device(&self) -> &Device {
        &self.options.device
    }

    /// Every module of the device; what is remembered when the hub cannot be asked.
    pub async fn list(&self) -> Result<Vec<HubModule>, IdentityError> {
        let remembered = || self.known().values().cloned().collect::<Vec<_>>();
        if self.options.prefers_cache {
            let modules = remembered();
            if !modules.is_empty() {
                return Ok(modules);
            }
        }
        let _turn = self.turn.lock().await;
        match self.options.cloud.list().await {
            Ok(modules) => {
                self.remember_exactly(&modules).await?;
                Ok(modules)
            }
            Err(CloudError::Network(error)) => {
                tracing::warn!(%error, "The modules are those that were there the last time.");
                Ok(remembered())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A new identity with keys. One that is there already gets its keys again.
    pub async fn create(
        &self,
        module: &ModuleId,
        managed_by: Option<&str>,
    ) -> Result<HubModule, IdentityError> {
        let _turn = self.turn.lock().await;
        let made = match self.options.cloud.create(module, managed_by).await {
            // There already: a try before this one was cut off, or somebody else made it.
            Err(CloudError::Refused { status: 409 | 412, .. }) => self.options.cloud.get(module).await,
            outcome => outcome,
        };
        self.give_keys(made?, managed_by).await
    }

    /// Gives a module that is there its keys; what is remembered when the hub cannot be asked. One of another
    /// generation than before is a sign that the device was made anew, and its other modules with it.
    pub async fn update(&self, module: &ModuleId) -> Result<HubModule, IdentityError> {
        let _turn = self.turn.lock().await;
        match self.options.cloud.get(module).await {
            Ok(found) => {
                let before = self.known().get(module).cloned();
                if before.is_some_and(|before| before.generation_id != found.generation_id) {
                    self.begin_anew(&found).await?;
                }
                self.give_keys(found, None).await
            }
            Err(CloudError::Network(error)) => {
                let known = self.known().get(module).cloned();
                known.ok_or(IdentityError::Cloud(CloudError::Network(error)))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub async fn delete(&self, module: &ModuleId) -> Result<(), IdentityError> {
        let _turn = self.turn.lock().await;
        self.options.cloud.delete(module).await?;
        self.forget(module).await
    }

    /// The module as it is remembered, or as the hub knows it.
    pub async fn get(&self, module: &ModuleId) -> Result<HubModule, IdentityError> {
        if let Some(known) = self.known().get(module).cloned() {
            return Ok(known);
        }
        let _turn = self.turn.lock().await;
        let found = self.options.cloud.get(module).await?;
        self.remember(&found).await?;
        Ok(found)
    }

    /// Signs as the module, with its primary key, of which the hub is told first where this was never done.
    pub async fn sign(&self, module: &ModuleId, data: Vec<u8>) -> Result<[u8; 32], IdentityError> {
        let known = self.known().get(module).cloned();
        let found = match known {
            Some(known) => known,
            None => self.update(module).await?,
        };
        let keys = Arc::clone(&self.options.keys);
        blocking(move || Ok(ModuleKeys::new(&*keys, &found.module_id, &found.generation_id).sign(&data)?))
            .await
    }

    /// Forgets everything that is remembered, so that the hub is asked anew.
    pub async fn forget_all(&self) -> Result<(), IdentityError> {
        let _turn = self.turn.lock().await;
        self.known().clear();
        let cache = self.options.cache.clone();
        blocking(move || Ok(cache.clear()?)).await
    }

    /// The others that were made anew get their keys. Those that are gone are made again where the edge had made them,
    /// for they run on, and are forgotten otherwise. `found` itself, which tells of it, comes after them: so what
    /// breaks off is begun again.
    async fn begin_anew(&self, found: &HubModule) -> Result<(), IdentityError> {
        tracing::warn!(module = %found.module_id, "The hub has made modules anew; they get their keys there.");
        let listed = self.options.cloud.list().await?;
        let mut before = self.known().clone();
        before.remove(&found.module_id);
        for module in listed {
            let known = before.remove(&module.module_id);
            if known.is_some_and(|known| known.generation_id != module.generation_id) {
                self.give_keys(module, None).await?;
            }
        }
        for gone in before.into_values() {
            let managed_by = gone.managed_by.as_deref();
            if managed_by.is_some_and(|by| by.eq_ignore_ascii_case(OWN)) {
                let made = self.options.cloud.create(&gone.module_id, managed_by).await?;
                self.give_keys(made, managed_by).await?;
            } else {
                self.forget(&gone.module_id).await?;
            }
        }
        Ok(())
    }

    async fn forget(&self, module: &ModuleId) -> Result<(), IdentityError> {
        self.known().remove(module);
        let (cache, module) = (self.options.cache.clone(), module.clone());
        blocking(move || Ok(cache.forget(&module)?)).await
    }

    async fn give_keys(
        &self,
        module: HubModule,
        managed_by: Option<&str>,
    ) -> Result<HubModule, IdentityError> {
        let keys = Arc::clone(&self.options.keys);
        let (id, generation) = (module.module_id.clone(), module.generation_id.clone());
        let [primary, secondary] =
            blocking(move || Ok(ModuleKeys::new(&*keys, &id, &generation).export()?)).await?;
        let managed_by = managed_by.or(module.managed_by.as_deref());
        let keys = [&*primary, &*secondary];
        let registered = self.options.cloud.set_keys(&module.module_id, managed_by, keys).await?;
        self.remember(&registered).await?;
        Ok(registered)
    }

    async fn remember(&self, module: &HubModule) -> Result<(), IdentityError> {
        self.known().insert(module.module_id.clone(), module.clone());
        let (cache, module) = (self.options.cache.clone(), module.clone());
        blocking(move || Ok(cache.keep(&module)?)).await
    }

    async fn remember_exactly(&self, modules: &[HubModule]) -> Result<(), IdentityError> {
        let listed: BTreeMap<_, _> =
            modules.iter().map(|module| (module.module_id.clone(), module.clone())).collect();
        let before = std::mem::replace(&mut *self.known(), listed.clone());
        if before == listed {
            return Ok(());
        }
        let cache = self.options.cache.clone();
        blocking(move || {
            for module in listed.values().filter(|module| before.get(&module.module_id) != Some(*module)) {
                cache.keep(module)?;
            }
            for gone in before.keys().filter(|id| !listed.contains_key(*id)) {
                cache.forget(gone)?;
            }
            Ok(())
        })
        .await
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<ModuleId, HubModule>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys and files may take their time.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IdentityError> + Send + 'static,
) -> Result<T, IdentityError> {
    spawn_blocking(work).await.unwrap_or(Err(IdentityError::Broken))
}

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error("the work broke off, see the log")]
    Broken,
}
