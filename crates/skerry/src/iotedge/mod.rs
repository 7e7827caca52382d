//! `iotedge …`: this machine as an edge device, with the original's commands, columns and exit codes. The
//! same program under that name, or `skerry iotedge …`.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage.

mod bundle;
mod check;
mod config;
mod diagnostics;
mod evidence;
mod list;
mod modules;
mod socket;
mod system;
mod time;
mod troubles;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::runtime::Builder;

use crate::edge::{Directories, PlaceOptions};
use crate::failure::Failure;
use crate::output;
pub use socket::Local;
pub use time::roughly;
pub use troubles::troubles as agent_troubles;

pub use evidence::Evidence;

const NAME: &str = "iotedge";

/// Whether the program was called by the name `iotedge`.
pub fn is_meant() -> bool {
    let called = std::env::args_os().next();
    called.is_some_and(|called| Path::new(&called).file_name().is_some_and(|name| name == NAME))
}

/// The commands of an Azure IoT Edge device.
#[derive(Parser)]
#[command(name = "iotedge", version, propagate_version = true, disable_help_subcommand = true)]
pub struct Iotedge {
    #[command(flatten)]
    args: IotedgeArgs,
}

pub fn main() -> ExitCode {
    run(Iotedge::parse().args)
}

#[derive(Args)]
pub struct IotedgeArgs {
    /// The daemon's management API [default: unix:///var/run/iotedge/mgmt.sock].
    #[arg(short = 'H', long = "host", global = true, env = "IOTEDGE_HOST", value_name = "URI")]
    host: Option<String>,
    /// The daemon's configuration [default: /etc/aziot/config.toml, or below ~/.config].
    #[arg(long = "config", global = true, env = "SKERRY_EDGE_CONFIG", value_name = "FILE")]
    configuration: Option<PathBuf>,
    /// Where the daemon keeps its files [default: /var/lib/aziot, or below ~/.local/share].
    #[arg(long = "data", global = true, env = "SKERRY_EDGE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the daemon's sockets are, when it was started with --sockets.
    #[arg(long = "sockets", global = true, env = "SKERRY_EDGE_SOCKETS", value_name = "DIR")]
    sockets: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look for what would keep this device from working.
    Check(check::CheckArgs),
    /// List the checks.
    CheckList,
    /// Write and apply the configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    #[command(subcommand, hide = true)]
    Diagnostics(diagnostics::DiagnosticsCommand),
    /// List modules.
    List,
    /// Show what a module has written.
    Logs(modules::LogsArgs),
    /// Restart a module.
    Restart {
        /// Its name.
        module: String,
    },
    /// Gather what the modules have written and how they were made, for whoever helps.
    SupportBundle(bundle::BundleArgs),
    /// The daemon's units.
    #[command(subcommand)]
    System(system::SystemCommand),
    /// Show the version.
    Version,
}

pub fn run(args: IotedgeArgs) -> ExitCode {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::failed);
    match runtime.and_then(|runtime| runtime.block_on(Box::pin(dispatch(args)))) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{NAME}: {failure}");
            // The original knows no other code for what went wrong.
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(args: IotedgeArgs) -> Result<ExitCode, Failure> {
    let place = Place { host: args.host, config: args.configuration, data: args.data, sockets: args.sockets };
    match args.command {
        Command::Check(args) => return check::run(&args, &place).await,
        Command::CheckList => check::list(),
        Command::Config(command) => config::run(command, &place).await,
        Command::Diagnostics(command) => diagnostics::run(command).await,
        Command::List => list::run(&place.management()?).await,
        Command::Logs(args) => modules::logs(&place.management()?, &args).await,
        Command::Restart { module } => modules::restart(&place.management()?, &module).await,
        Command::SupportBundle(args) => bundle::run(&place, &args).await,
        Command::System(command) => return system::run(command, &place).await,
        Command::Version => output::line(&format!("{NAME} {}", env!("CARGO_PKG_VERSION"))),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Which device of this machine is meant: almost always there is one.
struct Place {
    host: Option<String>,
    config: Option<PathBuf>,
    data: Option<PathBuf>,
    sockets: Option<PathBuf>,
}

impl Place {
    /// With the configuration that a command was given, if it was.
    fn directories(&self, config: Option<PathBuf>) -> Directories {
        let config = config.or_else(|| self.config.clone());
        Directories::new(&PlaceOptions { config, data: self.data.clone(), sockets: self.sockets.clone() })
    }

    fn management(&self) -> Result<Local, Failure> {
        match &self.host {
            Some(uri) => Local::of_uri(uri),
            None => Ok(Local::management(self.directories(None).management())),
        }
    }
}
