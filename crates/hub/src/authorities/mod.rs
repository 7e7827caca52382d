//! Certificate authorities whose devices are let in by the name in their certificate.
//!
//! An operator registers an authority's certificate, and proves to hold its key: the hub gives a
//! code, the operator has the authority sign a certificate with that code as its name. Only then
//! does it count. Documents keep them; connections read a list in memory, which changes with them.

mod chain;
mod error;
mod stored;

use std::sync::Arc;

use arc_swap::ArcSwap;
use skerry_front::{Certificate, ChainError};
use skerry_model::{Clock, Random, Timestamp};
use skerry_store::documents::{Action, Change, Commit, CommitError, Documents, Expect, Revision, Scan};

pub use error::AuthorityError;

use crate::spaces::{AUTHORITIES, AUTHORITIES_GROUP, authority_key};

/// Authorities of one hub.
const AUTHORITIES_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 64;
/// A commit whose outcome is unknown is made again, with its expectation.
const TRIES_MAX: usize = 8;

#[derive(Clone, Debug)]
pub struct Authority {
    pub name: String,
    pub certificate: Certificate,
    pub is_verified: bool,
    /// What a certificate that proves possession has to be called.
    pub code: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
    revision: Revision,
}

impl Authority {
    pub fn etag(&self) -> String {
        self.revision.to_string()
    }
}

/// The authorities of one hub. Clones are the same. Changes are not to be dropped half-way
/// ([`crate::to_its_end`]): the list in memory follows the documents only at their end.
#[derive(Clone)]
pub struct Authorities {
    documents: Arc<dyn Documents>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    known: Arc<ArcSwap<Vec<Authority>>>,
}

impl Authorities {
    pub fn new(documents: Arc<dyn Documents>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { documents, clock, random, known: Arc::default() }
    }

    /// Reads what is stored; asked once, before the first connection.
    pub async fn load(&self) -> Result<(), AuthorityError> {
        let latest = self.documents.latest().await?;
        let scan = Scan { limit: AUTHORITIES_MAX, at_least: Some(latest), ..Scan::all(AUTHORITIES) };
        let page = self.documents.scan(scan).await?;
        let read: Result<Vec<Authority>, AuthorityError> = page.documents.iter().map(stored::read).collect();
        self.known.store(Arc::new(read?));
        Ok(())
    }

    pub fn all(&self) -> Arc<Vec<Authority>> {
        self.known.load_full()
    }

    pub fn get(&self, name: &str) -> Result<Authority, AuthorityError> {
        let known = self.known.load();
        let found = known.iter().find(|authority| authority.name == name);
        found.cloned().ok_or_else(|| AuthorityError::NotFound { name: name.to_owned() })
    }

    /// Whether the chain shows that its first certificate is that of `name`.
    pub fn check(&self, chain: &[impl AsRef<[u8]>], name: &str) -> Result<(), ChainError> {
        chain::check(chain, name, &self.known.load(), self.clock.now())
    }

