//! What a place for keys can do. Its calls may take as long as a smart card takes.

use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::pair::{Hash, PairAlgorithm, PublicKey, Scheme};

/// Which symmetric key signs.
#[derive(Clone, Copy, Debug)]
pub enum Symmetric<'a> {
    Named(&'a str),
    /// HMAC-SHA256 of `data` with the named key is the key. Never stored; a derived key derives nothing.
    Derived {
        base: &'a str,
        data: &'a [u8],
    },
}

/// Keys by name. Every change is durable before it returns, and whole or not there after a crash.
///
/// Symmetric keys and pairs share their names, as they share their files in the original.
pub trait KeyStore: Send + Sync + 'static {
    /// A symmetric key of 32 random bytes, made unless it is there.
    fn make_key(&self, id: &str) -> Result<(), KeyError>;

    /// Takes a symmetric key over, in place of one of the same name.
    fn import_key(&self, id: &str, bytes: &[u8]) -> Result<(), KeyError>;

    fn has(&self, id: &str) -> Result<bool, KeyError>;

    /// Deleting what is not there is done.
    fn delete(&self, id: &str) -> Result<(), KeyError>;

    /// HMAC-SHA256 over the data.
    fn sign(&self, key: Symmetric<'_>, data: &[u8]) -> Result<[u8; 32], KeyError>;

    /// The bytes of a derived key, for whoever registers it.
    fn export_derived(&self, base: &str, data: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError>;

    /// AES-256-GCM with a vector of any length: ciphertext, then 16 bytes of tag.
    fn encrypt(&self, id: &str, iv: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError>;

    fn decrypt(
        &self,
        id: &str,
        iv: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError>;

    /// The pair of that name, made unless it is there; one that is there may be of another algorithm.
    fn make_pair(&self, id: &str, algorithm: PairAlgorithm) -> Result<PublicKey, KeyError>;

    fn public_key(&self, id: &str) -> Result<PublicKey, KeyError>;

    /// Signs the message itself, not a digest that the caller has made.
    fn sign_with_pair(&self, id: &str, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Signs a digest that the caller has made, as TLS libraries ask: one by SHA-256 by ECDSA, any by RSA with PKCS#1.
    fn sign_digest(&self, id: &str, hash: Hash, digest: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Gives a pair another name, in place of the one that had it.
    fn move_pair(&self, from: &str, to: &str) -> Result<(), KeyError>;
}
