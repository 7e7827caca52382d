//! The workload API: what modules may have done for them.

mod routes;

use std::sync::Arc;

use skerry_keys::{EdgeCa, KeyStore, PairAlgorithm, TrustBundle};
use skerry_runtime::Runtime;

use crate::caller::Callers;
use crate::identities::Identities;
use crate::parts::Parts;

/// Answers modules on their sockets.
pub(crate) struct Workload {
    pub(crate) identities: Arc<Identities>,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) edge_ca: Arc<EdgeCa>,
    pub(crate) trust: TrustBundle,
    pub(crate) callers: Callers,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) parts: Parts,
    /// Names under which this device is reached, for server certificates.
    pub(crate) server_names: Vec<String>,
    pub(crate) module_keys: PairAlgorithm,
}
