//! What a daemon is made of.

use std::path::PathBuf;
use std::sync::Arc;

use skerry_model::{Clock, Random};
use skerry_runtime::Runtime;

use crate::cloud::ProxySettings;
use crate::config::Config;
use crate::management::Witness;
use crate::parts::Parts;
use crate::sockets::Activated;

/// Where things are kept; the defaults are the original's, so that an installation can move here and back.
#[derive(Clone, Debug)]
pub struct Places {
    pub keys: PathBuf,
    pub certificates: PathBuf,
    /// What is remembered of identities.
    pub identities: PathBuf,
    /// The daemon's own: `cache/`, `mnt/`.
    pub home: PathBuf,
    /// Directory of the identity, key and certificate services' sockets; `None`: they are not served.
    pub services: Option<PathBuf>,
    /// `/`, below which `/proc` and `/sys` are.
    pub root: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        let below = |path: &str| PathBuf::from(format!("/var/lib/aziot/{path}"));
        Self {
            keys: below("keyd/keys"),
            certificates: below("certd/certs"),
            identities: below("identityd"),
            home: below("edged"),
            services: Some(PathBuf::from("/run/aziot")),
            root: PathBuf::from("/"),
        }
    }
}

pub struct Options {
    pub config: Config,
    pub places: Places,
    /// The machine's own name, where the configuration has none.
    pub host_name: String,
    pub proxy: ProxySettings,
    pub activated: Activated,
    /// `NOTIFY_SOCKET`.
    pub notify_socket: Option<String>,
    /// This process and its user.
    pub pid: u32,
    pub uid: u32,
    /// Users who may manage everything: root, and the user of this process.
    pub owners: Vec<u32>,
    pub version: String,
    pub runtime: Arc<dyn Runtime>,
    /// What of the runtime lives in this process.
    pub parts: Parts,
    /// Who adds to support bundles.
    pub witness: Option<Arc<dyn Witness>>,
    /// Who is in which container; `None`: the runtime is asked.
    pub processes: Option<Arc<dyn crate::caller::Processes>>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}
