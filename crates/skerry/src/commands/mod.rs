//! Commands that speak to a hub over its REST: one file per noun.

mod device;
mod files;
mod identity;
mod module;
mod monitor;
mod policy;
mod query;
mod twin;

use crate::args::Command;
use crate::failure::Failure;

pub fn run(command: Command) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(async {
        match command {
            Command::Device(args) => device::run(args).await,
            Command::Module(args) => module::run(args).await,
            Command::Twin(args) => twin::run(args).await,
            Command::Query(args) => query::run(args).await,
            Command::Files(args) => files::run(args).await,
            Command::Monitor(args) => monitor::run(args).await,
            Command::Policy(args) => policy::run(args).await,
            Command::Hub(_) | Command::Log(_) => Err(Failure::usage("commands on files do not go over REST")),
        }
    })
}
