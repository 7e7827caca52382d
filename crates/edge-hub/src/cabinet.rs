//! What the edge remembers of its hub, sealed: identities with their keys, twins, its own configuration.
//!
//! The data key lies beside the documents, sealed by the daemon, whose keys need no hub to be there.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use serde::{Serialize, de::DeserializeOwned};
use skerry_model::Random;
use skerry_store::documents::{
    Action, Body, Change, Commit, CommitError, Document, Documents, Expect, Key, ReadError, Scan, Space,
};

use crate::home::{Home, HomeError};

/// The edge's own things, one of a kind. Numbers are on disk.
pub(crate) const OWN: Space = Space::new(1);
/// Identities in the scope; the group is the device, the name the module.
pub(crate) const IDENTITIES: Space = Space::new(2);
/// Twins, likewise.
pub(crate) const TWINS: Space = Space::new(3);
/// What clients listen to, likewise.
pub(crate) const SUBSCRIPTIONS: Space = Space::new(4);

const DATA_KEY: &str = "data-key";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// A commit whose outcome is unknown is made again: it writes the same.
const TRIES_MAX: usize = 8;
const PAGE: usize = 100;

#[derive(Clone)]
pub(crate) struct Cabinet {
    documents: Arc<dyn Documents>,
    key: Arc<RandomizedNonceKey>,
}

#[derive(Debug, thiserror::Error)]
pub enum CabinetError {
    #[error("what the edge remembers cannot be read: {0}")]
    Read(#[from] ReadError),
    #[error("what the edge has to remember cannot be kept: {0}")]
    Commit(#[from] CommitError),
    #[error("the key of the edge's store cannot be used: {0}")]
    Home(#[from] HomeError),
    #[error("{what} does not open with the edge's key: it is of another device, or damaged")]
    Sealed { what: String },
}

impl Cabinet {
    /// Opens what is there. What was sealed for another device, or with keys that are lost, is removed: it comes
    /// back from the hub.
    pub(crate) async fn open(
        documents: Arc<dyn Documents>,
        home: &dyn Home,
        random: &dyn Random,
    ) -> Result<Self, CabinetError> {
        let place = Key::new(OWN, "/", DATA_KEY);
        let kept = documents.get(&place, Some(documents.revision())).await?;
        if let Some(kept) = &kept {
            match home.open(kept.body.sealed.clone()).await.map(<[u8; KEY_BYTES]>::try_from) {
                Ok(Ok(raw)) => return Ok(Self::with(documents, &raw)),
                Ok(Err(_)) => {
                    tracing::error!("The key of the edge's store is damaged, what it had sealed is lost.");
                }
                Err(error) => {
                    tracing::error!(%error, "The key of the edge's store does not open, what it had sealed is lost.");
                }
            }
            for space in [IDENTITIES, TWINS, SUBSCRIPTIONS, OWN] {
                clear(documents.as_ref(), space).await?;
            }
        }
        let mut raw = [0; KEY_BYTES];
        random.fill(&mut raw);
        let sealed = home.seal(raw.to_vec()).await?;
        let action = Action::Put(Body { sealed, ..Body::default() });
        commit(documents.as_ref(), place, action).await?;
        Ok(Self::with(documents, &raw))
    }

    fn with(documents: Arc<dyn Documents>, raw: &[u8; KEY_BYTES]) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, raw).expect("a key of 32 bytes fits AES-256");
        Self { documents, key: Arc::new(key) }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, CabinetError> {
        let found = self.documents.get(key, Some(self.documents.revision())).await?;
        found.map(|document| self.unsealed(&document)).transpose()
    }

    pub(crate) async fn put<T: Serialize>(&self, key: Key, value: &T) -> Result<(), CabinetError> {
        let text = serde_json::to_vec(value).expect("what is kept has texts as keys");
        let sealed = self.seal(&key, text);
        commit(self.documents.as_ref(), key, Action::Put(Body { sealed, ..Body::default() })).await?;
        Ok(())
    }

    pub(crate) async fn remove(&self, key: Key) -> Result<(), CabinetError> {
        Ok(commit(self.documents.as_ref(), key, Action::Delete).await?)
    }

    /// Everything of a space; what does not open is told and passed over.
    pub(crate) async fn all<T: DeserializeOwned>(&self, space: Space) -> Result<Vec<T>, CabinetError> {
        let mut found = Vec::new();
        let each = |document: &Document| match self.unsealed(document) {
            Ok(value) => found.push(value),
            Err(error) => tracing::warn!(%error, "Something that was kept is passed over."),
        };
        walk(self.documents.as_ref(), space, each).await?;
        Ok(found)
    }

    fn unsealed<T: DeserializeOwned>(&self, document: &Document) -> Result<T, CabinetError> {
        let lost = || CabinetError::Sealed { what: name(&document.key) };
        let (nonce, text) = document.body.sealed.split_first_chunk::<NONCE_BYTES>().ok_or_else(lost)?;
        let mut text = text.to_vec();
        let context = Aad::from(name(&document.key));
        let opened = self.key.open_in_place(Nonce::from(nonce), context, &mut text).map_err(|_| lost())?;
        serde_json::from_slice(opened).map_err(|_| lost())
    }

    fn seal(&self, key: &Key, mut text: Vec<u8>) -> Vec<u8> {
        let nonce = self.key.seal_in_place_append_tag(Aad::from(name(key)), &mut text);
        let nonce = nonce.expect("a document is far smaller than what AES-GCM seals");
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut text);
        sealed
    }
}

fn name(key: &Key) -> String {
    format!("{}/{}/{}", key.space.number(), key.group, key.name)
}

async fn commit(documents: &dyn Documents, key: Key, action: Action) -> Result<(), CommitError> {
    let change = Change { key: key.clone(), expect: Expect::Anything, action, note: Vec::new() };
    let commit = Commit::new(key.group, vec![change]);
    let mut outcome = Err(CommitError::Unknown);
    for _ in 0..TRIES_MAX {
        outcome = documents.commit(commit.clone()).await;
        if !matches!(outcome, Err(CommitError::Unknown)) {
            break;
        }
    }
    outcome.map(drop)
}

async fn walk(
    documents: &dyn Documents,
    space: Space,
    mut each: impl FnMut(&Document),
) -> Result<(), ReadError> {
    let at_least = Some(documents.revision());
    let mut after = None;
    loop {
        let page = documents.scan(Scan { after, at_least, limit: PAGE, ..Scan::all(space) }).await?;
        page.documents.iter().for_each(&mut each);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

async fn clear(documents: &dyn Documents, space: Space) -> Result<(), CabinetError> {
    let mut keys = Vec::new();
    walk(documents, space, |document| keys.push(document.key.clone())).await?;
    for key in keys {
        commit(documents, key, Action::Delete).await?;
    }
    Ok(())
}
