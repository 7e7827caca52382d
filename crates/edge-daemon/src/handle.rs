//! The daemon for those who live in the same process: the agent and the hub that are built in. They use the
//! same work as the APIs do, without a socket between.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use skerry_keys::{
    CertificateError, Chain, EdgeCa, Issued, KeyError, KeyStore, PairAlgorithm, ServerRequest, TrustBundle,
    open, seal,
};
use skerry_model::{Clock, ModuleId};
use skerry_runtime::{EngineError, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::caller::container_of;
use crate::cloud::Clocks;
use crate::daemon::{Figures, Wiring};
use crate::engine::WithSockets;
use crate::identities::{Device, Identities};
use crate::management::{BundleQuery, Request, Witness, usage, whole_bundle};
use crate::parts::Parts;
use crate::sockets::{ModuleSockets, SocketError};

/// Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Inside>,
    adopted: watch::Receiver<bool>,
}

struct Inside {
    identities: Arc<Identities>,
    clocks: Arc<Clocks>,
    keys: Arc<dyn KeyStore>,
    edge_ca: Arc<EdgeCa>,
    trust: TrustBundle,
    server_names: Vec<String>,
    sockets: ModuleSockets,
    runtime: Arc<dyn Runtime>,
    parts: Parts,
    witness: Option<Arc<dyn Witness>>,
    workload_uri: String,
    root: PathBuf,
    clock: Arc<dyn Clock>,
    figures: Arc<Figures>,
    requests: mpsc::Sender<Request>,
}

impl Handle {
    pub(crate) fn new(
        wiring: &Wiring,
        sockets: ModuleSockets,
        adopted: watch::Receiver<bool>,
        figures: Arc<Figures>,
    ) -> Self {
        let prepared = &wiring.prepared;
        let shared = Arc::new(Inside {
            identities: Arc::clone(&prepared.identities),
            clocks: Arc::clone(&prepared.clocks),
            keys: Arc::clone(&prepared.keys),
            edge_ca: Arc::clone(&prepared.edge_ca),
            trust: prepared.trust.clone(),
            server_names: wiring.server_names.clone(),
            runtime: Arc::new(WithSockets {
                engine: Arc::clone(&wiring.runtime),
                sockets: sockets.clone(),
                parts: wiring.parts.clone(),
                adopted: adopted.clone(),
            }),
            parts: wiring.parts.clone(),
            witness: wiring.witness.clone(),
            sockets,
            workload_uri: wiring.workload_uri.clone(),
            root: wiring.root.clone(),
            clock: Arc::clone(&wiring.clock),
            figures,
            requests: wiring.requests.clone(),
        });
        Self { shared, adopted }
    }

    pub fn device(&self) -> &Device {
        self.shared.identities.device()
    }

    /// Ends the daemon, so that the device is provisioned anew: the hub does not let it in any more. What is known
    /// of modules is kept, for they go on with each other. One that ends already is not told again.
    pub fn refused(&self) {
        let _ = self.shared.requests.try_send(Request::Refused);
    }

    pub fn identities(&self) -> &Identities {
        &self.shared.identities
    }

    /// Seconds that this machine's clock is ahead of the hub's, as far as the hub has told its own.
    pub fn clock_ahead_seconds(&self) -> Option<i64> {
        self.shared.clocks.ahead_seconds()
    }

    pub fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// The container engine, with a workload socket for every container that is made. It lists containers
    /// once what ran before is taken over.
    pub fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::clone(&self.shared.runtime)
    }

    /// What the modules have written and how they were made, as a ZIP archive.
    pub async fn support_bundle(&self, query: BundleQuery) -> Result<Vec<u8>, EngineError> {
        let shared = &self.shared;
        let witness = shared.witness.as_deref();
        whole_bundle(&*shared.runtime, &shared.parts, witness, &query, shared.clock.now()).await
    }

    /// What the machine uses now, as `/systeminfo/resources` tells it, without the modules.
    pub async fn usage(&self) -> Option<Map<String, Value>> {
        let root = self.shared.root.clone();
        spawn_blocking(move || usage(&root)).await.ok()
    }

    /// Under which name modules and other devices reach this one.
    pub fn host_name(&self) -> &str {
        &self.shared.server_names[0]
    }

    /// The workload API as modules see it: `connect.workload_uri`.
    pub fn workload_uri(&self) -> &str {
        &self.shared.workload_uri
    }

    /// In it lies a directory for each container, with its socket.
    pub fn workload_directory(&self) -> &Path {
        self.shared.sockets.directory()
    }

    /// Waits until modules that ran before are taken over, or removed because this is another device now.
    /// Until then nobody makes or starts containers.
    pub async fn adopted(&self) {
        let mut adopted = self.adopted.clone();
        // The daemon ends: then nobody comes any more either.
        if adopted.wait_for(|adopted| *adopted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Opens the workload socket of a container that is about to be made, and gives the directory to be
    /// mounted into it, at the directory of `connect.workload_uri`.
    pub fn open_workload(&self, container: &str) -> Result<PathBuf, SocketError> {
        self.shared.sockets.open(container)
    }

    /// The container is gone.
    pub fn close_workload(&self, container: &str) -> Result<(), SocketError> {
        self.shared.sockets.close(container)
    }

    /// The roots that modules trust, as PEM.
    pub async fn trust_bundle(&self) -> Result<String, CertificateError> {
        let shared = Arc::clone(&self.shared);
        certificates(move || shared.trust.pem(&shared.edge_ca)).await
    }

    /// The roots of those who sign manifests, as PEM; empty when none has to.
    pub async fn manifest_trust_bundle(&self) -> Result<String, CertificateError> {
        let shared = Arc::clone(&self.shared);
        certificates(move || shared.trust.manifest_pem()).await
    }

    /// The Edge CA as it is now; a renewed one is another.
    pub fn edge_ca(&self) -> Arc<Chain> {
        self.shared.edge_ca.chain()
    }

    /// A server certificate for a module under all names of this device, with a fast key.
    pub async fn server_certificate(&self, module: &ModuleId) -> Result<Issued, CertificateError> {
        let shared = Arc::clone(&self.shared);
        let mut names = shared.server_names.clone();
        names.push(container_of(module).to_owned());
        let request = ServerRequest { common_name: names.remove(0), names, algorithm: PairAlgorithm::EcP256 };
        certificates(move || shared.edge_ca.issue_server(request)).await
    }

    /// Encrypts for a module, as the workload API does.
    pub async fn encrypt(
        &self,
        module: &ModuleId,
        generation: &str,
        iv: Vec<u8>,
        plaintext: Vec<u8>,
    ) -> Result<Vec<u8>, KeyError> {
        let (shared, module, generation) = (Arc::clone(&self.shared), module.clone(), generation.to_owned());
        keys(move || seal(&*shared.keys, module.as_str(), &generation, &iv, &plaintext)).await
    }

    pub async fn decrypt(
        &self,
        module: &ModuleId,
        generation: &str,
        iv: Vec<u8>,
        sealed: Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let (shared, module, generation) = (Arc::clone(&self.shared), module.clone(), generation.to_owned());
        keys(move || open(&*shared.keys, module.as_str(), &generation, &iv, &sealed)).await
    }
}

async fn certificates<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CertificateError> + Send + 'static,
) -> Result<T, CertificateError> {
    keys(move || Ok(work())).await?
}

async fn keys<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeyError> + Send + 'static,
) -> Result<T, KeyError> {
    spawn_blocking(work).await.unwrap_or(Err(KeyError::Library { what: "finish: it broke off" }))
}
