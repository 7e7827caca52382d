//! The Edge CA: every server and module certificate of the device hangs below it.
//!
//! ```text
//! quickstart:  root (20 years) ── Edge CA (90 days, renewed) ── modules     the root is what others trust
//! local CA:    operator's CA   ── Edge CA (renewed)          ── modules
//! operator's:                     Edge CA (replaced by them) ── modules
//! ```
//!
//! A renewal makes the new pair and certificate under temporary names, then moves the key, then the
//! certificate. A crash between the two leaves a key whose certificate still lies under the temporary name,
//! which the next start finishes. Certificates that were issued below the old one carry it with them and stay
//! good; nobody has to be restarted.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use skerry_model::{Clock, Random, Timestamp};

use super::issue::{self, Kind, StoredKey, issuer_of, params};
use super::{CertificateError, CertificateStore, Chain, Issued, ServerRequest, Subject};
use crate::error::KeyError;
use crate::pair::PairAlgorithm;
use crate::renewal::{Plan, Policy};
use crate::store::KeyStore;

/// The original's id of certificate and key.
pub const EDGE_CA: &str = "aziot-edged-ca";
const EDGE_CA_NEW: &str = "aziot-edged-ca-temp";
/// Ours: the original's quickstart has no root.
const ROOT: &str = "skerry-quickstart-root";
const ROOT_NEW: &str = "skerry-quickstart-root-temp";
const ROOT_LIFE: Duration = Duration::from_secs(20 * 365 * 86_400);
/// 2026-01-01: a machine that believes to live earlier has lost its clock, and its root must not expire
/// before the clock is found again.
const EARLIEST_UNIX_SECONDS: i64 = 1_767_225_600;
/// No certificate of a module lives longer.
const MODULE_LIFE_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Where the Edge CA comes from.
#[derive(Clone, Debug)]
pub enum CaSource {
    /// Made here, below a root that is made here.
    Quickstart {
        subject: Subject,
        life: Duration,
        policy: Policy,
    },
    /// Certificate and key are preloaded as `aziot-edged-ca`; the operator replaces them.
    Operator,
    Local {
        ca: LocalCa,
        subject: Subject,
        life: Duration,
        policy: Policy,
    },
}

/// An operator's authority that issues Edge CAs.
#[derive(Clone, Debug)]
pub struct LocalCa {
    pub certificate_id: String,
    pub key_id: String,
}

pub struct EdgeCaOptions {
    pub source: CaSource,
    pub keys: Arc<dyn KeyStore>,
    pub certificates: Arc<CertificateStore>,
    /// Names the quickstart's root.
    pub device: String,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

pub struct EdgeCa {
    options: EdgeCaOptions,
    current: ArcSwap<Chain>,
    /// Checks take turns; holds when the last try to renew failed.
    failed: Mutex<Option<Timestamp>>,
    /// Whoever issues reads, so that no key changes between it and its certificate.
    swap: RwLock<()>,
}

/// What a look at the Edge CA came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    No,
    Yes,
}

impl EdgeCa {
    /// The Edge CA on disk, or a new one. One that has expired and cannot be renewed is an error.
    pub fn open(options: EdgeCaOptions) -> Result<Self, CertificateError> {
        let kept = match &options.source {
            CaSource::Operator => Some(options.load_operators()?),
            CaSource::Quickstart { .. } => options.load_own()?,
            // One that was issued before this authority was configured is none of its.
            CaSource::Local { ca, .. } => {
                let authority = options.local(ca)?;
                options.load_own()?.filter(|chain| chain.is_below(&authority))
            }
        };
        let chain = match kept {
            Some(chain) => chain,
            None => options.make(true)?,
        };
        let ca = Self {
            options,
            current: ArcSwap::from_pointee(chain),
            failed: Mutex::new(None),
            swap: RwLock::new(()),
        };
        let now = ca.options.clock.now();
        if let Err(error) = ca.check(now) {
            if !ca.chain().validity.contains(now) {
                return Err(error);
            }
            tracing::warn!(%error, "The Edge CA is due, and stays as it was for now.");
        }
        ca.warn();
        Ok(ca)
    }

