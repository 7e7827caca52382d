//! What the edge hub leans on, given by the daemon in the same process.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use skerry_edge_daemon::Handle;
use skerry_edge_daemon::cloud::{CloudRequest, Https, Transport as _};
use skerry_edge_hub::{Home, HomeError, Reply};
use skerry_front::device::Soon;
use skerry_model::{Clock, Random, Timestamp};
use skerry_tokens::{Claim, Draft, resource};

use super::hub_id;

/// Stands for the hub's generation, so that its store opens without a hub to ask.
const STORE: &str = "store of the hub";
const VECTOR_BYTES: usize = 16;
/// Of a token for one question.
const QUESTION_LIFE: Duration = Duration::from_secs(600);

#[derive(Clone)]
pub(super) struct DaemonHome(Arc<Inside>);

struct Inside {
    daemon: Handle,
    https: Https,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl DaemonHome {
    pub(super) fn new(daemon: Handle, https: Https, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self(Arc::new(Inside { daemon, https, clock, random }))
    }

    /// A token that is good for so long.
    pub(super) async fn token_for(&self, life: Duration) -> Result<String, HomeError> {
        self.0.token(self.0.clock.now().plus(life)).await
    }
}

impl Inside {
    /// Signed where the key is.
    async fn token(&self, until: Timestamp) -> Result<String, HomeError> {
        let (hub, device) = (hub_id(), self.daemon.device());
        let claim = Claim::Module(device.id.as_str(), hub.as_str());
        let draft = Draft::new(&resource(device.hub.name(), claim), until);
        let signature = self.daemon.identities().sign(&hub, draft.text().into_bytes()).await;
        let signature = signature.map_err(|error| failed(&error))?;
        let token = draft.signed(&signature).expect("the daemon signs by HMAC-SHA256");
        Ok(token.reveal())
    }
}

fn failed(error: &dyn std::fmt::Display) -> HomeError {
    HomeError { what: error.to_string() }
}

impl Home for DaemonHome {
    fn token(&self, until: Timestamp) -> Soon<Result<String, HomeError>> {
        let inside = Arc::clone(&self.0);
        Box::pin(async move { inside.token(until).await })
    }

    fn ask(&self, path: String, replaces: bool, body: Bytes) -> Soon<Result<Reply, HomeError>> {
        let this = self.clone();
        Box::pin(async move {
            let token = this.token_for(QUESTION_LIFE).await?;
            let request = CloudRequest { method: Method::POST, path, replaces, body };
            let answered = this.0.https.send(&request, Some(&token)).await;
            let answered = answered.map_err(|error| failed(&error))?;
            Ok(Reply { status: answered.status.as_u16(), body: answered.body })
        })
    }

    fn seal(&self, plain: Vec<u8>) -> Soon<Result<Vec<u8>, HomeError>> {
        let inside = Arc::clone(&self.0);
        Box::pin(async move {
            let mut vector = vec![0; VECTOR_BYTES];
            inside.random.fill(&mut vector);
            let sealed = inside.daemon.encrypt(&hub_id(), STORE, vector.clone(), plain).await;
            vector.extend_from_slice(&sealed.map_err(|error| failed(&error))?);
            Ok(vector)
        })
    }

    fn open(&self, sealed: Vec<u8>) -> Soon<Result<Vec<u8>, HomeError>> {
        let inside = Arc::clone(&self.0);
        Box::pin(async move {
            let (vector, sealed) =
                sealed.split_at_checked(VECTOR_BYTES).ok_or_else(|| failed(&"it was cut off"))?;
            let opened = inside.daemon.decrypt(&hub_id(), STORE, vector.to_vec(), sealed.to_vec()).await;
            opened.map(|plain| plain.to_vec()).map_err(|error| failed(&error))
        })
    }

    fn roots(&self) -> Soon<Result<Vec<Vec<u8>>, HomeError>> {
        let inside = Arc::clone(&self.0);
        Box::pin(async move {
            let pem = inside.daemon.trust_bundle().await.map_err(|error| failed(&error))?;
            let roots = CertificateDer::pem_slice_iter(pem.as_bytes());
            roots.map(|root| root.map(|der| der.to_vec()).map_err(|error| failed(&error))).collect()
        })
    }
}
