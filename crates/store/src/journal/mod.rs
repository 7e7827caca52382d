//! The embedded log: one journal of commit groups, in files of a bounded size.
//!
//! # Constraints
//!
//! One fdatasync serves whatever arrived during the one before it, however many partitions and
//! cursors that concerns. Opening reads one file, however many there are. Memory does not depend
//! on what is kept. What was answered as synced survives a power cut at any instant, on a disk
//! that may reorder, tear and lose what was not synced.
//!
//! # Layout
//!
//! ```text
//!  0000000001-0000000001.log   0000000002-0000000005.log   0000000006-0000000006.log
//!    a file that is full         four, rewritten as one      the file that grows
//!
//!  a file:  prelude, 4 KiB │ state │ group │ group │ … │ group │ index
//! ```
//!
//! - The **prelude** (`prelude.rs`) says which file this is, the version of the format, and a random
//!   salt. It is there twice.
//! - The **state** (`ledger.rs`) is everything that is known beside records: where partitions and
//!   cursors stand, which names were placed; and where the file before this one ended.
//! - A **group** (`block.rs`) is one commit: records of any number of partitions, each partition's in
//!   slices of its own (`envelope.rs`), and notes (`note.rs`) on what else changed.
//! - The **index** (`index.rs`) behind the last group says where to begin reading. It is a
//!   convenience: made again when it is missing.
//!
//! Numbers are little-endian. Every head, slice and prelude has a sum (CRC-32), and a version byte
//! that does not fit ends the opening. The sum of a group's head covers its table, its place in
//! the file and the salt: bytes that a sender put into its payload are never taken for a group.
//!
//! # Writing
//!
//! Callers encode into the group in the making (`intake.rs`, `group.rs`), large batches before their
//! turn (`prepared.rs`); the writer (`writer.rs`) puts it behind the last one (`active.rs`), syncs if
//! anybody asked for it, and only then shows it to readers and answers. While a large group is synced
//! (`syncer.rs`), the next one is written already (`flight.rs`). A file is begun under another name, synced, renamed, and the directory
//! synced, before anything goes into it; by then the file before is durable to its end.
//!
//! What is answered before it is durable may have been seen, and so may early records (`flight.rs`); so a
//! partition writes down first how far it may run ahead (its ceiling), and after a crash counts on from
//! there: no sequence is given twice. Cursors that have passed early records lie behind them in the
//! file, and a cut that takes the records takes what cursors say of them.
//!
//! A sync that fails says nothing about what was written before it, and a later one would lie. So
//! the file ends where it was last durable, and everything behind goes to a new file, from memory
//! or read back. If that fails too, the log stands still and says so.
//!
//! A disk without room refuses the group and everything staged behind it. Nothing has to be undone:
//! the next group is written over it.
//!
//! # Reading
//!
//! The newest groups are in memory (`recent.rs`). Other pages find their file by its state, their
//! place by the index, and read on from there (`read.rs`, `walk.rs`), with more and more of what
//! comes next for who goes on (`ahead.rs`). Readers hold no file open between pages; a file that
//! goes away under a reader is looked up again.
//!
//! # Removing
//!
//! Whole files go: when all in them is too old, settled or trimmed, or at the cap (`retain.rs`). Where
//! cursors win and one lags, what is still wanted of old files is rewritten into fewer, in their
//! place (`rewrite.rs`).
//!
//! # Recovering
//!
//! Opening is recovering (`recover.rs`): the state of the last file, and the groups behind it. A place
//! that is no group ends the file, for nobody was told of what comes there; unless a later group
//! says that the place had been durable. Then it is damage: it is counted, told, and passed over,
//! here and by readers.

mod active;
mod ahead;
mod block;
mod catalog;
mod chunks;
mod engine;
mod envelope;
mod files;
mod flight;
mod follow;
mod gate;
mod group;
mod index;
mod indexes;
mod inspect;
mod intake;
mod jobs;
mod leaving;
mod ledger;
mod note;
mod options;
mod prelude;
mod prepared;
mod read;
mod recent;
mod recover;
mod retain;
mod rewrite;
mod roll;
mod segment;
mod shared;
mod signal;
mod staged;
mod syncer;
mod walk;
mod wanted;
mod wire;
mod writer;

pub use engine::Journal;
pub use files::{Directory, File, Files};
pub use inspect::{Fault, FileView, Overview, Verdict, inspect, verify};
pub use options::JournalOptions;
pub use recover::JournalOpenError;
