//! The program as an edge device, with a real engine: the hub, the device and the containers in one world of
//! the test's own.

mod bad_input;
mod device;
#[path = "../../../../runtime/tests/it/containers/engine.rs"]
#[allow(dead_code, reason = "the engine's own tests use the rest")]
pub(crate) mod engine;
mod late;
mod life;
mod modules;
mod official;
mod policies;
mod tutorial;
mod uploads;
