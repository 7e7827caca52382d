//! The sensor as a program that this one carries along.

use std::os::unix::process::parent_id;
use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};

use super::options::SensorArgs;
use crate::failure::Failure;

pub fn run(args: &SensorArgs) -> Result<ExitCode, Failure> {
    if let Some(parent) = args.parent {
        // Whoever has started it may be killed without a word.
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(Failure::failed)?;
        // It may have been so already.
        if parent_id() != parent {
            return Err(Failure::failed(format!("the process {parent} is not what started this one")));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(Failure::failed)?.block_on(skerry_temperature_sensor::run()))
}
