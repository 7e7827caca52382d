//! Edge devices that speak for themselves, and for what is behind them.

use skerry_front::device::Proof;
use skerry_model::identity::AuthChain;
use skerry_model::{DeviceId, EDGE_HUB, ModuleId};

use super::admit::{Admitted, SenderError};
use super::authorize::{AccessError, Authorizer, Caller};
use crate::registry::{Record, RegistryError};
use crate::telemetry::{ProvenBy, Sender, SenderScope};

impl Authorizer {
    /// Who manages the modules of `device`: a policy, or the edge device itself with its own token or certificate.
    pub async fn manager_of(&self, proof: &Proof, device: &DeviceId) -> Result<Caller, AccessError> {
        let caller = match proof {
            Proof::Certificate(_) => {
                self.admit(proof, device.clone(), None).await.map_err(not_told)?;
                Caller::Device(device.clone())
            }
            Proof::Token(text) => self.authenticate(Some(text), Some(device)).await?,
            Proof::Nothing => return Err(AccessError::Missing),
        };
        if let Caller::Device(_) = &caller {
            let record = self.registry.get_device(device).await.map_err(|error| not_told(error.into()))?;
            if !record.identity.edge {
                return Err(AccessError::NotForDevices);
            }
        }
        Ok(caller)
    }

    /// The edge hub of `device`, by its own credential or its device's.
    pub async fn edge_hub(&self, proof: &Proof, device: &DeviceId) -> Result<Record, SenderError> {
        let hub: ModuleId = EDGE_HUB.parse().expect("the names of the edge runtime's modules are module ids");
        // A certificate is the device's: its modules have keys, which its runtime makes.
        let admitted = match self.admit(proof, device.clone(), Some(hub)).await {
            Err(SenderError::Access(AccessError::Audience { .. } | AccessError::Certificate { .. })) => {
                self.admit(proof, device.clone(), None).await?.record
            }
            other => {
                other?;
                self.registry.get_device(device).await?
            }
        };
        if !admitted.identity.edge {
            return Err(AccessError::NotForDevices.into());
        }
        Ok(admitted)
    }

    /// Somebody who comes by their own credential, or by the word of the edge hub that they are behind.
    pub async fn admit_by(
        &self,
        proof: &Proof,
        chain: Option<&AuthChain>,
        device: DeviceId,
        module: Option<ModuleId>,
    ) -> Result<Admitted, SenderError> {
        let own = self.admit(proof, device.clone(), module.clone()).await;
        match (own, chain) {
            // Its own would have been a token for itself.
            (Err(SenderError::Access(AccessError::Audience { .. })), Some(chain)) => {
                self.admit_behind(proof, chain, device, module).await
            }
            (own, _) => own,
        }
    }

    async fn admit_behind(
        &self,
        proof: &Proof,
        chain: &AuthChain,
        device: DeviceId,
        module: Option<ModuleId>,
    ) -> Result<Admitted, SenderError> {
        let refused = |what: String| Err(AccessError::Behalf { what }.into());
        let Some(edge) = chain.devices().last() else {
            return refused(format!("the chain {chain} is empty"));
        };
        let hub: ModuleId = EDGE_HUB.parse().expect("the names of the edge runtime's modules are module ids");
        let actor = self.admit(proof, edge.clone(), Some(hub)).await?;
        let names_module = chain.module().is_none_or(|named| Some(named) == module.as_ref());
        if chain.target() != &device || !names_module {
            return refused(format!("the chain {chain} does not begin with who connects"));
        }
        let found = match &module {
            None => self.registry.get_device(&device).await,
            Some(module) => self.registry.get_module(&device, module).await,
        };
        let record = match found {
            Err(RegistryError::DeviceNotFound { .. } | RegistryError::ModuleNotFound { .. }) => {
                return refused(format!("{} is not known here", chain.target()));
            }
            found => found?,
        };
        self.check_enabled(&record, module.as_ref()).await?;
        let edge = self.registry.get_device(edge).await?;
        if !edge.identity.edge || self.registry.target_of(chain).await?.is_none() {
            return refused(format!(
                "the chain {chain} does not hold: each device must be enabled, and have the next one as its parent"
            ));
        }
        let scope = if module.is_some() { SenderScope::Module } else { SenderScope::Device };
        let generation = record.identity.generation.clone();
        let sender = Sender { device, module, generation, scope, proven_by: ProvenBy::Token };
        Ok(Admitted { record, sender, ends: actor.ends })
    }

    /// The edge device that `chain` means, for which the edge hub of `actor` may speak.
    pub async fn on_behalf(&self, actor: &Record, chain: &AuthChain) -> Result<Record, SenderError> {
        let own = &actor.identity.device;
        let refused = |what: String| Err(AccessError::Behalf { what }.into());
        if chain.devices().last() != Some(own) {
            return refused(format!("the chain {chain} does not end with {own}, which asks"));
        }
        match self.registry.target_of(chain).await? {
            Some(target) if target.identity.edge => Ok(target),
            Some(_) => refused(format!("{} is not an edge device", chain.target())),
            None => refused(format!(
                "the chain {chain} does not hold: each device must be enabled, and have the next one as its parent"
            )),
        }
    }
}

/// Who cannot prove who it is learns nothing of what is registered.
fn not_told(error: SenderError) -> AccessError {
    match error {
        SenderError::Access(error) => error,
        SenderError::Registry(error) => AccessError::Unavailable { what: error.to_string() },
    }
}
