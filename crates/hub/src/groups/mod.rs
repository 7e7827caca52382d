//! Consumer groups: names under which applications read events, each at its own pace.
//!
//! A group is a name and nothing else: where its readers are they keep themselves. Names differ by
//! more than case. `$Default` is always there, and its document says since when there are events.
//! Documents keep them; links read a list in memory, which changes with them.

mod error;
mod name;
mod stored;

use std::sync::Arc;

use arc_swap::ArcSwap;
use skerry_model::{Clock, Timestamp};
use skerry_store::documents::{Action, Change, Commit, Documents, Expect, Scan};
use tokio::sync::{Mutex, OnceCell};

pub use error::GroupError;
pub use name::{DEFAULT, GroupName};

use crate::registry::{Settled, settle};
use crate::spaces::{CONSUMER_GROUPS, CONSUMER_GROUPS_GROUP, consumer_group_key};

/// How many there may be where the operator does not say, `$Default` among them.
pub const GROUPS_MAX: usize = 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: GroupName,
    pub created: Timestamp,
}

/// The groups of one hub. Clones are the same. Changes are not to be dropped half-way
/// ([`crate::to_its_end`]): the list in memory follows the documents only at their end.
#[derive(Clone)]
pub struct Groups {
    shared: Arc<Shared>,
}

struct Shared {
    documents: Arc<dyn Documents>,
    clock: Arc<dyn Clock>,
    groups_max: usize,
    /// By name.
    known: ArcSwap<Vec<Group>>,
    opened: OnceCell<()>,
    /// Held while one is made or removed, so that they can be counted.
    turn: Mutex<()>,
}

impl Groups {
    pub fn new(documents: Arc<dyn Documents>, clock: Arc<dyn Clock>, groups_max: usize) -> Self {
        let (known, opened, turn) = (ArcSwap::default(), OnceCell::new(), Mutex::new(()));
        let groups_max = groups_max.max(1);
        Self { shared: Arc::new(Shared { documents, clock, groups_max, known, opened, turn }) }
    }

    /// In the order of their names.
    pub async fn all(&self) -> Result<Arc<Vec<Group>>, GroupError> {
        self.open().await?;
        Ok(self.shared.known.load_full())
    }

    /// Names are compared without regard to case.
    pub async fn get(&self, name: &str) -> Result<Group, GroupError> {
        let all = self.all().await?;
        let found = all.iter().find(|group| group.name.is(name));
        found.cloned().ok_or_else(|| GroupError::NotFound { name: name.chars().take(64).collect() })
    }

    /// Whether it is there in this moment.
    pub(crate) fn has(&self, name: &GroupName) -> bool {
        self.shared.known.load().iter().any(|group| group.name == *name)
    }

    /// Since when there are events.
    pub async fn since(&self) -> Result<Timestamp, GroupError> {
        Ok(self.get(DEFAULT).await?.created)
    }

    /// Makes one, or finds that it is there.
    pub async fn create(&self, name: &str) -> Result<Group, GroupError> {
        let name: GroupName = name.parse()?;
        self.open().await?;
        let shared = &self.shared;
        let _turn = shared.turn.lock().await;
        if let Ok(present) = self.get(name.as_str()).await {
            return Ok(present);
        }
        if shared.known.load().len() >= shared.groups_max {
            return Err(GroupError::TooMany { groups_max: shared.groups_max });
        }
        let group = Group { name, created: shared.clock.now() };
        shared.write(&group).await?;
        shared.read().await?;
        self.get(group.name.as_str()).await
    }

    /// Whoever reads in it loses its link: that is the caller's to see to.
    pub async fn delete(&self, name: &str) -> Result<GroupName, GroupError> {
        self.open().await?;
        let shared = &self.shared;
        let _turn = shared.turn.lock().await;
        let group = self.get(name).await?;
        if group.name.is(DEFAULT) {
            return Err(GroupError::Default);
        }
        shared.commit(&group.name, Action::Delete, Expect::Anything).await?;
        shared.read().await?;
        Ok(group.name)
    }

    /// Learns what is stored, which every use does that comes first.
    pub async fn open(&self) -> Result<(), GroupError> {
        let shared = &self.shared;
        let opened = shared.opened.get_or_try_init(|| async {
            shared.read().await?;
            if shared.known.load().iter().any(|group| group.name.is(DEFAULT)) {
                return Ok(());
            }
            let name = DEFAULT.parse().expect("the name of the first group is one");
            shared.write(&Group { name, created: shared.clock.now() }).await?;
            shared.read().await
        });
        opened.await.copied()
    }
}

impl Shared {
    async fn read(&self) -> Result<(), GroupError> {
        let mut groups = Vec::new();
        let mut scan = Scan { at_least: Some(self.documents.latest().await?), ..Scan::all(CONSUMER_GROUPS) };
        loop {
            let page = self.documents.scan(scan.clone()).await?;
            for document in &page.documents {
                groups.push(stored::read(document)?);
            }
            match page.next {
                Some(next) => scan.after = Some(next),
                None => break,
            }
        }
        self.known.store(Arc::new(groups));
        Ok(())
    }

    /// One that is there stays.
    async fn write(&self, group: &Group) -> Result<(), GroupError> {
        self.commit(&group.name, Action::Put(stored::body(group)), Expect::Absent).await
    }

    async fn commit(&self, name: &GroupName, action: Action, expect: Expect) -> Result<(), GroupError> {
        let change = Change { key: consumer_group_key(&name.key()), expect, action, note: Vec::new() };
        let commit = Commit::new(CONSUMER_GROUPS_GROUP, vec![change]);
        match settle(self.documents.as_ref(), commit).await? {
            Settled::Committed | Settled::Conflict => Ok(()),
        }
    }
}
