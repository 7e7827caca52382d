//! The world around one edge hub.

mod carrier;
mod client;
mod home;
mod hub;
mod machine;
mod patient;
mod plug;
mod world;

pub use client::{Client, Settling};
pub use hub::{Acks, Hub};
pub use machine::Dice;
pub use plug::Syncs;
pub use world::{Store, World, desired};
