//! What is shown once for a whole connection, and counts for the links on it.
//!
//! Clients of links sign with a policy's key as hubs do, or with its text as Event Hubs do, on the
//! same address; whoever can do one can do the other, so both count. Some say a policy's name and
//! its key itself.

use skerry_model::Timestamp;
use skerry_tokens::{Claim, KeyUse, SasToken, SharedKey};

use super::authorize::{AccessError, Authorizer};
use super::{Caller, Policy};

/// A policy whose holder is at the other end of a link.
#[derive(Clone, Debug)]
pub(crate) struct LinkPolicy {
    pub(crate) caller: Caller,
    /// `None` for who knows the key itself.
    pub(crate) ends: Option<Timestamp>,
}

impl Authorizer {
    /// The policy behind a token, or behind a key that was said instead of one.
    pub(crate) fn link_policy(&self, credential: &str) -> Result<LinkPolicy, AccessError> {
        let token = match SasToken::parse(credential) {
            Ok(token) => token,
            Err(error) => {
                let all = self.policies.all();
                let found = all.iter().find(|policy| policy_has_key(policy, credential));
                let malformed = || AccessError::Malformed { what: error.to_string() };
                return found.map(|policy| link_policy(policy, None)).ok_or_else(malformed);
            }
        };
        let Some(name) = token.policy() else { return Err(AccessError::NotForDevices) };
        self.check_audience(&token, Claim::Hub)?;
        let policy = self.policies.get(name).ok_or(AccessError::Signature)?;
        let verify = |usage| self.verify_as(usage, &token, &policy.primary, &policy.secondary);
        match verify(KeyUse::Hub) {
            Err(AccessError::Signature) => verify(KeyUse::EventHubs)?,
            other => other?,
        }
        Ok(link_policy(&policy, Some(token.expiry().plus(self.skew))))
    }

    /// The policy of this name, for who says its key.
    pub(crate) fn policy_by_key(&self, name: &str, key: &str) -> Result<LinkPolicy, AccessError> {
        let policy = self.policies.get(name).filter(|policy| policy_has_key(policy, key));
        policy.map(|policy| link_policy(&policy, None)).ok_or(AccessError::Signature)
    }
}

fn link_policy(policy: &Policy, ends: Option<Timestamp>) -> LinkPolicy {
    LinkPolicy { caller: Caller::Policy { name: policy.name.clone(), rights: policy.rights }, ends }
}

/// Keys compare in constant time.
fn policy_has_key(policy: &Policy, text: &str) -> bool {
    let Ok(key) = text.parse::<SharedKey>() else { return false };
    let (is_primary, is_secondary) = (key == policy.primary, key == policy.secondary);
    is_primary | is_secondary
}
