//! `skerry quickstart`, as a newcomer meets it: in worlds of their own where nothing but the loopback is.

mod containers;
mod crowded;
mod life;
mod refusals;
mod terminal;
mod world;
