//! The edge alone, for devices that are no hub: the same commands as the whole program has for them, in less room.
#![forbid(unsafe_code)]
#![allow(unreachable_pub, reason = "in a program, pub means public to its modules")]
#![allow(dead_code, unused_imports, reason = "the whole program uses the rest")]

mod edge;
mod failure;
mod iotedge;
mod local_time;
mod logging;
mod output;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An edge device that runs modules as its hub asks.
#[derive(Parser)]
#[command(name = "skerry-edge", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one in a life")]
enum Command {
    /// This machine as an edge device.
    #[command(subcommand)]
    Edge(EdgeVerb),
    /// The commands of an Azure IoT Edge device; also under the name iotedge.
    Iotedge(iotedge::IotedgeArgs),
}

#[derive(Subcommand)]
enum EdgeVerb {
    /// Run this machine as an edge device until it is told to stop.
    Run(edge::EdgeRunOptions),
}

fn main() -> ExitCode {
    if iotedge::is_meant() {
        return iotedge::main();
    }
    match Cli::parse().command {
        Command::Edge(EdgeVerb::Run(options)) => edge::run(&options).unwrap_or_else(|failure| {
            eprintln!("skerry-edge: {failure}");
            failure.exit_code()
        }),
        Command::Iotedge(args) => iotedge::run(args),
    }
}
