//! Power cuts and failing disks.
//!
//! A VFS between SQLite and the system writes down everything that is written, in order, with
//! marks where our commits were answered. From that, the disk is rebuilt as it may look after a
//! power cut at any point, and the engine has to open it with all that was answered.

mod disk;
mod faults;
mod kill;
mod power;
mod vfs;
mod workload;
