//! Images that nobody needs any more, removed at a quiet hour.
//!
//! [`RecordedRuntime`] notes which images are of use, [`Record`] keeps the notes in a file, and
//! [`Collector`] goes by them when the [`Schedule`] says so. Only what stands in the record is ever
//! removed, no image that a container of ours uses, and none that somebody wants kept.

mod collector;
mod record;
mod recorded;
mod schedule;
mod used;

pub use collector::{Collector, CollectorOptions, Keeps};
pub use record::Record;
pub use recorded::RecordedRuntime;
pub use schedule::Schedule;
pub use used::{ImageUse, ImageUseError};
