//! Containers: what the edge asks of a container engine. One trait, an implementation over the
//! engine's own API, one that runs programs of this machine instead, and one in memory that tests can
//! make ill.
//!
//! # What every engine promises
//!
//! 1. **Only what is ours is listed**: containers with the owner's label ([`labels::OWNER`]). The
//!    other calls take a name and work on whatever has it.
//! 2. **Asking twice is no error.** Starting what runs, stopping what stands still, removing what
//!    is gone and making a network that is there are done already. Creating what exists is
//!    [`CreateError::Exists`].
//! 3. **`createOptions` pass through untouched**, with every member, known or not; only what
//!    [`CreateRequest::body`] says is merged into them.
//! 4. **Every call ends.** The quick ones within the limit of the engine; a pull when nothing has
//!    come for a while, however long it takes altogether; logs that are followed when their reader
//!    is dropped. Every future may be dropped at any time. A dropped pull is given up by the engine
//!    too; any other call may have had its effect, which the next listing tells.
//! 5. **Errors are told apart by what helps against them**: the engine is down or slow, the thing is
//!    not there, it is in the way of another, an image needs a password, does not exist, finds no
//!    room or no network. What the engine says itself is kept in its own words.
//! 6. **Events are hints.** Some may be lost and some may come twice: who needs to know lists.
//!
//! Nothing here decides which containers there should be.
#![forbid(unsafe_code)]

mod container;
mod create;
mod docker;
mod error;
mod garbage;
pub mod labels;
mod logs;
mod memory;
mod moment;
mod network;
mod process;
mod pull;
mod system;

pub use container::{Container, Exit, Health, State, Status};
pub use create::{BodyError, CreateRequest, CreateRules, LogLimits, is_container_name};
pub use docker::{DockerOptions, DockerRuntime};
pub use error::{CreateError, EngineError, PullError};
pub use garbage::{
    Collector, CollectorOptions, ImageUse, ImageUseError, Keeps, Record, RecordedRuntime, Schedule,
};
pub use logs::{LogFrame, LogFrames, LogQuery, LogStream, Pieces, Stream};
pub use memory::{Behaviour, Machine, MemoryRuntime};
pub use moment::moment;
pub use network::{NetworkOptions, SubnetOptions};
pub use process::{ProcessCheck, ProcessImage, ProcessOptions, ProcessRuntime};
pub use pull::{Credentials, PullProgress, PullRequest};
pub use system::EngineInfo;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;

/// What the calls return: a future that can be sent and named.
pub type Answer<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Told while a pull goes on; cheap, and never waits.
pub type OnProgress<'a> = &'a (dyn Fn(PullProgress) + Send + Sync);

/// A container engine. The page above is the contract; `tests/it/conformance` checks it.
pub trait Runtime: Send + Sync {
    /// Every container of ours, running or not, by name.
    fn list(&self) -> Answer<'_, Vec<Container>, EngineError>;

    fn inspect<'a>(&'a self, name: &'a str) -> Answer<'a, Container, EngineError>;

    /// Everything that the engine tells of a container, as it tells it.
    fn document<'a>(&'a self, name: &'a str) -> Answer<'a, Value, EngineError>;

    /// Fetches an image, and gives its id. What is there already is not fetched again.
    fn pull<'a>(
        &'a self,
        request: &'a PullRequest,
        progress: OnProgress<'a>,
    ) -> Answer<'a, String, PullError>;

    /// The id of an image that is there.
    fn image<'a>(&'a self, reference: &'a str) -> Answer<'a, Option<String>, EngineError>;

    /// Removes an image, even where it has several names. One that a running container uses is a conflict.
    fn remove_image<'a>(&'a self, id: &'a str) -> Answer<'a, (), EngineError>;

    /// Makes a container from an image that is there, and does not start it.
    fn create<'a>(&'a self, request: &'a CreateRequest) -> Answer<'a, (), CreateError>;

    fn start<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError>;

    /// Asks a container to end, and kills it after `grace`, or after the engine's own default.
    fn stop<'a>(&'a self, name: &'a str, grace: Option<Duration>) -> Answer<'a, (), EngineError>;

    fn restart<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError>;

    /// Removes a container, running or not; its named volumes stay.
    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError>;

    /// What a container has written, as the engine frames it; [`LogFrames`] takes it apart.
    fn logs<'a>(&'a self, name: &'a str, query: &'a LogQuery) -> Answer<'a, LogStream, EngineError>;

    /// What a running container uses, as the engine tells it, once.
    fn stats<'a>(&'a self, name: &'a str) -> Answer<'a, Value, EngineError>;

    /// The process ids in a container, as the machine outside of it counts them.
    fn processes<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<u32>, EngineError>;

    /// Makes a bridge network where none has its name.
    fn ensure_network<'a>(&'a self, options: &'a NetworkOptions) -> Answer<'a, (), EngineError>;

    /// Every network, as the engine tells it.
    fn networks(&self) -> Answer<'_, Vec<Value>, EngineError>;

    /// Where containers on a network find this machine: the address of the bridge that the network is.
    fn gateway<'a>(&'a self, network: &'a str) -> Answer<'a, Option<IpAddr>, EngineError> {
        Box::pin(async move { Ok(network::gateway(&self.networks().await?, network)) })
    }

    fn info(&self) -> Answer<'_, EngineInfo, EngineError>;

    /// Tells, from this call on, when a container of ours starts, ends, or changes its health.
    fn events(&self) -> Answer<'_, Events, EngineError>;
}

/// Dropping it ends it.
pub type Events = Box<dyn Changes>;

pub trait Changes: Send {
    /// Waits until something has happened; several things at once may be told once. May be dropped
    /// and called again. After an error, listen anew.
    fn next(&mut self) -> Answer<'_, (), EngineError>;
}
