//! A real engine, one that the test starts for itself.

mod engine;
mod faults;
mod networks;
mod places;
mod promises;
