//! The journal on disks that lose what was not synced, fail, fill up and rot; and killed at any
//! moment.

mod ahead;
mod caps;
mod disk;
mod early;
mod faults;
mod flight;
mod fsyncs;
mod full;
mod fuzz;
mod kill;
mod large;
mod leftovers;
mod lives;
mod model;
mod power;
mod rot;
mod settled;
mod sites;
mod wakes;
mod workload;
mod world;
