//! What the benches share: clocks and counters, the disk below, processes that must end, and the
//! numbers of a table. Each bench includes it by path, for no bench is a library.
#![allow(dead_code, reason = "each bench takes what it needs")]

pub(crate) mod child;
pub(crate) mod disk;
pub(crate) mod meter;
pub(crate) mod numbers;
pub(crate) mod papers;
pub(crate) mod place;
pub(crate) mod report;
pub(crate) mod signal;
pub(crate) mod surroundings;
pub(crate) mod tree;
