//! `skerry-edge …`: the commands of a device that is no hub. A program of its own has nothing else; the whole one has
//! them under that name.

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;

use super::EdgeRunOptions;
use crate::failure::Failure;
use crate::iotedge::{self, IotedgeArgs};
use crate::status::{self, EdgeStatusArgs};

const NAME: &str = "skerry-edge";

/// Whether the program was called by the name `skerry-edge`.
pub fn is_meant() -> bool {
    let called = std::env::args_os().next();
    called.is_some_and(|called| Path::new(&called).file_name().is_some_and(|name| name == NAME))
}

/// An edge device that runs modules as its hub asks.
#[derive(Parser)]
#[command(name = NAME, version, propagate_version = true, disable_help_subcommand = true)]
pub struct SkerryEdge {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one in a life")]
enum Command {
    /// Run this machine as an edge device until it is told to stop.
    Run(EdgeRunOptions),
    /// Show how the edge device on this machine goes: hub, modules, rates, backlog, disk, certificates.
    Status(EdgeStatusArgs),
    /// The commands of an Azure IoT Edge device; also under the name iotedge.
    Iotedge(IotedgeArgs),
}

pub fn main() -> ExitCode {
    run(SkerryEdge::parse().command).unwrap_or_else(|failure| {
        eprintln!("{NAME}: {failure}");
        failure.exit_code()
    })
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(options) => super::run(&options),
        Command::Iotedge(args) => Ok(iotedge::run(args)),
        Command::Status(args) => {
            let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
            runtime.block_on(status::run_edge(&args))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
