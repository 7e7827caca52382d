//! The nouns of an IoT hub and the rules that hold for them everywhere: ids, identities, twins,
//! messages, limits and the error vocabulary. Pure: no socket, file, clock or random source.
#![forbid(unsafe_code)]

mod time;

pub use time::{Clock, Random, Timestamp, TimestampError};
