//! The agent in a world that is simulated: containers, hub, disk and clock, in time that passes when
//! nobody has anything to do.

mod faults;
mod hub;
mod life;
mod methods;
mod updates;
mod world;

pub(crate) use hub::{Hub, Line};
pub(crate) use world::{World, manifest};
