//! Keys as files, under the names that the original gives them.
//!
//! ```text
//! KEYS/<letters and digits of the id>-<sha256 of the id>.key    symmetric: the bytes; pair: PKCS#8 in PEM
//! ```
//!
//! Files of our own are 0600 and belong to this process's user or root; anything else is refused, because
//! somebody may have read or replaced the key. A key that the operator names by its path is taken as it is;
//! when everybody may read it, a warning says so. Nothing is kept in memory between two calls, so a file
//! that the operator replaces counts at once.

mod disk;
mod name;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use skerry_model::Random;
use zeroize::Zeroizing;

pub(crate) use disk::remove;
pub use disk::{FileError, read_file, write_file};
pub use name::file_name;

use crate::error::KeyError;
use crate::gcm::{self, KEY_BYTES};
use crate::pair::{self, Hash, Pair, PairAlgorithm, PublicKey, Scheme};
use crate::store::{KeyStore, Symmetric};

/// Longer keys than any algorithm here uses are no keys.
const SYMMETRIC_BYTES_MAX: usize = 4096;

pub struct FileOptions {
    /// Made with 0700 where it is missing.
    pub directory: PathBuf,
    /// Keys that lie elsewhere, by their ids: the operator's.
    pub preloaded: BTreeMap<String, PathBuf>,
    /// The user of this process.
    pub owner: u32,
    pub random: Arc<dyn Random>,
}

/// The file system as a key store. One process uses a directory at a time.
pub struct FileKeyStore {
    options: FileOptions,
    /// Changes take turns: "make unless there" is one step.
    turn: Mutex<()>,
}

impl FileKeyStore {
    pub fn open(options: FileOptions) -> Result<Self, KeyError> {
        disk::make_private_directory(&options.directory)?;
        Ok(Self { options, turn: Mutex::new(()) })
    }

    fn path(&self, id: &str) -> Result<PathBuf, KeyError> {
        Ok(self.options.directory.join(file_name(id, "key")?))
    }

    fn read(&self, id: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        let bytes = match self.options.preloaded.get(id) {
            Some(path) => Some(disk::read_operators(path)?),
            None => disk::read_private(&self.path(id)?, self.options.owner)?,
        };
        if bytes.as_ref().is_some_and(|bytes| bytes.is_empty()) {
            return Err(KeyError::Damaged { id: id.to_owned() });
        }
        Ok(bytes)
    }

    fn need(&self, id: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.read(id)?.ok_or_else(|| KeyError::NotFound { id: id.to_owned() })
    }

    fn pair(&self, id: &str) -> Result<Pair, KeyError> {
        Pair::from_pem(&self.need(id)?).ok_or_else(|| KeyError::Damaged { id: id.to_owned() })
    }

    fn aes_key(&self, id: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
        let bytes = self.need(id)?;
        let wrong = |_| KeyError::Length { id: id.to_owned(), bytes: bytes.len(), needed: "32" };
        bytes.as_slice().try_into().map(Zeroizing::new).map_err(wrong)
    }

    fn write(&self, id: &str, bytes: &[u8]) -> Result<(), KeyError> {
        Ok(write_file(&self.path(id)?, bytes, 0o600)?)
    }

    /// A key in the operator's file is the operator's to change.
    fn refuse_preloaded(&self, id: &str) -> Result<(), KeyError> {
        match self.options.preloaded.get(id) {
            None => Ok(()),
            Some(path) => Err(FileError::Operators { path: path.clone() }.into()),
        }
    }

    fn in_turn<T>(&self, change: impl FnOnce() -> Result<T, KeyError>) -> Result<T, KeyError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        change()
    }
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    tag.as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes")
}

impl KeyStore for FileKeyStore {
    fn make_key(&self, id: &str) -> Result<(), KeyError> {
        self.in_turn(|| {
            if self.read(id)?.is_some() {
                return Ok(());
            }
            let mut bytes = Zeroizing::new([0; KEY_BYTES]);
            self.options.random.fill(bytes.as_mut_slice());
            self.write(id, bytes.as_slice())
        })
    }

    fn import_key(&self, id: &str, bytes: &[u8]) -> Result<(), KeyError> {
        if bytes.is_empty() || bytes.len() > SYMMETRIC_BYTES_MAX {
            return Err(KeyError::Length { id: id.to_owned(), bytes: bytes.len(), needed: "1 to 4096" });
        }
        self.refuse_preloaded(id)?;
        self.in_turn(|| self.write(id, bytes))
    }

    fn has(&self, id: &str) -> Result<bool, KeyError> {
        Ok(self.read(id)?.is_some())
    }

    fn delete(&self, id: &str) -> Result<(), KeyError> {
        self.refuse_preloaded(id)?;
        self.in_turn(|| Ok(remove(&self.path(id)?)?))
    }

    fn sign(&self, key: Symmetric<'_>, data: &[u8]) -> Result<[u8; 32], KeyError> {
        match key {
            Symmetric::Named(id) => Ok(hmac(&self.need(id)?, data)),
            Symmetric::Derived { base, data: of } => {
                Ok(hmac(self.export_derived(base, of)?.as_slice(), data))
            }
        }
    }

    fn export_derived(&self, base: &str, data: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        Ok(Zeroizing::new(hmac(&self.need(base)?, data)))
    }

    fn encrypt(&self, id: &str, iv: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        if iv.is_empty() {
            return Err(KeyError::Vector);
        }
        let key = self.aes_key(id)?;
        gcm::seal(&key, iv, aad, plaintext).map_err(|_| KeyError::Library { what: "encrypt" })
    }

    fn decrypt(
        &self,
        id: &str,
        iv: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        if iv.is_empty() {
            return Err(KeyError::Vector);
        }
        gcm::open(&*self.aes_key(id)?, iv, aad, ciphertext, tag).map_err(|_| KeyError::Sealed)
    }

    fn make_pair(&self, id: &str, algorithm: PairAlgorithm) -> Result<PublicKey, KeyError> {
        self.in_turn(|| {
            if self.read(id)?.is_none() {
                let pair =
                    pair::generate(algorithm).map_err(|_| KeyError::Library { what: "make a key pair" })?;
                self.write(id, Zeroizing::new(pair.serialize_pem()).as_bytes())?;
            }
            Ok(self.pair(id)?.public())
        })
    }

    fn public_key(&self, id: &str) -> Result<PublicKey, KeyError> {
        Ok(self.pair(id)?.public())
    }

    fn sign_with_pair(&self, id: &str, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.pair(id)?.sign(id, scheme, message)
    }

    fn sign_digest(&self, id: &str, hash: Hash, digest: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.pair(id)?.sign_digest(id, hash, digest)
    }

    fn move_pair(&self, from: &str, to: &str) -> Result<(), KeyError> {
        self.refuse_preloaded(from)?;
        self.refuse_preloaded(to)?;
        self.in_turn(|| {
            self.pair(from)?;
            Ok(disk::rename(&self.path(from)?, &self.path(to)?)?)
        })
    }
}

/// Where a file of the given id lies in `directory`.
pub(crate) fn path_in(directory: &Path, id: &str, extension: &str) -> Result<PathBuf, KeyError> {
    Ok(directory.join(file_name(id, extension)?))
}
