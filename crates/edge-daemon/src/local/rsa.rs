//! RSA as libraries of TLS ask for it: they have made the digest, put its algorithm before it, and have that
//! "encrypted" with the private key, which is a signature by PKCS#1.

use skerry_keys::{Hash, KeyError, KeyStore};

/// What stands before each digest: its algorithm and length in DER.
const BEFORE: [(Hash, [u8; 19]); 3] = [
    (Hash::Sha256, [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20]),
    (Hash::Sha384, [0x30, 0x41, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2, 5, 0, 4, 0x30]),
    (Hash::Sha512, [0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40]),
];

/// `None` for what is no digest of these: a key that signs signs nothing else.
pub(super) fn sign(keys: &dyn KeyStore, id: &str, text: &[u8]) -> Option<Result<Vec<u8>, KeyError>> {
    let digest =
        BEFORE.iter().find_map(|(hash, before)| Some((*hash, text.strip_prefix(before.as_slice())?)));
    let (hash, digest) = digest.filter(|(hash, digest)| digest.len() == hash.bytes())?;
    Some(keys.sign_digest(id, hash, digest))
}
