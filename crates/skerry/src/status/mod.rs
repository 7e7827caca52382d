//! How it goes, at a glance: `skerry edge status`, and what `skerry hub status` looks with as well.

mod edge;
mod window;
mod words;

use std::time::Duration;

use clap::Args;

pub use edge::{EdgeStatusArgs, run as run_edge};
pub use window::Window;
pub use words::{bytes, certificates, latency, line, one_or_many, or_none, troubles};

/// Beyond a minute one waits for nothing that a second would not tell.
const SECONDS_MAX: u64 = 60;

#[derive(Args, Clone)]
pub struct StatusOptions {
    /// Rates and latencies are those of so many seconds, for which it waits.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    over: u64,
}

impl StatusOptions {
    pub fn pause(&self) -> Duration {
        Duration::from_secs(self.over)
    }

    pub fn seconds(&self) -> f64 {
        self.pause().as_secs_f64()
    }
}
