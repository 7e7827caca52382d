//! AES-256-GCM with vectors of any length. The crypto library takes 12 bytes only; the original's clients
//! send 32. What is missing, the way from a long vector to the first counter, is added here: GHASH after
//! NIST SP 800-38D, in constant time, over the library's own block and counter modes.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

pub(crate) const TAG_BYTES: usize = 16;
pub(crate) const KEY_BYTES: usize = 32;
const BLOCK_BYTES: usize = 16;

type Block = [u8; BLOCK_BYTES];

/// The library failed, or for [`open`]: the tag is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// Ciphertext, then the tag. `iv` is not empty.
pub(crate) fn seal(
    key: &[u8; KEY_BYTES],
    iv: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Refused> {
    if let Ok(iv) = <[u8; NONCE_LEN]>::try_from(iv) {
        let mut text = plaintext.to_vec();
        let nonce = Nonce::assume_unique_for_key(iv);
        native(key)?.seal_in_place_append_tag(nonce, Aad::from(aad), &mut text).map_err(|_| Refused)?;
        return Ok(text);
    }
    let long = Long::new(key, iv)?;
    let mut text = long.count(plaintext)?;
    let tag = long.tag(aad, &text)?;
    text.extend_from_slice(&tag);
    Ok(text)
}

pub(crate) fn open(
    key: &[u8; KEY_BYTES],
    iv: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    if let Ok(iv) = <[u8; NONCE_LEN]>::try_from(iv) {
        let mut text = Zeroizing::new([ciphertext, tag].concat());
        let nonce = Nonce::assume_unique_for_key(iv);
        let opened = native(key)?.open_in_place(nonce, Aad::from(aad), &mut text).map_err(|_| Refused)?;
        let length = opened.len();
        text.truncate(length);
        return Ok(text);
    }
    let long = Long::new(key, iv)?;
    verify_slices_are_equal(&long.tag(aad, ciphertext)?, tag).map_err(|_| Refused)?;
    Ok(Zeroizing::new(long.count(ciphertext)?))
}

fn native(key: &[u8; KEY_BYTES]) -> Result<LessSafeKey, Refused> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| Refused)
}

/// One key with one long vector.
struct Long<'a> {
    key: &'a [u8; KEY_BYTES],
    /// The key of GHASH.
    hash_key: u128,
    /// The counter before the first block of text.
    first: Block,
}

impl<'a> Long<'a> {
    fn new(key: &'a [u8; KEY_BYTES], iv: &[u8]) -> Result<Self, Refused> {
        let hash_key = u128::from_be_bytes(block(key, [0; BLOCK_BYTES])?);
        let mut hash = Hash { key: hash_key, state: 0 };
        hash.update(iv);
        hash.block(bits(iv));
        Ok(Self { key, hash_key, first: hash.state.to_be_bytes() })
    }

    fn tag(&self, aad: &[u8], ciphertext: &[u8]) -> Result<Block, Refused> {
        let mut hash = Hash { key: self.hash_key, state: 0 };
        hash.update(aad);
        hash.update(ciphertext);
        hash.block(bits(aad) << 64 | bits(ciphertext));
        let mask = u128::from_be_bytes(block(self.key, self.first)?);
        Ok((hash.state ^ mask).to_be_bytes())
    }

    /// Encrypts or decrypts, which is the same here.
    fn count(&self, text: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut out = text.to_vec();
        let counter = u128::from_be_bytes(self.first);
        let (high, low) = (counter >> 32 << 32, counter as u32);
        let mut low = low.wrapping_add(1);
        let mut rest = out.as_mut_slice();
        // The library counts with 128 bits, GCM with 32: where these wrap, it begins anew.
        while !rest.is_empty() {
            let blocks = u64::from(u32::MAX - low) + 1;
            let bytes = usize::try_from(blocks).unwrap_or(usize::MAX).saturating_mul(BLOCK_BYTES);
            let (now, later) = rest.split_at_mut(bytes.min(rest.len()));
            let start = (high | u128::from(low)).to_be_bytes();
            let key = UnboundCipherKey::new(&AES_256, self.key).map_err(|_| Refused)?;
            let key = DecryptingKey::ctr(key).map_err(|_| Refused)?;
            key.decrypt(now, DecryptionContext::Iv128(FixedLength::from(start))).map_err(|_| Refused)?;
            (rest, low) = (later, 0);
        }
        Ok(out)
    }
}

fn block(key: &[u8; KEY_BYTES], mut block: Block) -> Result<Block, Refused> {
    let key = UnboundCipherKey::new(&AES_256, key).map_err(|_| Refused)?;
    let key = EncryptingKey::ecb(key).map_err(|_| Refused)?;
    key.less_safe_encrypt(&mut block, EncryptionContext::None).map_err(|_| Refused)?;
    Ok(block)
}

fn bits(bytes: &[u8]) -> u128 {
    bytes.len() as u128 * 8
}

struct Hash {
    key: u128,
    state: u128,
}

impl Hash {
    /// Bytes, filled up with zeros to whole blocks.
    fn update(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(BLOCK_BYTES) {
            let mut block = [0; BLOCK_BYTES];
            block[..chunk.len()].copy_from_slice(chunk);
            self.block(u128::from_be_bytes(block));
        }
    }

    fn block(&mut self, block: u128) {
        self.state = multiply(self.state ^ block, self.key);
    }
}

/// In the field of GCM, bit by bit; masks instead of branches, so that time tells nothing.
fn multiply(x: u128, y: u128) -> u128 {
    const REDUCE: u128 = 0xe1 << 120;
    let (mut product, mut v) = (0u128, y);
    for bit in (0..128).rev() {
        product ^= v & (x >> bit & 1).wrapping_neg();
        v = v >> 1 ^ REDUCE & (v & 1).wrapping_neg();
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library is the oracle: for 12 bytes of vector the first counter is the vector and a one.
    #[test]
    fn our_half_agrees_with_the_library() {
        let key = [7; KEY_BYTES];
        for length in [0, 1, 15, 16, 17, 1000] {
            let text: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let iv = *b"123456789012";
            let mut first = [0; BLOCK_BYTES];
            first[..12].copy_from_slice(&iv);
            first[15] = 1;
            let hash_key = u128::from_be_bytes(block(&key, [0; BLOCK_BYTES]).unwrap());
            let long = Long { key: &key, hash_key, first };
            let mut ours = long.count(&text).unwrap();
            let tag = long.tag(b"owner", &ours).unwrap();
            ours.extend_from_slice(&tag);
            assert_eq!(ours, seal(&key, &iv, b"owner", &text).unwrap(), "{length}");
        }
    }

    #[test]
    fn a_counter_that_wraps_goes_on_as_gcm_counts() {
        let key = [7; KEY_BYTES];
        let mut first = [9; BLOCK_BYTES];
        first[12..].copy_from_slice(&(u32::MAX - 1).to_be_bytes());
        let long = Long { key: &key, hash_key: 0, first };
        let counted = long.count(&[0; 3 * BLOCK_BYTES]).unwrap();
        for (at, low) in [u32::MAX, 0, 1].into_iter().enumerate() {
            first[12..].copy_from_slice(&low.to_be_bytes());
            let expected = block(&key, first).unwrap();
            assert_eq!(counted[at * BLOCK_BYTES..][..BLOCK_BYTES], expected, "{low}");
        }
    }
}
