//! Everything that takes its time, as futures of their own: they own what they need, touch nothing of
//! the agent's state, and say at the end what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use skerry_runtime::{CreateError, EngineError, PullError, PullProgress, Runtime};
use tokio::time::Instant;

use super::desired::{GoodImage, Version};
use crate::Device;
use crate::container::{Identity, create_request, identity_name, pull_request};
use crate::manifest::{HUB, Module};
use crate::metrics::Metrics;
use crate::plan::Step;
use crate::ports::{Identities, IdentityError};

/// What every work needs.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) identities: Arc<dyn Identities>,
    pub(super) device: Arc<Device>,
    pub(super) version: Arc<Version>,
    /// Images of the last good set, which are used as they are where they are still there.
    pub(super) good: Arc<BTreeMap<String, GoodImage>>,
    pub(super) metrics: Arc<Metrics>,
}

/// How far the pulls are, for the report.
pub(super) type Progress = Arc<Mutex<BTreeMap<String, PullProgress>>>;

/// What containers are made of, once everything that may take long is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Supplies {
    pub(super) identities: BTreeMap<String, Identity>,
    /// Images by their ids, where their names may mean others by now.
    pub(super) images: BTreeMap<String, String>,
}

/// Why a work did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WorkError {
    #[error("{module}: {source}")]
    Pull { module: String, source: PullError },
    #[error(transparent)]
    Identities(#[from] IdentityError),
    #[error("{module} has no identity in the hub")]
    NoIdentity { module: String },
    #[error("{module}: {source}")]
    Create { module: String, source: CreateError },
    #[error("{module}: cannot {verb}: {source}")]
    Engine { module: String, verb: &'static str, source: EngineError },
    #[error("{module} is no module of the manifest")]
    NoModule { module: String },
}

impl WorkError {
    /// Whether it may go better by itself.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            // A registry may get an image, or a password, at any time.
            Self::Pull { .. } | Self::Identities(_) | Self::NoIdentity { .. } => true,
            Self::Create { source, .. } => source.is_passing(),
            // The engine calls every container that cannot be started a failure of its own.
            Self::Engine { source, .. } => {
                matches!(source, EngineError::Down { .. } | EngineError::Late { .. })
            }
            Self::NoModule { .. } => false,
        }
    }
}

impl Tools {
    fn module(&self, name: &str) -> Result<&Module, WorkError> {
        let manifest = &self.version.manifest;
        let found = if name == HUB { manifest.hub.as_ref() } else { manifest.modules.get(name) };
        found.ok_or_else(|| WorkError::NoModule { module: name.to_owned() })
    }

    /// Brings every image and identity; nothing that runs is touched.
    pub(super) async fn fetch(&self, steps: &[Step], progress: &Progress) -> Result<Supplies, WorkError> {
        let mut supplies = Supplies::default();
        for step in steps {
            let name = step.module();
            match step {
                Step::Create(_) | Step::Pull(_) if self.has_good(name, &mut supplies).await? => {}
                Step::Pull(_) => {
                    let began = Instant::now();
                    self.pull(name, progress).await?;
                    self.note(step, began);
                }
                _ => {}
            }
        }
        supplies.identities = self.identities_of(steps).await?;
        Ok(supplies)
    }

    /// Whether the image with which the module ran well is still there.
    async fn has_good(&self, name: &str, supplies: &mut Supplies) -> Result<bool, WorkError> {
        let module = self.module(name)?;
        let fingerprint = crate::container::fingerprint(&self.device, module);
        let Some(good) = self.good.get(name).filter(|good| good.fingerprint == fingerprint) else {
            return Ok(false);
        };
        let found = self.runtime.image(&good.id).await;
        let found = found.map_err(|source| engine(name, "look for its image", source))?;
        if found.is_some() {
            supplies.images.insert(name.to_owned(), good.id.clone());
        }
        Ok(found.is_some())
    }

