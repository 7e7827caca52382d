//! Tests of the model as its users see it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod deployment_cases;
mod packed_properties;
mod twin_cases;
