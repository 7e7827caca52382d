//! Skerry: an open, self-hosted IoT hub and edge in one program.
//!
//! This crate parses arguments and wires the engines together. Data goes to stdout, everything else
//! to stderr; exit codes are in [`failure`].
#![forbid(unsafe_code)]
#![allow(unreachable_pub, reason = "in a program, pub means public to its modules")]

mod args;
mod client;
mod commands;
mod failure;
mod hub;
mod log;
mod output;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command, HubCommand};
use failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("skerry: {failure}");
            failure.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Hub(HubCommand::Run(options)) => hub::run(options),
        Command::Hub(HubCommand::ConnectionString(options)) => hub::connection_string(&options),
        Command::Hub(HubCommand::Backup(options)) => hub::backup(&options),
        Command::Hub(HubCommand::Restore(options)) => hub::restore(&options),
        Command::Log(args) => log::run(&args),
        other => commands::run(other),
    }
}
