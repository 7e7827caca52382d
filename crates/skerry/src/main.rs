//! Skerry: an open, self-hosted IoT hub and edge in one program.
//!
//! This crate parses arguments and wires the engines together. Data goes to stdout, everything else
//! to stderr; exit codes are in [`failure`].
#![forbid(unsafe_code)]
#![allow(unreachable_pub, reason = "in a program, pub means public to its modules")]

mod args;
mod client;
mod commands;
mod dev;
mod edge;
mod failure;
mod hub;
mod iotedge;
mod local_time;
mod log;
mod logging;
mod manual;
mod output;
mod quickstart;
mod status;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command, HubCommand};
use commands::{EdgeArgs, EdgeVerb};
use failure::Failure;

fn main() -> ExitCode {
    if iotedge::is_meant() {
        return iotedge::main();
    }
    if edge::alone::is_meant() {
        return edge::alone::main();
    }
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("skerry: {failure}");
            failure.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let done = match cli.command {
        Command::Edge(EdgeArgs { verb: EdgeVerb::Run(options), .. }) => return edge::run(&options),
        Command::Dev(args) => return dev::run(args),
        Command::Quickstart(options) => return quickstart::run(&options),
        Command::TemperatureSensor(args) => return quickstart::run_sensor(&args),
        Command::Hub(HubCommand::Run(options)) => hub::run(options),
        Command::Hub(HubCommand::ConnectionString(options)) => hub::connection_string(&options),
        Command::Hub(HubCommand::Backup(options)) => hub::backup(&options),
        Command::Hub(HubCommand::Restore(options)) => hub::restore(&options),
        Command::Hub(HubCommand::Status(args)) => commands::run_hub_status(&args),
        Command::Log(args) => log::run(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Manual(args) => manual::run(&args),
        Command::Route(args) => commands::run_route(&args),
        Command::Iotedge(args) => return Ok(iotedge::run(args)),
        other => commands::run(other),
    };
    done.map(|()| ExitCode::SUCCESS)
}
