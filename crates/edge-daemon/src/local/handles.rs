//! Handles of keys: texts that prove by themselves that this service has given them.
//!
//! `sr=<base64 of JSON>&sig=<base64 of HMAC-SHA256>`; whoever holds one may use the key.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use skerry_keys::{KeyError, KeyStore, Symmetric};
use skerry_model::Random;

/// Signs the handles; made on the first use.
const VALIDATION_KEY: &str = "skerry-key-handles";
/// Longer texts are no handles.
const HANDLE_BYTES_MAX: usize = 16 << 10;

/// What a handle stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Key {
    Symmetric(String),
    Pair(String),
    /// Derived from the first with the second, in base64.
    Derived(String, String),
}

#[derive(Serialize, Deserialize)]
struct Inside {
    key_id: Key,
    nonce: String,
}

pub(crate) struct Handles {
    keys: Arc<dyn KeyStore>,
    random: Arc<dyn Random>,
}

impl Handles {
    pub(crate) fn new(keys: Arc<dyn KeyStore>, random: Arc<dyn Random>) -> Self {
        Self { keys, random }
    }

    pub(crate) fn give(&self, key_id: Key) -> Result<String, KeyError> {
        self.keys.make_key(VALIDATION_KEY)?;
        let mut nonce = [0; 64];
        self.random.fill(&mut nonce);
        let inside = Inside { key_id, nonce: STANDARD.encode(nonce) };
        let inside = serde_json::to_string(&inside).expect("texts are JSON");
        let signature = self.keys.sign(Symmetric::Named(VALIDATION_KEY), inside.as_bytes())?;
        Ok(format!("sr={}&sig={}", STANDARD.encode(inside), STANDARD.encode(signature)))
    }

    /// `None` for what this service has not given.
    pub(crate) fn open(&self, handle: &str) -> Result<Option<Key>, KeyError> {
        let parts = || {
            let handle = handle.get(..).filter(|handle| handle.len() <= HANDLE_BYTES_MAX)?;
            let (inside, signature) = handle.strip_prefix("sr=")?.split_once("&sig=")?;
            Some((STANDARD.decode(inside).ok()?, STANDARD.decode(signature).ok()?))
        };
        let Some((inside, signature)) = parts() else { return Ok(None) };
        let expected = match self.keys.sign(Symmetric::Named(VALIDATION_KEY), &inside) {
            Err(KeyError::NotFound { .. }) => return Ok(None),
            outcome => outcome?,
        };
        if verify_slices_are_equal(&expected, &signature).is_err() {
            return Ok(None);
        }
        Ok(serde_json::from_slice::<Inside>(&inside).ok().map(|inside| inside.key_id))
    }
}