    /// Registers a certificate, or puts another in its place, which has to be proven anew.
    pub async fn register(
        &self,
        name: &str,
        der: &[u8],
        is_verified: bool,
        may_replace: bool,
    ) -> Result<Authority, AuthorityError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(fits) {
            return Err(AuthorityError::Name);
        }
        let certificate = Certificate::parse(der)?;
        let now = self.clock.now();
        if !certificate.is_valid_at(now) {
            return Err(AuthorityError::Time { until: certificate.not_after });
        }
        let present = self.get(name).ok();
        if present.is_some() && !may_replace {
            return Err(AuthorityError::Exists { name: name.to_owned() });
        }
        if present.is_none() && self.known.load().len() >= AUTHORITIES_MAX {
            return Err(AuthorityError::TooMany);
        }
        let created = present.as_ref().map_or(now, |present| present.created);
        let expect = present.as_ref().map_or(Expect::Absent, |present| Expect::Revision(present.revision));
        let revision = Revision::ZERO;
        let name = name.to_owned();
        let code = None;
        self.write(
            Authority { name, certificate, is_verified, code, created, updated: now, revision },
            expect,
        )
        .await
    }

    /// A new code for the proof of possession.
    pub async fn new_code(&self, name: &str) -> Result<Authority, AuthorityError> {
        let mut authority = self.get(name)?;
        let mut bytes = [0; 20];
        self.random.fill(&mut bytes);
        authority.code = Some(bytes.iter().map(|byte| format!("{byte:02X}")).collect());
        self.change(authority).await
    }

    /// Takes the proof: a certificate with the code as its name, signed by the authority.
    pub async fn verify(&self, name: &str, proof_der: &[u8]) -> Result<Authority, AuthorityError> {
        let mut authority = self.get(name)?;
        let proof = Certificate::parse(proof_der)?;
        let Some(code) = authority.code.take() else { return Err(AuthorityError::NoCode) };
        if proof.common_name.as_ref() != Some(&code) {
            return Err(AuthorityError::Code { found: proof.common_name.unwrap_or_default(), code });
        }
        if !proof.is_signed_by(&authority.certificate) {
            return Err(AuthorityError::Proof);
        }
        authority.is_verified = true;
        self.change(authority).await
    }

    pub async fn remove(&self, name: &str) -> Result<(), AuthorityError> {
        let authority = self.get(name)?;
        self.commit(name, Action::Delete, Expect::Revision(authority.revision)).await?;
        self.known.rcu(|known| {
            let others =
                known.iter().filter(|known| known.name != name || known.revision > authority.revision);
            others.cloned().collect::<Vec<_>>()
        });
        Ok(())
    }

    async fn change(&self, authority: Authority) -> Result<Authority, AuthorityError> {
        let expect = Expect::Revision(authority.revision);
        self.write(Authority { updated: self.clock.now(), ..authority }, expect).await
    }

    async fn write(&self, mut authority: Authority, expect: Expect) -> Result<Authority, AuthorityError> {
        let action = Action::Put(stored::body(&authority));
        authority.revision = self.commit(&authority.name, action, expect).await?;
        // Others change the list at the same time, and of one name the newest stays.
        self.known.rcu(|known| {
            let newer = |known: &&Authority| known.revision > authority.revision;
            let present = known.iter().filter(|known| known.name == authority.name).find(newer);
            let mut next: Vec<Authority> =
                known.iter().filter(|known| known.name != authority.name).cloned().collect();
            next.push(present.unwrap_or(&authority).clone());
            next.sort_by(|one, other| one.name.cmp(&other.name));
            next
        });
        Ok(authority)
    }

    async fn commit(&self, name: &str, action: Action, expect: Expect) -> Result<Revision, AuthorityError> {
        let key = authority_key(name);
        let mut in_doubt = false;
        for _ in 0..TRIES_MAX {
            let change = Change { key: key.clone(), expect, action: action.clone(), note: Vec::new() };
            match self.documents.commit(Commit::new(AUTHORITIES_GROUP, vec![change])).await {
                Ok(revision) => return Ok(revision),
                Err(CommitError::Unknown) => in_doubt = true,
                // If what was to be written is there, the first try had happened.
                Err(CommitError::Conflict(_)) if in_doubt => {
                    let latest = Some(self.documents.latest().await?);
                    return match (self.documents.get(&key, latest).await?, &action) {
                        (Some(found), Action::Put(body)) if found.body == *body => Ok(found.revision),
                        (None, Action::Delete) => Ok(Revision::ZERO),
                        _ => Err(AuthorityError::Changed),
                    };
                }
                Err(CommitError::Conflict(_)) => return Err(AuthorityError::Changed),
                Err(error) => return Err(error.into()),
            }
        }
        Err(CommitError::Unknown.into())
    }
}
