//! The engine: one state behind one lock that is never held across an await.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::follow::MemoryFollower;
use super::state::{State, View};
use super::weakness::{Dice, Weakness};
use crate::documents::index::declarable;
use crate::documents::judge::{judge, measured};
use crate::documents::{
    Answer, Commit, CommitError, Document, Documents, Field, Figures, Follower, IndexState, Key, Late, Page,
    ReadError, Revision, Scan, Space,
};

#[derive(Clone, Debug)]
pub struct MemoryOptions {
    /// `None` is the strong mode: always the newest state, outcomes always known.
    pub weakness: Option<Weakness>,
    /// Change records kept for followers; the oldest go, and who wanted them lags.
    pub change_records_max: usize,
    /// Changes in one commit; more is a misuse.
    pub commit_changes_max: usize,
    /// Bytes in one commit; more is too large.
    pub commit_bytes_max: usize,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            weakness: None,
            change_records_max: 100_000,
            commit_changes_max: 10_000,
            commit_bytes_max: 16 << 20,
        }
    }
}

/// Documents in memory. Cloning shares them.
#[derive(Clone)]
pub struct MemoryDocuments {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) options: MemoryOptions,
    state: Mutex<(State, Dice)>,
    pub(super) newest: watch::Sender<Revision>,
    counted: Counted,
}

#[derive(Default)]
struct Counted {
    commits: AtomicU64,
    conflicts: AtomicU64,
    reads: AtomicU64,
    examined: AtomicU64,
}

impl MemoryDocuments {
    pub fn new(options: MemoryOptions) -> Self {
        let dice = Dice::new(options.weakness.map_or(0, |weakness| weakness.seed));
        let shared = Shared {
            options,
            state: Mutex::new((State::default(), dice)),
            newest: watch::Sender::new(Revision::ZERO),
            counted: Counted::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reads one view, late where weakness says so.
    async fn read<T>(
        &self,
        at_least: Option<Revision>,
        reading: impl FnOnce(&View<'_>) -> T,
    ) -> Result<T, ReadError> {
        let weakness = self.shared.options.weakness;
        if let (Some(_), Some(weakness)) = (at_least, weakness) {
            while self.shared.lock().1.chance(weakness.slow_read) {
                tokio::task::yield_now().await;
            }
        }
        let mut guard = self.shared.lock();
        let (state, dice) = &mut *guard;
        let floor = at_least.unwrap_or_default();
        if floor > state.revision {
            return Err(Late { wanted: floor, seen: state.revision }.into());
        }
        let behind = match weakness {
            Some(weakness) if dice.chance(weakness.late_view) => {
                dice.up_to(weakness.commits_behind as u64) as usize
            }
            _ => 0,
        };
        Ok(reading(&state.view(behind, floor)))
    }

    fn commit_now(&self, commit: Commit) -> Result<Revision, CommitError> {
        let options = &self.shared.options;
        measured(&commit, options.commit_changes_max, options.commit_bytes_max)?;
        let mut guard = self.shared.lock();
        let (state, dice) = &mut *guard;
        let unknown = options.weakness.is_some_and(|weakness| dice.chance(weakness.unknown));
        if unknown && dice.chance(50) {
            return Err(CommitError::Unknown);
        }
        let Ok(judged) = judge(&commit, |key| Ok::<_, std::convert::Infallible>(state.find(key)));
        if let Err(conflict) = judged {
            self.shared.counted.conflicts.fetch_add(1, Relaxed);
            return if unknown { Err(CommitError::Unknown) } else { Err(conflict.into()) };
        }
        let undo_max = options.weakness.map_or(0, |weakness| weakness.commits_behind);
        let revision = state.apply(commit, options.change_records_max, undo_max);
        drop(guard);
        self.shared.newest.send_replace(revision);
        if unknown {
            return Err(CommitError::Unknown);
        }
        self.shared.counted.commits.fetch_add(1, Relaxed);
        Ok(revision)
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, (State, Dice)> {
        // `accept` runs under the lock and may panic; it only ever sees a view.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Documents for MemoryDocuments {
    fn get<'a>(
        &'a self,
        key: &'a Key,
        at_least: Option<Revision>,
    ) -> Answer<'a, Option<Document>, ReadError> {
        self.shared.counted.reads.fetch_add(1, Relaxed);
        Box::pin(self.read(at_least, |view| view.get(key).map(|document| Document::clone(document))))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [Key],
        at_least: Option<Revision>,
    ) -> Answer<'a, Vec<Option<Document>>, ReadError> {
        self.shared.counted.reads.fetch_add(keys.len() as u64, Relaxed);
        Box::pin(self.read(at_least, |view| {
            keys.iter().map(|key| view.get(key).map(|document| Document::clone(document))).collect()
        }))
    }

    fn commit(&self, commit: Commit) -> Answer<'_, Revision, CommitError> {
        Box::pin(async move { self.commit_now(commit) })
    }

    fn scan(&self, scan: Scan) -> Answer<'_, Page, ReadError> {
        Box::pin(async move {
            let (page, examined) = self.read(scan.at_least, |view| view.page(&scan)).await?;
            self.shared.counted.examined.fetch_add(examined, Relaxed);
            self.shared.counted.reads.fetch_add(page.documents.len() as u64, Relaxed);
            Ok(page)
        })
    }

    fn count(&self, scan: Scan) -> Answer<'_, u64, ReadError> {
        Box::pin(async move { self.read(scan.at_least, |view| view.count(&scan)).await })
    }

    fn follow(&self, from: Revision) -> Box<dyn Follower> {
        Box::new(MemoryFollower::new(self.shared.clone(), from))
    }

    fn revision(&self) -> Revision {
        *self.shared.newest.borrow()
    }

    fn latest(&self) -> Answer<'_, Revision, ReadError> {
        Box::pin(async { Ok(self.shared.lock().0.revision) })
    }

    fn declare_index<'a>(&'a self, space: Space, fields: &'a [Field]) -> Answer<'a, (), CommitError> {
        Box::pin(async move {
            let indexes = &mut self.shared.lock().0.indexes;
            let index = (space, fields.to_vec());
            if !indexes.contains(&index) {
                declarable(fields, indexes.len())?;
                indexes.push(index);
            }
            Ok(())
        })
    }

    fn drop_index<'a>(&'a self, space: Space, fields: &'a [Field]) -> Answer<'a, (), CommitError> {
        Box::pin(async move {
            self.shared.lock().0.indexes.retain(|(s, f)| *s != space || f != fields);
            Ok(())
        })
    }

    fn indexes(&self) -> Vec<IndexState> {
        let state = |(space, fields): &(Space, Vec<Field>)| IndexState {
            space: *space,
            fields: fields.clone(),
            complete: true,
            filled: 0,
        };
        self.shared.lock().0.indexes.iter().map(state).collect()
    }

    fn figures(&self) -> Figures {
        let counted = &self.shared.counted;
        Figures {
            commits: counted.commits.load(Relaxed),
            conflicts: counted.conflicts.load(Relaxed),
            groups: counted.commits.load(Relaxed),
            reads: counted.reads.load(Relaxed),
            examined: counted.examined.load(Relaxed),
            ..Figures::default()
        }
    }
}
