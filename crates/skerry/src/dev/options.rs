//! The command line of `skerry dev`.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::{RunOptions, Target};
use crate::logging::LogFormat;

const LOG_DEFAULT: &str = "warn";
/// Seconds that a fault may wait or last.
const SECONDS_MAX: u64 = 3600;
/// Milliseconds that a message may wait.
const HOLD_MILLISECONDS_MAX: u64 = 60_000;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DevArgs {
    #[command(subcommand)]
    pub verb: Option<DevVerb>,
    #[command(flatten)]
    pub options: DevOptions,
}

#[derive(Subcommand)]
pub enum DevVerb {
    /// Break the connections of a device, to see how it takes it.
    Fault(FaultArgs),
}

#[derive(Args)]
pub struct DevOptions {
    /// Devices and modules with their twins, one JSON object a line, as device exports have them.
    #[arg(long, value_name = "FILE")]
    pub seed: Option<PathBuf>,
    /// Keys that follow from a text, so that connection strings are the same each time. They are no secret.
    #[arg(long, value_name = "TEXT", num_args = 0..=1, default_missing_value = "skerry")]
    pub deterministic: Option<String>,
    /// A name under which clients reach the hub; repeat it for more. The first names the hub.
    #[arg(long = "hostname", value_name = "NAME", default_value = "localhost")]
    pub host_names: Vec<String>,
    /// Where HTTPS listens: PORT on the loopback (0 for any that is free), IP:PORT, or off.
    #[arg(long, value_name = "ADDR", default_value = "443")]
    pub https: String,
    /// Where MQTT listens, likewise.
    #[arg(long, value_name = "ADDR", default_value = "8883")]
    pub mqtt: String,
    /// Where AMQP listens, likewise.
    #[arg(long, value_name = "ADDR", default_value = "5671")]
    pub amqp: String,
    #[command(flatten)]
    pub edge: EdgeOptions,
    /// Print JSON, on one line.
    #[arg(long)]
    pub json: bool,
    /// What is logged to stderr, such as info, debug, or skerry_hub=debug.
    #[arg(long, env = "SKERRY_LOG", value_name = "FILTER", default_value = LOG_DEFAULT)]
    pub log: String,
    /// How it is logged.
    #[arg(long, env = "SKERRY_LOG_FORMAT", value_enum, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Run this once the hub is ready, with its variables set, and end with its exit code.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

#[derive(Args)]
pub struct EdgeOptions {
    /// An edge device beside the hub, for a module that runs in a debugger: EdgeHubConnectionString and EdgeModuleCACertificateFile are set for it.
    #[arg(long)]
    pub edge: bool,
    /// A module of it; repeat it for more [default: those of the content, or `module`].
    #[arg(long = "edge-module", value_name = "NAME", requires = "edge")]
    pub edge_modules: Vec<String>,
    /// Its deployment manifest, for the routes: {"modulesContent": …}.
    #[arg(long, value_name = "FILE", requires = "edge")]
    pub edge_content: Option<PathBuf>,
    /// Where it listens, on the usual ports; another address than the hub's.
    #[arg(long, value_name = "IP", default_value = "127.0.0.2", requires = "edge")]
    pub edge_address: IpAddr,
}

impl DevOptions {
    /// That the edge's certificates are its own is no news here.
    fn filter(&self) -> String {
        let is_untouched = self.log == LOG_DEFAULT;
        if self.edge.edge && is_untouched {
            format!("{},skerry_keys=error", self.log)
        } else {
            self.log.clone()
        }
    }

    /// What `skerry hub run` would be told.
    pub fn run_options(&self) -> RunOptions {
        RunOptions {
            host_names: self.host_names.clone(),
            https: Some(on_loopback(&self.https)),
            mqtt: Some(on_loopback(&self.mqtt)),
            amqp: Some(on_loopback(&self.amqp)),
            fault_injection: true,
            log: Some(self.filter()),
            log_format: Some(self.log_format),
            ..RunOptions::default()
        }
    }
}

/// A port alone is one of this machine's own.
fn on_loopback(address: &str) -> String {
    let is_port = !address.is_empty() && address.bytes().all(|b| b.is_ascii_digit());
    if is_port { format!("localhost:{address}") } else { address.to_owned() }
}

#[derive(Args)]
pub struct FaultArgs {
    #[command(subcommand)]
    pub verb: FaultVerb,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Subcommand)]
pub enum FaultVerb {
    /// Close its connection in good order; it may come back at once.
    Disconnect {
        #[command(flatten)]
        fault: FaultOptions,
    },
    /// Let its connection break without a word; it may come back at once.
    Drop {
        #[command(flatten)]
        fault: FaultOptions,
    },
    /// Let its messages wait before they are kept and acknowledged, for a while.
    Delay {
        /// The device.
        id: String,
        /// A module of it, instead of the device itself.
        #[arg(long, value_name = "MODULE")]
        module: Option<String>,
        /// How long each waits.
        #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=HOLD_MILLISECONDS_MAX))]
        by: u64,
        #[command(flatten)]
        lasting: Lasting,
    },
    /// Close its connection, and tell it that it is too fast, for a while.
    Throttle {
        #[command(flatten)]
        fault: FaultOptions,
        #[command(flatten)]
        lasting: Lasting,
    },
    /// Close its connection, and take its proof for a wrong one, for a while.
    Refuse {
        #[command(flatten)]
        fault: FaultOptions,
        #[command(flatten)]
        lasting: Lasting,
    },
}

#[derive(Args)]
pub struct FaultOptions {
    /// The device.
    pub id: String,
    /// A module of it, instead of the device itself.
    #[arg(long, value_name = "MODULE")]
    pub module: Option<String>,
    /// In so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=SECONDS_MAX))]
    pub after: u64,
}

#[derive(Args)]
pub struct Lasting {
    /// For so many seconds.
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    pub seconds: u64,
}
