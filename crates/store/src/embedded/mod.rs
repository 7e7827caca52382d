//! Documents in one SQLite file, for one machine and one process.
//!
//! # Why it is shaped so
//!
//! - One thread writes. It takes whatever commits arrived during the fsync before, makes them one
//!   transaction, and answers all of them after one fsync. Each commit in such a group is judged
//!   by itself: the conflict of one does not touch the others.
//! - A few threads read, each with a connection of its own, in transactions so short that the
//!   write-ahead log can always be folded back into the file.
//! - JSON parts are stored as SQLite's JSONB, so a question can look inside without the engine
//!   handing every document out; but SQLite only ever narrows, it never decides.
//!
//! # The file
//!
//! `application_id` is "Skry", `user_version` the format's version; anything else is refused.
//! WAL mode, `synchronous=FULL`, incremental vacuum from creation on.
//!
//! | table | what |
//! |---|---|
//! | `documents` | one row a document; `documents_key` makes (space, grp, name) unique and ordered |
//! | `changes` | one row a change, `id` without repeats; `revision` is the `id` of the commit's first change |
//! | `state` | one row: the last revision, the next change id, what was trimmed, bytes in `changes` |
//! | `indexes` | declared indexes, how far each is built, which are being dropped |
//! | `index_N` | the values of index N and the key of each document that has them |
//!
//! An index is kept by triggers, so no write can forget it; documents from before it was declared
//! are filled in aside, in key order, a bounded piece in each transaction.
//!
//! # Recovery
//!
//! Opening is recovery: SQLite replays the part of the log whose checksums hold. A failed write
//! that means "no room" changes nothing and the next commit simply tries again. Any other failure
//! of a commit stops all writing until the process is restarted: after a failed fsync nobody knows
//! what the disk holds.

mod apply;
mod backup;
mod checkpoint;
mod engine;
mod failure;
mod file;
mod follow;
mod index;
mod narrow;
mod options;
mod plan;
mod queue;
mod readers;
mod row;
mod scan;
mod tally;
mod writer;

pub use engine::EmbeddedDocuments;
pub use failure::{BackupError, OpenError};
pub use options::EmbeddedOptions;
