//! New keys for an identity, by an operator's order.

use skerry_model::identity::SymmetricKeys;
use skerry_model::{Authentication, DeviceId, ModuleId};
use skerry_store::documents::{Action, Change, Expect, Lane};

use super::{CHANGE_TRIES_MAX, Record, Registry, RegistryError, Settled};

/// Which keys are made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChoice {
    Primary,
    Secondary,
    Both,
    /// The two change places.
    Swap,
}

impl KeyChoice {
    /// The wire's word, in any case.
    pub fn from_wire(word: &str) -> Option<Self> {
        let table = [
            ("primaryKey", Self::Primary),
            ("secondaryKey", Self::Secondary),
            ("both", Self::Both),
            ("swap", Self::Swap),
        ];
        table.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, choice)| choice)
    }
}

impl Registry {
    pub async fn rotate_keys(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        choice: KeyChoice,
    ) -> Result<Record, RegistryError> {
        for _ in 0..CHANGE_TRIES_MAX {
            let before = self.identity(device, module).await?;
            let Authentication::Sas(keys) = &before.identity.authentication else {
                return Err(RegistryError::Invalid {
                    what: format!(
                        "{device} does not authenticate with shared keys, so there are none to rotate"
                    ),
                });
            };
            let (primary, secondary) = (keys.primary().to_owned(), keys.secondary().to_owned());
            let (primary, secondary) = match choice {
                KeyChoice::Primary => (self.new_key(), secondary),
                KeyChoice::Secondary => (primary, self.new_key()),
                KeyChoice::Both => (self.new_key(), self.new_key()),
                KeyChoice::Swap => (secondary, primary),
            };
            let mut record = before.clone();
            record.identity.authentication = Authentication::Sas(SymmetricKeys::new(primary, secondary)?);
            record.identity.etag += 1;
            let change = Change {
                key: record.key(),
                expect: Expect::Revision(before.revision),
                action: Action::Update(record.identity_update(&self.sealer)?),
                note: Vec::new(),
            };
            if let Settled::Committed = self.settle(device, vec![change], Lane::Interactive).await? {
                return Ok(record);
            }
        }
        Err(RegistryError::Contended)
    }
}
