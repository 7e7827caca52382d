//! `skerry hub status` and `skerry edge status`: how it goes, at a glance.

mod edge;
mod hub;
mod window;
mod words;

use std::time::Duration;

use clap::Args;

pub use edge::{EdgeStatusArgs, run as run_edge};
pub use hub::run as run_hub;

use crate::args::Target;

/// Beyond a minute one waits for nothing that a second would not tell.
const SECONDS_MAX: u64 = 60;

#[derive(Args, Clone)]
pub struct StatusOptions {
    /// Rates and latencies are those of so many seconds, for which it waits.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    over: u64,
}

impl StatusOptions {
    fn pause(&self) -> Duration {
        Duration::from_secs(self.over)
    }

    fn seconds(&self) -> f64 {
        self.pause().as_secs_f64()
    }
}

#[derive(Args)]
pub struct HubStatusArgs {
    #[command(flatten)]
    pub options: StatusOptions,
    #[command(flatten)]
    pub target: Target,
}
