//! The command line of `skerry quickstart`, and of the module that it carries along.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

#[derive(Args)]
pub struct QuickstartOptions {
    /// Where everything is kept [default: /var/lib/skerry/quickstart, or below ~/.local/share].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Forget what was there before, and begin anew.
    #[arg(long)]
    pub reset: bool,
    /// Where modules run: `auto` takes a container engine where one is, `none` runs them as processes, or the
    /// socket of an engine.
    #[arg(long, value_name = "auto|none|SOCKET", default_value = "auto")]
    pub engine: Wanted,
    /// What is logged, to a file in the data directory, such as info, debug, or skerry_hub=debug.
    #[arg(long, env = "SKERRY_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Auto,
    Processes,
    Socket(PathBuf),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::Processes),
            path => match path.strip_prefix("unix://").unwrap_or(path) {
                path if path.starts_with('/') => Ok(Self::Socket(PathBuf::from(path))),
                _ => Err("write auto, none, or the path of an engine's socket".to_owned()),
            },
        }
    }
}

#[derive(Args)]
pub struct SensorArgs {
    /// Ends with this process, which has started it.
    #[arg(long, value_name = "PID")]
    pub parent: Option<u32>,
}
