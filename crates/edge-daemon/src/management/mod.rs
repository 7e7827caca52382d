//! The management API: modules as containers, identities, and what machine this is.

mod binds;
mod bundle;
mod details;
mod host;
mod identities;
mod logs;
mod modules;
mod routes;
mod spec;
mod status;
mod system;
mod time;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};
use skerry_keys::{CertificateStore, EdgeCa};
use skerry_model::Clock;
use skerry_runtime::Runtime;
use tokio::sync::mpsc;

pub(crate) use bundle::whole_bundle;
pub use bundle::{BundleQuery, Files, Witness, support_bundle};
pub(crate) use host::usage;
pub(crate) use modules::list_modules;
pub use time::moment;

use crate::caller::Callers;
use crate::identities::Identities;
use crate::parts::Parts;
use crate::sockets::ModuleSockets;

/// What somebody asked the daemon to do with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Provision this device anew.
    Reprovision,
    /// The same, because the hub does not let it in any more.
    Refused,
    /// The configuration was applied anew.
    Reload,
}

/// Answers the agent, and the operator's commands.
pub(crate) struct Management {
    pub(crate) shared: Arc<Shared>,
}

/// What the routes work with; work that outlives its request holds on to it.
pub(crate) struct Shared {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) parts: Parts,
    pub(crate) witness: Option<Arc<dyn Witness>>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) edge_ca: Arc<EdgeCa>,
    pub(crate) certificates: Arc<CertificateStore>,
    pub(crate) callers: Callers,
    pub(crate) sockets: ModuleSockets,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) system: SystemFacts,
}

/// What is told of this machine besides what it tells itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct SystemFacts {
    pub version: String,
    /// `additional_info`: flat texts.
    pub additional: Map<String, Value>,
    /// `/proc` and `/sys` of the machine.
    pub root: PathBuf,
    /// Where our own files lie.
    pub home: PathBuf,
}
