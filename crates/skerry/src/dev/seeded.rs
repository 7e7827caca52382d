//! Randomness that follows from a text: the same bytes in every run, and no secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use skerry_model::Random;

/// Where streams and keys come from. What one of them is never depends on how often another was asked.
pub struct Seeded {
    key: hmac::Key,
}

impl Seeded {
    pub fn new(text: &str) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()) }
    }

    /// Randomness for one purpose.
    pub fn stream(&self, purpose: &str) -> Arc<dyn Random> {
        let key = hmac::sign(&self.key, format!("stream {purpose}").as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
        Arc::new(Stream { key, blocks: AtomicU64::new(0) })
    }

    /// The key of an identity, whatever else is registered.
    pub fn identity_key(&self, device: &str, module: Option<&str>, which: &str) -> String {
        // No id holds a space or a line break.
        let of = format!("{which} key\n{device}\n{}", module.unwrap_or_default());
        STANDARD.encode(hmac::sign(&self.key, of.as_bytes()))
    }
}

struct Stream {
    key: hmac::Key,
    blocks: AtomicU64,
}

impl Random for Stream {
    fn fill(&self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(32) {
            let block = self.blocks.fetch_add(1, Relaxed);
            let block = hmac::sign(&self.key, &block.to_be_bytes());
            piece.copy_from_slice(&block.as_ref()[..piece.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(random: &dyn Random) -> [u8; 40] {
        let mut bytes = [0; 40];
        random.fill(&mut bytes);
        bytes
    }

    #[test]
    fn the_same_text_gives_the_same_bytes_and_keys_and_nothing_else_does() {
        let (one, same, other) = (Seeded::new("a"), Seeded::new("a"), Seeded::new("b"));
        let stream = one.stream("x");
        let first = bytes(&*stream);
        assert_eq!(first, bytes(&*same.stream("x")));
        assert_ne!(first, bytes(&*stream), "a stream goes on");
        assert_ne!(first, bytes(&*one.stream("y")));
        assert_ne!(first, bytes(&*other.stream("x")));
        let key = one.identity_key("d", None, "primary");
        assert_eq!(key, same.identity_key("d", None, "primary"));
        for different in [
            one.identity_key("d", None, "secondary"),
            one.identity_key("d", Some("m"), "primary"),
            one.identity_key("e", None, "primary"),
            other.identity_key("d", None, "primary"),
        ] {
            assert_ne!(key, different);
        }
    }
}
