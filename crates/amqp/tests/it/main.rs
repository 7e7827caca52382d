//! One binary for what searches: properties, mutated bytes, and two machines back to back.

// clippy.toml excuses test functions, their helpers live here too; and nothing is reachable from a test.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod arbitrary;
mod codec_fuzz;
mod dice;
mod machine_fuzz;
mod pairs;
mod roundtrip;
