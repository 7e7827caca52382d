//! Commands that speak to a hub over its REST: one file per noun.

mod c2d;
mod ca;
mod consumer_group;
mod device;
mod edge;
mod files;
mod hub_status;
mod identity;
mod method;
mod module;
mod monitor;
mod policy;
mod query;
mod route;
mod sas_token;
mod simulate;
mod twin;

use tokio::runtime::Builder;

use crate::args::{Command, DeviceArgs, DeviceVerb};
use crate::failure::Failure;

pub use c2d::C2dArgs;
pub use ca::CaArgs;
pub use consumer_group::ConsumerGroupArgs;
pub use edge::{EdgeArgs, EdgeVerb, module_states};
pub use files::FilesArgs;
pub use hub_status::HubStatusArgs;
pub use method::MethodArgs;
pub use monitor::readable;
pub use route::{RouteArgs, run as run_route};
pub use simulate::SimulateOptions;

/// It stands below `hub`, whose other verbs do not go over REST.
pub fn run_hub_status(args: &HubStatusArgs) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(Box::pin(hub_status::run(args)))
}

pub fn run(command: Command) -> Result<(), Failure> {
    // One request after the other needs one thread; a fleet needs what there is.
    let mut builder = match &command {
        Command::Device(DeviceArgs { verb: DeviceVerb::Simulate(_), .. }) => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    let runtime = builder.enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(async {
        match command {
            Command::Device(args) => device::run(args).await,
            Command::Module(args) => module::run(args).await,
            Command::Twin(args) => twin::run(args).await,
            Command::Query(args) => query::run(args).await,
            Command::Monitor(args) => monitor::run(args).await,
            Command::C2d(args) => c2d::run(args).await,
            Command::Policy(args) => policy::run(args).await,
            Command::Method(args) => method::run(args).await,
            Command::Ca(args) => ca::run(args).await,
            Command::Files(args) => files::run(args).await,
            Command::ConsumerGroup(args) => consumer_group::run(args).await,
            Command::Edge(args) => edge::run(args).await,
            Command::Quickstart(_)
            | Command::TemperatureSensor(_)
            | Command::Hub(_)
            | Command::Dev(_)
            | Command::Log(_)
            | Command::Completions(_)
            | Command::Manual(_)
            | Command::Iotedge(_)
            | Command::Route(_) => Err(Failure::usage("commands on files do not go over REST")),
        }
    })
}
