//! Checks who sends a message: a device or module with its own key, or a policy on its behalf.

use skerry_model::{Authentication, DeviceId, ModuleId, Status};
use skerry_tokens::{Claim, SasToken, SharedKey};

use super::Right;
use super::authorize::{AccessError, Authorizer};
use crate::registry::{Record, RegistryError};
use crate::telemetry::{Sender, SenderScope, SignedBy};

/// Why a sender is not let in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SenderError {
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Only who holds a policy's key learns whether an identity is there.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Authorizer {
    pub async fn sender(
        &self,
        header: Option<&str>,
        device: DeviceId,
        module: Option<ModuleId>,
    ) -> Result<Sender, SenderError> {
        let text = header.filter(|text| !text.is_empty()).ok_or(AccessError::Missing)?;
        let token =
            SasToken::parse(text).map_err(|error| AccessError::Malformed { what: error.to_string() })?;
        let found = match &module {
            None => self.registry.get_device(&device).await,
            Some(module) => self.registry.get_module(&device, module).await,
        };
        let (record, scope) = match token.policy() {
            Some(name) => {
                let policy = self.policy_caller(&token, name)?;
                policy.require_any(&[Right::DeviceConnect])?;
                (found?, SenderScope::Hub)
            }
            None => {
                let record = found.map_err(|error| match error {
                    RegistryError::DeviceNotFound { .. } | RegistryError::ModuleNotFound { .. } => {
                        AccessError::Signature
                    }
                    error => AccessError::Unavailable { what: error.to_string() },
                })?;
                self.check_own_key(&token, &record)?;
                let scope = if module.is_some() { SenderScope::Module } else { SenderScope::Device };
                (record, scope)
            }
        };
        self.check_enabled(&record, module.as_ref()).await?;
        let generation = record.identity.generation;
        Ok(Sender { device, module, generation, scope, signed_by: SignedBy::Sas })
    }

    fn check_own_key(&self, token: &SasToken, record: &Record) -> Result<(), AccessError> {
        let identity = &record.identity;
        let claim = match &identity.module {
            None => Claim::Device(identity.device.as_str()),
            Some(module) => Claim::Module(identity.device.as_str(), module.as_str()),
        };
        self.check_audience(token, claim)?;
        let Authentication::Sas(keys) = &identity.authentication else {
            return Err(AccessError::Signature);
        };
        let key = |text: &str| text.parse::<SharedKey>().map_err(|_| AccessError::Signature);
        self.verify(token, &key(keys.primary())?, &key(keys.secondary())?)
    }

    /// A module goes with its device.
    async fn check_enabled(&self, record: &Record, module: Option<&ModuleId>) -> Result<(), SenderError> {
        let device_status = match module {
            None => record.identity.status,
            Some(_) => self.registry.get_device(&record.identity.device).await?.identity.status,
        };
        match device_status {
            Status::Enabled => Ok(()),
            Status::Disabled => Err(AccessError::Disabled.into()),
        }
    }
}
