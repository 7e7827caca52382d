//! Keys and certificates of an edge device: kept, used and renewed. No socket is involved.
//!
//! ```text
//! KeyStore (trait) ◄── FileKeyStore: 0600 files under the original's names
//!     ▲
//!     ├── ModuleKeys      keys of modules, derived from one master key and never stored
//!     ├── seal, open      what modules have encrypted for them
//!     └── EdgeCa          the issuing certificate: made, taken from files or issued; renewed ahead of time
//!           └── TrustBundle   what modules and devices have to trust; no renewal changes it
//! ```
//!
//! Callers name keys and say what is to be done with them; the bytes stay inside the store, so that a token
//! (PKCS#11, TPM) can stand behind the same trait. The one exception is [`KeyStore::export_derived`]: a hub
//! wants to know the keys of modules. Everything here touches the disk and blocks: async code calls it from
//! a blocking thread.
#![forbid(unsafe_code)]

mod certificate;
mod cipher;
mod error;
mod file;
mod gcm;
mod module_keys;
mod pair;
pub mod renewal;
mod store;

pub use certificate::{
    Attribute, AttributeError, Authority, CaSource, CertificateError, CertificateStore, Chain, EDGE_CA,
    EdgeCa, EdgeCaOptions, Issued, LocalCa, Preloaded, Renewed, ServerRequest, Subject, TrustBundle,
};
pub use cipher::{MASTER_ENCRYPTION_KEY, open, seal};
pub use error::KeyError;
pub use file::{FileError, FileKeyStore, FileOptions, file_name, read_file, write_file};
pub use module_keys::{IDENTITY_MASTER_KEY, ModuleKeys};
pub use pair::{Hash, PairAlgorithm, PublicKey, PublicParts, Scheme};
pub use store::{KeyStore, Symmetric};
