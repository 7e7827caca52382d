//! The log in memory. Outlives nothing; with a [`LogWeakness`] it keeps no more than the contract.

mod append;
mod cursors;
mod engine;
mod follow;
mod held;
mod partition;
mod room;
mod state;
#[cfg(test)]
mod tests;
mod weakness;

pub use engine::{MemoryLog, MemoryLogOptions};
pub use weakness::LogWeakness;
