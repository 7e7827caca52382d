//! Checks who connects or sends: a device or module with its own key or certificate, or a policy on
//! its behalf.

use skerry_front::device::Proof;
use skerry_model::{Authentication, DeviceId, ModuleId, Status, Timestamp};
use skerry_tokens::{Claim, SasToken, SharedKey, Thumbprint};

use super::Right;
use super::authorize::{AccessError, Authorizer};
use crate::registry::{Record, RegistryError};
use crate::telemetry::{ProvenBy, Sender, SenderScope};

/// An identity that is who it says.
#[derive(Clone, Debug)]
pub struct Admitted {
    pub record: Record,
    pub sender: Sender,
    /// When what it showed stops counting; a certificate counts as long as it is registered.
    pub ends: Option<Timestamp>,
}

/// Why an identity is not let in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SenderError {
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Only who holds a policy's key learns whether an identity is there.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Authorizer {
    /// Of a request.
    pub async fn sender(
        &self,
        proof: &Proof,
        device: DeviceId,
        module: Option<ModuleId>,
    ) -> Result<Sender, SenderError> {
        Ok(self.admit(proof, device, module).await?.sender)
    }

    pub async fn admit(
        &self,
        proof: &Proof,
        device: DeviceId,
        module: Option<ModuleId>,
    ) -> Result<Admitted, SenderError> {
        let token = match proof {
            Proof::Token(text) if !text.is_empty() => Some(
                SasToken::parse(text).map_err(|error| AccessError::Malformed { what: error.to_string() })?,
            ),
            Proof::Certificate(_) => None,
            Proof::Token(_) | Proof::Nothing => return Err(AccessError::Missing.into()),
        };
        let found = match &module {
            None => self.registry.get_device(&device).await,
            Some(module) => self.registry.get_module(&device, module).await,
        };
        let policy = token.as_ref().and_then(|token| Some((token, token.policy()?)));
        let (record, scope) = match policy {
            Some((token, name)) => {
                let policy = self.policy_caller(token, name)?;
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
                match (proof, &token) {
                    (Proof::Certificate(chain), _) => self.check_certificate(chain, &record)?,
                    (_, Some(token)) => self.check_own_key(token, &record)?,
                    (_, None) => return Err(AccessError::Missing.into()),
                }
                let scope = if module.is_some() { SenderScope::Module } else { SenderScope::Device };
                (record, scope)
            }
        };
        self.check_enabled(&record, module.as_ref()).await?;
        let generation = record.identity.generation.clone();
        let proven_by = if token.is_some() { ProvenBy::Token } else { ProvenBy::Certificate };
        let sender = Sender { device, module, generation, scope, proven_by };
        let ends = token.map(|token| token.expiry().plus(self.skew));
        Ok(Admitted { record, sender, ends })
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
    pub(super) async fn check_enabled(
        &self,
        record: &Record,
        module: Option<&ModuleId>,
    ) -> Result<(), SenderError> {
        let device_status = match module {
            None => record.identity.status,
            Some(_) => self.registry.get_device(&record.identity.device).await?.identity.status,
        };
        match device_status {
            Status::Enabled => Ok(()),
            Status::Disabled => Err(AccessError::Disabled.into()),
        }
    }

    /// That the client holds the key of the first certificate is proven already.
    fn check_certificate(&self, chain: &[impl AsRef<[u8]>], record: &Record) -> Result<(), AccessError> {
        let own = chain.first().ok_or(AccessError::Missing)?.as_ref();
        let refused = |what: String| Err(AccessError::Certificate { what });
        match &record.identity.authentication {
            Authentication::SelfSigned(prints) => {
                let registered = [prints.primary(), prints.secondary()].into_iter().flatten();
                let mut readable = registered.filter_map(|print| print.as_str().parse::<Thumbprint>().ok());
                match readable.any(|print| print.matches(own)) {
                    true => Ok(()),
                    false => {
                        refused(format!("its thumbprint {} is not registered", Thumbprint::sha256_of(own)))
                    }
                }
            }
            Authentication::CertificateAuthority => {
                let identity = &record.identity;
                let name = match &identity.module {
                    None => identity.device.to_string(),
                    Some(module) => format!("{}/{module}", identity.device),
                };
                self.authorities.check(chain, &name).or_else(|error| refused(error.to_string()))
            }
            _ => refused("the identity is not registered with certificates".to_owned()),
        }
    }
}
