//! Keys of modules: derived from one master key and the generation that the hub gave, so that they outlive
//! every restart without being stored.

use skerry_model::ModuleId;
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::store::{KeyStore, Symmetric};

/// The original's name, so that keys of an installation that moves here stay what they were.
pub const IDENTITY_MASTER_KEY: &str = "aziot_identityd_master_id";

/// The two keys of one module in one generation.
pub struct ModuleKeys<'a> {
    store: &'a dyn KeyStore,
    primary: String,
    secondary: String,
}

impl<'a> ModuleKeys<'a> {
    pub fn new(store: &'a dyn KeyStore, module: &ModuleId, generation: &str) -> Self {
        let data = |which| format!("{module}:{generation}:{which}");
        Self { store, primary: data("primary"), secondary: data("secondary") }
    }

    /// What the module proves itself with: HMAC-SHA256 with its primary key.
    pub fn sign(&self, data: &[u8]) -> Result<[u8; 32], KeyError> {
        let key = Symmetric::Derived { base: IDENTITY_MASTER_KEY, data: self.primary.as_bytes() };
        self.store.sign(key, data)
    }

    /// Primary and secondary key, for the hub; makes the master key when there is none.
    pub fn export(&self) -> Result<[Zeroizing<[u8; 32]>; 2], KeyError> {
        self.store.make_key(IDENTITY_MASTER_KEY)?;
        let export = |data: &str| self.store.export_derived(IDENTITY_MASTER_KEY, data.as_bytes());
        Ok([export(&self.primary)?, export(&self.secondary)?])
    }
}