    fn warn(&self) {
        let until = self.chain().validity.not_after;
        match self.options.source {
            CaSource::Quickstart { .. } => tracing::warn!(
                %until,
                "The Edge CA is a quickstart's, made on this device. For production give your own in [edge_ca]."
            ),
            CaSource::Operator => {
                tracing::info!(%until, "The Edge CA is the operator's, who renews it by replacing its files.");
            }
            CaSource::Local { .. } => tracing::info!(%until, "The Edge CA is issued below the local CA."),
        }
    }

    /// The Edge CA with what stands between it and its root.
    pub fn chain(&self) -> Arc<Chain> {
        self.current.load_full()
    }

    /// What others have to trust so that they take certificates of this device, as PEM.
    pub fn anchors(&self) -> Result<String, CertificateError> {
        let chain = self.chain();
        match &self.options.source {
            CaSource::Quickstart { .. } => {
                let root = self.options.root()?;
                // An original's Edge CA that is its own root is trusted until it is renewed.
                let old = if chain.is_below(&root) { "" } else { chain.pem() };
                Ok(format!("{}{old}", root.pem()))
            }
            CaSource::Operator => Ok(chain.pem().to_owned()),
            CaSource::Local { ca, .. } => Ok(self.options.local(ca)?.pem().to_owned()),
        }
    }

    /// Renews, or takes the operator's new files, where it is time to. A failure leaves the old one.
    pub fn check(&self, now: Timestamp) -> Result<Renewed, CertificateError> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.chain();
        let swap = || self.swap.write().unwrap_or_else(PoisonError::into_inner);
        let outcome = match &self.options.source {
            CaSource::Operator => match self.options.load_operators()? {
                chain if chain == *current => return Ok(Renewed::No),
                chain => {
                    let _swap = swap();
                    self.current.store(Arc::new(chain.clone()));
                    Ok(chain)
                }
            },
            CaSource::Quickstart { policy, .. } | CaSource::Local { policy, .. } => {
                if let Plan::Wait { .. } = policy.plan(current.validity, *failed, now) {
                    return Ok(Renewed::No);
                }
                let _swap = swap();
                let made = self.options.make(policy.rotate_key);
                if let Ok(chain) = &made {
                    self.current.store(Arc::new(chain.clone()));
                }
                made
            }
        };
        match outcome {
            Ok(chain) => {
                tracing::info!(until = %chain.validity.not_after, "The Edge CA was renewed, nothing is restarted.");
                *failed = None;
                Ok(Renewed::Yes)
            }
            Err(error) => {
                *failed = Some(now);
                Err(error)
            }
        }
    }

    /// A server certificate for a module, with a new key.
    pub fn issue_server(&self, request: ServerRequest) -> Result<Issued, CertificateError> {
        let mut names = vec![request.common_name.clone()];
        names.extend(request.names);
        let subject = Subject::common_name(&request.common_name);
        self.issue(Kind::Server { names }, &subject, request.algorithm)
    }

    /// A client certificate for a module.
    pub fn issue_identity(
        &self,
        hub: &str,
        device: &str,
        module: &str,
        algorithm: PairAlgorithm,
    ) -> Result<Issued, CertificateError> {
        let text = format!("URI: azureiot://{hub}/devices/{device}/modules/{module}");
        self.issue(Kind::Client { text }, &Subject::common_name(module), algorithm)
    }

    /// Signs a request of other local software, for as long as a module's certificate lives.
    pub fn sign_request(&self, csr_pem: &str) -> Result<String, CertificateError> {
        let _no_swap = self.swap.read().unwrap_or_else(PoisonError::into_inner);
        let (chain, now, not_after) = self.usable()?;
        let key = StoredKey::new(&*self.options.keys, EDGE_CA)?;
        let random = &*self.options.random;
        let pem = issue::sign_request(csr_pem, &chain, key, now, not_after, random)?;
        Ok(format!("{pem}{}", chain.pem()))
    }

    fn issue(
        &self,
        kind: Kind,
        subject: &Subject,
        algorithm: PairAlgorithm,
    ) -> Result<Issued, CertificateError> {
        let _no_swap = self.swap.read().unwrap_or_else(PoisonError::into_inner);
        let (chain, now, not_after) = self.usable()?;
        let params = params(kind, subject, now, not_after, &*self.options.random)?;
        let key = StoredKey::new(&*self.options.keys, EDGE_CA)?;
        if !chain.is_of(key_bytes(&key)) {
            return Err(CertificateError::Mismatch { what: "the Edge CA".to_owned() });
        }
        issue::issue(&params, algorithm, &chain, key, not_after)
    }

    /// The chain that issues now, and until when what it issues may live.
    fn usable(&self) -> Result<(Arc<Chain>, Timestamp, Timestamp), CertificateError> {
        let chain = self.chain();
        let now = self.options.clock.now();
        if chain.validity.not_after <= now {
            return Err(CertificateError::Expired {
                what: "the Edge CA".to_owned(),
                at: chain.validity.not_after,
            });
        }
        let not_after = now.plus(MODULE_LIFE_MAX).min(chain.validity.not_after);
        Ok((chain, now, not_after))
    }
}

