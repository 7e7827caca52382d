//! The agent on a real engine, one that the test starts for itself: the same engine on which the
//! runtime is tried.

#[path = "../../../../runtime/tests/it/containers/engine.rs"]
#[allow(dead_code, reason = "the runtime's tests need all of it")]
mod engine;
mod updates;
