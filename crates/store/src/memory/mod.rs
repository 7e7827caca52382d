//! Documents and logs in memory: for tests, and for hubs that may forget.
//!
//! It keeps every promise of the contract except that nothing outlives the process. With a
//! [`Weakness`] it keeps no more than the contract: late views, unknown outcomes, followers that
//! lag and hear things twice. What works on it works on a cluster.

mod engine;
mod follow;
mod log;
mod state;
mod weakness;

pub use engine::{MemoryDocuments, MemoryOptions};
pub use log::{LogWeakness, MemoryLog, MemoryLogOptions};
pub(crate) use weakness::Dice;
pub use weakness::Weakness;
