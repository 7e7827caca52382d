//! The program as an edge device, with a real engine: the hub, the device and the containers in one world of
//! the test's own.

mod bad_input;
mod clock;
mod device;
#[path = "../../../../runtime/tests/it/containers/engine.rs"]
#[allow(dead_code, reason = "the engine's own tests use the rest")]
pub(crate) mod engine;
mod first_device;
mod garbage;
mod late;
mod life;
mod modules;
mod official;
mod policies;
mod revoked;
mod tutorial;
mod uploads;
