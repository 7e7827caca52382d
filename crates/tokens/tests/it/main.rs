//! One binary for all tests of the crate.

// clippy.toml excuses test functions; their helpers live here too.
#![allow(clippy::unwrap_used)]

mod audience;
mod connection;
mod mutation;
mod sas;
mod thumbprint;

use skerry_model::Random;
use skerry_tokens::SharedKey;

/// Base64 of the 32 bytes `01234567890123456789012345678901`.
pub const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
pub const OTHER_KEY: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=";

pub fn key(text: &str) -> SharedKey {
    text.parse().unwrap()
}

/// Counts up: the tests want to see the bytes again.
pub struct Counting;

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
    }
}
