//! What a run measures, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures the hub's AMQP beside RabbitMQ and the independent implementation in Rust.
///
/// The default takes ten minutes on two processors. Nothing is asserted: the numbers are for people, on the
/// machine they were taken on. The idle connections need as many open files (ulimit -n).
#[derive(Parser, Clone, Debug)]
#[command(name = "amqp")]
pub(crate) struct Options {
    /// Only these servers; the first that is named is what the others are compared with.
    #[arg(long, value_enum, value_name = "NAME", value_delimiter = ',')]
    only: Vec<Name>,
    /// Only this part; may be given several times.
    #[arg(long, value_enum, value_name = "NAME", value_delimiter = ',')]
    section: Vec<Section>,
    /// Times that the servers take turns.
    #[arg(long, default_value_t = 3, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How long each measure takes.
    #[arg(long, default_value_t = 4.0, value_name = "S")]
    seconds: f64,
    /// Events that wait to be delivered before a delivery is measured.
    #[arg(long, default_value_t = 300_000, value_name = "N")]
    pub(crate) events: usize,
    /// Events of the partition that one consumer reads back.
    #[arg(long, default_value_t = 5_000_000, value_name = "N")]
    pub(crate) backlog: usize,
    /// Idle connections of which memory is taken, few and many.
    #[arg(long, default_values_t = [500, 2000], num_args = 2, value_name = "N")]
    idle: Vec<usize>,
    /// Where the data lies while the bench runs; a real disk, or fsync costs nothing
    /// [default: the system's folder for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    #[arg(long, default_value = "/usr/lib/rabbitmq/bin/rabbitmq-server", value_name = "PROGRAM")]
    pub(crate) rabbitmq: PathBuf,
    /// Is the independent implementation, with the papers of this folder.
    #[arg(long, hide = true, value_name = "DIR")]
    pub(crate) independent: Option<PathBuf>,
    /// Cargo says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The servers, in the order of their turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// This one.
    Skerry,
    /// With nothing promised for messages: as little as the independent one promises.
    SkerryMemory,
    Independent,
    Rabbitmq,
}

impl Name {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Skerry => "skerry",
            Self::SkerryMemory => "skerry, durability memory",
            Self::Independent => "fe2o3-amqp, keeps nothing",
            Self::Rabbitmq => "RabbitMQ, durable",
        }
    }
}

/// The parts of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// Messages of 256 bytes, accepted when they are as durable as the server makes them.
    Ingest,
    /// Messages to one consumer, settled when they are sent.
    Delivery,
    /// A large partition, read from its beginning to its end.
    Backlog,
    /// What an idle connection holds.
    Memory,
}

impl Options {
    pub(crate) fn span(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.5, 60.0))
    }

    pub(crate) fn wants(&self, section: Section) -> bool {
        self.section.is_empty() || self.section.contains(&section)
    }

    /// Those of `all` that are wanted, in the order of the command line if it names them.
    pub(crate) fn names(&self, all: &[Name]) -> Vec<Name> {
        match self.only.is_empty() {
            true => all.to_vec(),
            false => self.only.iter().copied().filter(|name| all.contains(name)).collect(),
        }
    }

    /// Few and many.
    pub(crate) fn idle(&self) -> Result<(usize, usize), String> {
        match self.idle[..] {
            [few, many] if few < many => Ok((few, many)),
            _ => Err("--idle takes two numbers, the smaller one first".to_owned()),
        }
    }
}