    async fn pull(&self, name: &str, progress: &Progress) -> Result<(), WorkError> {
        let request = pull_request(&self.device, &self.version.manifest, self.module(name)?);
        let note = |now: PullProgress| {
            progress.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), now);
        };
        let pulled = self.runtime.pull(&request, &note).await;
        pulled.map(drop).map_err(|source| WorkError::Pull { module: name.to_owned(), source })
    }

    async fn identities_of(&self, steps: &[Step]) -> Result<BTreeMap<String, Identity>, WorkError> {
        let created = steps.iter().filter(|step| matches!(step, Step::Create(_)));
        let wanted: BTreeSet<&str> = created.map(Step::module).collect();
        let mut found = BTreeMap::new();
        if wanted.is_empty() {
            return Ok(found);
        }
        let listed = self.identities.list().await?;
        for name in wanted {
            let id = identity_name(name);
            let is_known = listed.iter().any(|identity| identity.module_id == id);
            let identity = if is_known {
                self.identities.update(&id).await?
            } else {
                self.identities.create(&id).await?
            };
            found.insert(name.to_owned(), identity);
        }
        Ok(found)
    }

    /// Removes identities that the edge has made, of modules that are gone.
    pub(super) async fn forget_identities(&self, removed: &BTreeSet<String>) -> Result<(), WorkError> {
        if removed.is_empty() {
            return Ok(());
        }
        for identity in self.identities.list().await? {
            let is_gone = removed.iter().any(|name| identity_name(name) == identity.module_id);
            if is_gone
                && identity.managed_by.eq_ignore_ascii_case("iotedge")
                && !identity.module_id.starts_with('$')
            {
                self.identities.delete(&identity.module_id).await?;
            }
        }
        Ok(())
    }

    fn note(&self, step: &Step, began: Instant) {
        let version = self.module(step.module()).map_or("", |module| module.version.as_str());
        self.metrics.note_step(step, version, began.elapsed());
    }

    pub(super) async fn step(&self, step: &Step, supplies: &Supplies) -> Result<(), WorkError> {
        let began = Instant::now();
        self.do_step(step, supplies).await?;
        self.note(step, began);
        Ok(())
    }

    async fn do_step(&self, step: &Step, supplies: &Supplies) -> Result<(), WorkError> {
        let name = step.module();
        let runtime = &self.runtime;
        match step {
            // Not done here: pulls come before, and settling is the agent's own.
            Step::Pull(_) | Step::Settle(_) => Ok(()),
            Step::Stop(_) => {
                runtime.stop(name, None).await.or_else(gone).map_err(|e| engine(name, "be stopped", e))
            }
            Step::Remove(_) => runtime.remove(name).await.map_err(|e| engine(name, "be removed", e)),
            Step::Start(_) => runtime.start(name).await.map_err(|e| engine(name, "be started", e)),
            Step::Restart(_) => {
                runtime.stop(name, None).await.map_err(|e| engine(name, "be stopped", e))?;
                runtime.start(name).await.map_err(|e| engine(name, "be started", e))
            }
            Step::Create(_) => self.create(name, supplies).await,
        }
    }

    async fn create(&self, name: &str, supplies: &Supplies) -> Result<(), WorkError> {
        let no_identity = || WorkError::NoIdentity { module: name.to_owned() };
        let identity = supplies.identities.get(name).ok_or_else(no_identity)?;
        let mut request = create_request(&self.device, name, self.module(name)?, identity);
        if let Some(id) = supplies.images.get(name) {
            request.image.clone_from(id);
        }
        let created = self.runtime.create(&request).await;
        created.map_err(|source| WorkError::Create { module: name.to_owned(), source })
    }
}

fn gone(error: EngineError) -> Result<(), EngineError> {
    match error {
        EngineError::NotFound { .. } => Ok(()),
        other => Err(other),
    }
}

fn engine(name: &str, verb: &'static str, source: EngineError) -> WorkError {
    WorkError::Engine { module: name.to_owned(), verb, source }
}
