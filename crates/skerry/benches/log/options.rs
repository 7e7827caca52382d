//! What a run measures, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures the embedded log beside raw sequential writes, SQLite and JetStream.
///
/// The default takes five minutes on two processors and a fast disk, and 3 GB of it; no options make it more than 12 GB.
/// Nothing is asserted: the numbers are for people, on the machine they were taken on.
#[derive(Parser, Clone, Debug)]
#[command(name = "log")]
pub(crate) struct Options {
    /// Records of a measure, where they have 256 bytes; of 1 KB three in ten of them.
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1000..=20_000_000))]
    pub(crate) records: u64,
    /// A measure ends after this time, whether all records are in or not.
    #[arg(long, default_value_t = 2.0, value_name = "S")]
    seconds: f64,
    /// Times that the engines take turns.
    #[arg(long, default_value_t = 3, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Records of 256 bytes that wait for a reader, where memory and starts are measured.
    #[arg(long, default_value_t = 10_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1000..=20_000_000))]
    pub(crate) backlog: u64,
    /// Only this; may be given several times.
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) only: Vec<Section>,
    /// Where the data lies while the bench runs; a real disk, or fsync costs nothing
    /// [default: the system's folder for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Leave SQLite and JetStream out.
    #[arg(long)]
    pub(crate) without_peer: bool,
    /// The peer's program, 2.12 or newer.
    #[arg(long, default_value = "nats-server", value_name = "PROGRAM")]
    pub(crate) nats_server: PathBuf,
    /// Opens the log at this path, reads a part of it, and tells what memory that took: the other
    /// process of the backlog.
    #[arg(long, hide = true, value_name = "DIR")]
    pub(crate) hold: Option<PathBuf>,
    /// Appends to the log at this path until it is killed: the other process of the cold start.
    #[arg(long, hide = true, value_name = "DIR")]
    pub(crate) writer: Option<PathBuf>,
    /// Cargo says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The parts of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// As much as goes in.
    Append,
    /// 10,000 records a second: how long each waits.
    Paced,
    /// Everything back.
    Read,
    /// A queue: in, out, settled.
    Forward,
    /// Memory, with many records waiting.
    Backlog,
    /// Killed while writing, and opened again.
    Kill,
    /// What lies on the disk when three times the cap is written.
    Cap,
}

impl Options {
    pub(crate) fn span(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.1, 60.0))
    }

    /// How many records of this size are worth a measure.
    pub(crate) fn records_of(&self, size: usize) -> u64 {
        if size > 512 { self.records * 3 / 10 } else { self.records }
    }

    pub(crate) fn wants(&self, section: Section) -> bool {
        self.only.is_empty() || self.only.contains(&section)
    }
}
