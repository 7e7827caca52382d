//! Stores, documents and a source of chance for the tests.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use skerry_store::documents::{
    Action, Body, Change, Commit, CommitError, Document, Documents, Expect, Json, Key, Revision, Scan, Space,
};
use skerry_store::{EmbeddedDocuments, EmbeddedOptions, MemoryDocuments, MemoryOptions, Weakness};

pub(crate) const DEVICES: Space = Space::new(1);
pub(crate) const MODULES: Space = Space::new(2);

/// Splitmix64, so that a failing test can be run again.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    }
}

pub(crate) fn options(directory: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        readers: 2,
        cache_bytes: 4 << 20,
        ..EmbeddedOptions::new(directory.join("documents.db"))
    }
}

pub(crate) fn embedded(directory: &Path) -> EmbeddedDocuments {
    EmbeddedDocuments::open(options(directory)).unwrap()
}

pub(crate) fn strong() -> Arc<dyn Documents> {
    Arc::new(MemoryDocuments::new(MemoryOptions::default()))
}

pub(crate) fn weak(seed: u64) -> Arc<dyn Documents> {
    let weakness = Some(Weakness::seeded(seed));
    Arc::new(MemoryDocuments::new(MemoryOptions { weakness, ..MemoryOptions::default() }))
}

pub(crate) fn key(group: &str) -> Key {
    Key::new(DEVICES, group, "")
}

pub(crate) fn body(tags: &Value) -> Body {
    Body { tags: Json::encode(tags), packed: vec![7; 3], ..Body::default() }
}

pub(crate) fn change(key: Key, expect: Expect, action: Action) -> Change {
    Change { key, expect, action, note: Vec::new() }
}

pub(crate) fn put(group: &str, expect: Expect, tags: &Value) -> Commit {
    Commit::new(group, vec![change(key(group), expect, Action::Put(body(tags)))])
}

/// Commits, and where the outcome is not known reads again and decides: what hub code does.
/// `happened` says whether what is found is the commit's doing.
pub(crate) async fn settle(
    store: &dyn Documents,
    commit: Commit,
    happened: impl Fn(&[Option<Document>]) -> bool,
) -> Result<Revision, CommitError> {
    let keys: Vec<Key> = commit.changes.iter().map(|change| change.key.clone()).collect();
    for _ in 0..100 {
        match store.commit(commit.clone()).await {
            Err(CommitError::Unknown) => {
                let latest = store.latest().await.unwrap();
                let found = store.get_many(&keys, Some(latest)).await.unwrap();
                if happened(&found) {
                    return Ok(latest);
                }
            }
            outcome => return outcome,
        }
    }
    panic!("a hundred unknown outcomes in a row");
}

/// Creates a document, whatever it takes.
pub(crate) async fn create(store: &dyn Documents, group: &str, tags: &Value) -> Revision {
    let wanted = Json::encode(tags);
    let commit = put(group, Expect::Anything, tags);
    settle(store, commit, |found| found[0].as_ref().is_some_and(|d| d.body.tags == wanted)).await.unwrap()
}

pub(crate) async fn remove(store: &dyn Documents, group: &str) -> Revision {
    let commit = Commit::new(group, vec![change(key(group), Expect::Anything, Action::Delete)]);
    settle(store, commit, |found| found[0].is_none()).await.unwrap()
}

pub(crate) async fn fresh(store: &dyn Documents, key: &Key) -> Option<Document> {
    let latest = store.latest().await.unwrap();
    store.get(key, Some(latest)).await.unwrap()
}

/// All groups that a walk finds, page by page, each page of the newest state.
pub(crate) async fn walk(store: &dyn Documents, mut scan: Scan) -> Vec<String> {
    let mut groups = Vec::new();
    loop {
        scan.at_least = Some(store.latest().await.unwrap());
        let page = store.scan(scan.clone()).await.unwrap();
        groups.extend(page.documents.into_iter().map(|document| document.key.group));
        match page.next {
            Some(next) => scan.after = Some(next),
            None => return groups,
        }
    }
}

pub(crate) fn site(name: &str) -> Value {
    json!({ "site": name })
}