fn key_bytes<'a>(key: &'a StoredKey<'_>) -> &'a [u8] {
    rcgen::PublicKeyData::der_bytes(key)
}

impl EdgeCaOptions {
    fn load_operators(&self) -> Result<Chain, CertificateError> {
        let what = || "the Edge CA of [edge_ca]".to_owned();
        let chain = self.certificates.chain(EDGE_CA)?;
        let chain = chain.ok_or_else(|| CertificateError::Missing { what: what() })?;
        if !chain.is_of(&self.keys.public_key(EDGE_CA)?.bytes) {
            return Err(CertificateError::Mismatch { what: what() });
        }
        if !chain.is_authority {
            return Err(CertificateError::NoAuthority { what: what() });
        }
        if chain.validity.not_after <= self.clock.now() {
            return Err(CertificateError::Expired { what: what(), at: chain.validity.not_after });
        }
        Ok(chain)
    }

    /// What an earlier start has made; `None` when nothing fits together.
    fn load_own(&self) -> Result<Option<Chain>, CertificateError> {
        let key = match self.keys.public_key(EDGE_CA) {
            Ok(key) => key,
            Err(KeyError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match self.certificates.chain(EDGE_CA) {
            Ok(Some(chain)) if chain.is_of(&key.bytes) => return Ok(Some(chain)),
            Ok(_) | Err(CertificateError::Unreadable { .. }) => {}
            Err(error) => return Err(error),
        }
        // A renewal was cut between the move of its key and the move of its certificate.
        match self.certificates.chain(EDGE_CA_NEW) {
            Ok(Some(chain)) if chain.is_of(&key.bytes) => {
                self.certificates.import(EDGE_CA, chain.pem())?;
                Ok(Some(chain))
            }
            Ok(_) | Err(CertificateError::Unreadable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A new certificate for the Edge CA, with a new key or the one that is there.
    fn make(&self, rotate_key: bool) -> Result<Chain, CertificateError> {
        let (subject, life) = match &self.source {
            CaSource::Quickstart { subject, life, .. } | CaSource::Local { subject, life, .. } => {
                (subject, *life)
            }
            CaSource::Operator => return self.load_operators(),
        };
        let key_id = if rotate_key || !self.keys.has(EDGE_CA)? { EDGE_CA_NEW } else { EDGE_CA };
        if key_id == EDGE_CA_NEW {
            self.keys.delete(EDGE_CA_NEW)?;
            self.keys.make_pair(EDGE_CA_NEW, PairAlgorithm::EcP256)?;
        }
        let pem = match &self.source {
            CaSource::Local { ca, .. } => {
                let above = self.local(ca)?;
                let pem = self.certify(key_id, subject, life, &above, &ca.key_id)?;
                // The operator's CA may have others above it, which clients need on the way to their root.
                format!("{pem}{}", above.pem())
            }
            _ => self.certify(key_id, subject, life, &self.root()?, ROOT)?,
        };
        let chain = Chain::from_pem(pem.as_bytes(), "the new Edge CA")?;
        if key_id == EDGE_CA_NEW {
            self.certificates.import(EDGE_CA_NEW, &pem)?;
            self.keys.move_pair(EDGE_CA_NEW, EDGE_CA)?;
        }
        self.certificates.import(EDGE_CA, &pem)?;
        self.certificates.delete(EDGE_CA_NEW)?;
        Ok(chain)
    }

    fn certify(
        &self,
        key_id: &str,
        subject: &Subject,
        life: Duration,
        above: &Chain,
        above_key: &str,
    ) -> Result<String, CertificateError> {
        let now = self.clock.now();
        if above.validity.not_after <= now {
            let what = "the authority above the Edge CA".to_owned();
            return Err(CertificateError::Expired { what, at: above.validity.not_after });
        }
        let not_after = now.plus(life).min(above.validity.not_after);
        let params = params(Kind::EdgeCa, subject, now, not_after, &*self.random)?;
        let own = StoredKey::new(&*self.keys, key_id)?;
        let issuer = issuer_of(above, StoredKey::new(&*self.keys, above_key)?)?;
        let made = params.signed_by(&own, &issuer).map_err(|source| CertificateError::Make { source })?;
        Ok(made.pem())
    }

    /// The quickstart's root, made once.
    fn root(&self) -> Result<Chain, CertificateError> {
        if let Ok(public) = self.keys.public_key(ROOT)
            && let Some(root) = self.certificates.chain(ROOT)?
            && root.is_of(&public.bytes)
        {
            return Ok(root);
        }
        // The certificate comes last: before it is there, nobody has trusted the key.
        if self.certificates.get(ROOT)?.is_some() {
            return Err(CertificateError::Mismatch { what: "the quickstart's root".to_owned() });
        }
        self.keys.delete(ROOT_NEW)?;
        self.keys.make_pair(ROOT_NEW, PairAlgorithm::EcP256)?;
        self.keys.move_pair(ROOT_NEW, ROOT)?;
        let now = self.clock.now();
        let not_after = now.max(Timestamp::from_unix_seconds(EARLIEST_UNIX_SECONDS)).plus(ROOT_LIFE);
        let subject = Subject::common_name(&format!("Skerry quickstart root CA of {}", self.device));
        let params = params(Kind::Root, &subject, now, not_after, &*self.random)?;
        let own = StoredKey::new(&*self.keys, ROOT)?;
        let root = params.self_signed(&own).map_err(|source| CertificateError::Make { source })?;
        self.certificates.import(ROOT, &root.pem())?;
        Chain::from_pem(root.pem().as_bytes(), "the quickstart's root")
    }

    fn local(&self, ca: &LocalCa) -> Result<Chain, CertificateError> {
        let what = || "the local CA of [cert_issuance.local_ca]".to_owned();
        let chain = self.certificates.chain(&ca.certificate_id)?;
        let chain = chain.ok_or_else(|| CertificateError::Missing { what: what() })?;
        if !chain.is_of(&self.keys.public_key(&ca.key_id)?.bytes) {
            return Err(CertificateError::Mismatch { what: what() });
        }
        if !chain.is_authority {
            return Err(CertificateError::NoAuthority { what: what() });
        }
        Ok(chain)
    }
}
