//! From the queues before an endpoint to whoever takes the letters: one task for each endpoint.
//!
//! 1. Letters of one sender go out in the order in which they came, in one priority.
//! 2. A priority goes before all that follow it, as the original has it; with fairness, a letter that
//!    follows has its turn after so many of those before it.
//! 3. So many letters are on the way at a time; what comes back undelivered goes first the next time.
//! 4. What has lived for long enough is dropped and counted, whether somebody would take it or not.

mod deliveries;
mod drain;
mod module;
mod parked;
mod passage;
mod station;
mod upstream;

pub(crate) use deliveries::{Deliveries, Took};
pub(crate) use module::ModulePump;
pub(crate) use station::{Returning, Station};
pub(crate) use upstream::{UpstreamOptions, UpstreamPump};
