//! The credentials of the Azure IoT world as texts and bytes: connection strings, shared keys, SAS tokens
//! and certificate thumbprints; issue, read and verify them.
//!
//! Pure: time and randomness come in as parameters, nothing here knows a socket or a registry. The crate
//! answers "is this text well-formed, who signed it, what does it speak for"; whether that identity exists
//! and may do what it asks is decided by the hub.
//!
//! A server checks a token in this order: [`SasToken::parse`], look up the keys of the identity that is
//! *claimed*, [`covers`] for the resource, [`SasToken::verify`] for signature and expiry.
#![forbid(unsafe_code)]

mod audience;
mod connection;
mod host;
mod key;
mod sas;
mod secret;
mod thumbprint;
mod verify;

pub use audience::{AudienceError, Claim, ModuleRule, covers, identities, resource};
pub use connection::{ConnectionString, ConnectionStringError, Credential, EventHubsString, HubString, Part};
pub use host::{Host, HostError};
pub use key::{KeyError, KeyUse, SharedKey};
pub use sas::{Draft, SasToken, Signer, TOKEN_BYTES_MAX, TokenError};
pub use secret::Secret;
pub use thumbprint::{Thumbprint, ThumbprintError};
pub use verify::{CLOCK_SKEW, KeyPair, MatchedKey, VerifyError};
