//! What a run measures, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures the registry's documents beside PostgreSQL, and the hub's REST service.
///
/// The default takes six minutes on two idle processors, and 5 GB of disk. Nothing is asserted: the numbers are for
/// people, on the machine they were taken on.
#[derive(Parser, Clone, Debug)]
#[command(name = "registry")]
pub(crate) struct Options {
    /// Documents of about 1 KB.
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(100..))]
    pub(crate) devices: u64,
    /// How long each rate is measured, in each round.
    #[arg(long, default_value_t = 3.0, value_name = "S")]
    seconds: f64,
    /// Times that the engines take turns.
    #[arg(long, default_value_t = 3, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Devices of the hub that is asked by REST; at most as many as `--devices`.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    rest_devices: u64,
    /// Where the data lies while the bench runs; a real disk, or fsync costs nothing
    /// [default: the system's folder for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Leave PostgreSQL out.
    #[arg(long)]
    pub(crate) without_peer: bool,
    /// Leave the REST service out.
    #[arg(long)]
    pub(crate) without_rest: bool,
    /// Writes into the store at this path until it is killed: the other process of the cold start.
    #[arg(long, hide = true, value_name = "FILE")]
    pub(crate) writer: Option<PathBuf>,
    /// Cargo says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    pub(crate) fn span(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.1, 60.0))
    }

    pub(crate) fn rest_devices(&self) -> u64 {
        self.rest_devices.clamp(100, self.devices)
    }
}
