//! Checks the token of a request: who signs it, for which hub, until when, and what that allows.

use std::sync::Arc;
use std::time::Duration;

use skerry_model::{Authentication, Clock, DeviceId, ErrorCode, Status};
use skerry_tokens::{Claim, KeyPair, KeyUse, ModuleRule, SasToken, SharedKey, VerifyError, covers};

use super::{Policies, Right, Rights};
use crate::authorities::Authorities;
use crate::registry::{Registry, RegistryError};

/// Who sends a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    /// The holder of a policy's key.
    Policy { name: String, rights: Rights },
    /// A device with its own key or certificate.
    Device(DeviceId),
}

/// Why a request is not let in. The text says what to mend and betrays nothing that the holder of
/// a wrong key should not learn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AccessError {
    #[error("the request has no Authorization header, send a SharedAccessSignature")]
    Missing,
    #[error("the Authorization header is not a SharedAccessSignature this hub can read, {what}")]
    Malformed { what: String },
    #[error("the token is for something else, {what}")]
    Audience { what: String },
    #[error("the token's policy or device is not known here, or its signature matches neither key")]
    Signature,
    #[error("the certificate does not count for this identity, {what}")]
    Certificate { what: String },
    #[error("{what}")]
    Expired { what: String },
    #[error("the device is disabled")]
    Disabled,
    #[error("policy {policy} lacks the right that this needs, {needed}")]
    Right { policy: String, needed: String },
    #[error("a device's own token does not allow this")]
    NotForDevices,
    #[error("{what}")]
    Behalf { what: String },
    #[error("the token could not be checked, {what}")]
    Unavailable { what: String },
}

impl AccessError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Expired { .. } => ErrorCode::IotHubUnauthorized,
            Self::Unavailable { .. } => ErrorCode::ServiceUnavailable,
            _ => ErrorCode::IotHubUnauthorizedAccess,
        }
    }
}

/// Checks tokens against policies and device keys.
pub struct Authorizer {
    pub policies: Arc<Policies>,
    pub registry: Registry,
    pub authorities: Authorities,
    /// Every name of this hub; any of them may stand in a token.
    pub host_names: Vec<String>,
    pub clock: Arc<dyn Clock>,
    /// How far a client's clock may be behind.
    pub skew: Duration,
}

impl Authorizer {
    /// Reads and checks the value of the `Authorization` header. `device` is the device that the
    /// request is about, for tokens that devices sign themselves.
    pub async fn authenticate(
        &self,
        header: Option<&str>,
        device: Option<&DeviceId>,
    ) -> Result<Caller, AccessError> {
        let text = header.filter(|text| !text.is_empty()).ok_or(AccessError::Missing)?;
        let token =
            SasToken::parse(text).map_err(|error| AccessError::Malformed { what: error.to_string() })?;
        match (token.policy(), device) {
            (Some(name), _) => self.policy_caller(&token, name),
            (None, Some(device)) => self.device_caller(&token, device).await,
            (None, None) => {
                Err(AccessError::Malformed { what: "it names no policy, skn is missing".to_owned() })
            }
        }
    }

    pub(super) fn policy_caller(&self, token: &SasToken, name: &str) -> Result<Caller, AccessError> {
        self.check_audience(token, Claim::Hub)?;
        let policy = self.policies.get(name).ok_or(AccessError::Signature)?;
        self.verify(token, &policy.primary, &policy.secondary)?;
        Ok(Caller::Policy { name: policy.name, rights: policy.rights })
    }

    async fn device_caller(&self, token: &SasToken, device: &DeviceId) -> Result<Caller, AccessError> {
        self.check_audience(token, Claim::Device(device.as_str()))?;
        let record = match self.registry.get_device(device).await {
            Ok(record) => record,
            Err(RegistryError::DeviceNotFound { .. }) => return Err(AccessError::Signature),
            Err(error) => return Err(AccessError::Unavailable { what: error.to_string() }),
        };
        let Authentication::Sas(keys) = &record.identity.authentication else {
            return Err(AccessError::Signature);
        };
        let key = |text: &str| text.parse::<SharedKey>().map_err(|_| AccessError::Signature);
        self.verify(token, &key(keys.primary())?, &key(keys.secondary())?)?;
        if record.identity.status == Status::Disabled {
            return Err(AccessError::Disabled);
        }
        Ok(Caller::Device(device.clone()))
    }

    pub(super) fn check_audience(&self, token: &SasToken, claim: Claim<'_>) -> Result<(), AccessError> {
        covers(token.resource(), &self.host_names, claim, ModuleRule::OwnTokenOnly)
            .map_err(|error| AccessError::Audience { what: error.to_string() })
    }

    pub(super) fn verify(
        &self,
        token: &SasToken,
        primary: &SharedKey,
        secondary: &SharedKey,
    ) -> Result<(), AccessError> {
        self.verify_as(KeyUse::Hub, token, primary, secondary)
    }

    pub(super) fn verify_as(
        &self,
        usage: KeyUse,
        token: &SasToken,
        primary: &SharedKey,
        secondary: &SharedKey,
    ) -> Result<(), AccessError> {
        match token.verify(KeyPair { primary, secondary }, usage, self.clock.now(), self.skew) {
            Ok(_) => Ok(()),
            Err(VerifyError::Signature) => Err(AccessError::Signature),
            Err(error @ VerifyError::Expired { .. }) => Err(AccessError::Expired { what: error.to_string() }),
        }
    }
}

impl Caller {
    /// Whether a policy has at least one of `rights`.
    pub fn require_any(&self, rights: &[Right]) -> Result<(), AccessError> {
        match self {
            Caller::Policy { rights: held, .. } if held.has_any(rights) => Ok(()),
            Caller::Policy { name, .. } => {
                Err(AccessError::Right { policy: name.clone(), needed: names(rights, " or ") })
            }
            Caller::Device(_) => Err(AccessError::NotForDevices),
        }
    }

    /// Whether a policy has every right, which managing the hub itself needs.
    pub fn require_owner(&self) -> Result<(), AccessError> {
        match self {
            Caller::Policy { rights, .. } if *rights == Rights::all() => Ok(()),
            Caller::Policy { name, .. } => {
                Err(AccessError::Right { policy: name.clone(), needed: names(&Right::ALL, " and ") })
            }
            Caller::Device(_) => Err(AccessError::NotForDevices),
        }
    }
}

fn names(rights: &[Right], joint: &str) -> String {
    rights.iter().map(|right| right.as_str()).collect::<Vec<_>>().join(joint)
}
