//! What the handle, the writer and readers share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::JournalOptions;
use super::ahead::Ahead;
use super::catalog::Catalog;
use super::gate::Gate;
use super::indexes::Indexes;
use super::intake::Intake;
use super::ledger::Ledger;
use super::recent::Recent;
use super::signal::Signal;
use super::syncer::Syncer;
use crate::log::{Partition, Winner};

pub(super) struct Shared {
    pub(super) options: JournalOptions,
    pub(super) intake: Intake,
    pub(super) catalog: Catalog,
    ledger: Mutex<Ledger>,
    recent: Mutex<Recent>,
    /// One for each partition.
    gates: Box<[Gate]>,
    pub(super) indexes: Indexes,
    pub(super) ahead: Ahead,
    /// Pages being read from files.
    pub(super) reading: Semaphore,
    pub(super) rewriting: Signal,
    pub(super) syncer: Syncer,
    /// Held while files are taken out of the catalog and removed.
    removing: Mutex<()>,
    /// The last group that is durable.
    pub(super) durable_group: AtomicU64,
    /// Rewriting waits for it.
    pub(super) wants_sync: AtomicBool,
    /// A file was removed since the directory was last synced.
    pub(super) is_removal_open: AtomicBool,
    pub(super) counted: Counted,
}

#[derive(Default)]
pub(super) struct Counted {
    pub(super) records: AtomicU64,
    pub(super) record_bytes: AtomicU64,
    pub(super) repetitions: AtomicU64,
    pub(super) groups: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) syncs_failed: AtomicU64,
    pub(super) written_bytes: AtomicU64,
    pub(super) full: AtomicU64,
    pub(super) removed_by_age_bytes: AtomicU64,
    pub(super) removed_by_cap_bytes: AtomicU64,
    pub(super) removed_settled_bytes: AtomicU64,
    pub(super) rewritten_bytes: AtomicU64,
    pub(super) reads: AtomicU64,
    pub(super) damaged: AtomicU64,
}

impl Shared {
    pub(super) fn new(options: JournalOptions, catalog: Catalog, ledger: Ledger) -> Self {
        let nexts = ledger.partitions.iter().map(|(partition, known)| (partition.number(), known.next));
        let recent = Recent::new(options.recent_bytes_max, options.recent_groups_max, nexts);
        let gates: Box<[Gate]> = (0..options.limits.partitions_max).map(|_| Gate::default()).collect();
        for (partition, known) in &ledger.partitions {
            if let Some(gate) = gates.get(partition.number() as usize) {
                gate.next.store(known.next, SeqCst);
                gate.newest.store(known.newest, SeqCst);
                gate.first.store(known.first, SeqCst);
            }
        }
        let ledger_group = ledger.group;
        Self {
            intake: Intake::new(&options, &ledger),
            catalog,
            ledger: Mutex::new(ledger),
            recent: Mutex::new(recent),
            gates,
            indexes: Indexes::default(),
            ahead: Ahead::new(options.ahead_bytes_max),
            reading: Semaphore::new(options.reads_max),
            rewriting: Signal::default(),
            syncer: Syncer::default(),
            removing: Mutex::default(),
            durable_group: AtomicU64::new(ledger_group),
            wants_sync: AtomicBool::new(false),
            is_removal_open: AtomicBool::new(false),
            counted: Counted::default(),
            options,
        }
    }

    pub(super) fn gate(&self, partition: Partition) -> Option<&Gate> {
        self.gates.get(partition.number() as usize)
    }

    /// Whether what nobody wants should make room for what somebody does: from half the cap on.
    pub(super) fn is_tight(&self) -> bool {
        self.options.limits.winner == Winner::Cursors
            && self.catalog.bytes() > self.options.limits.bytes_max / 2
    }

    pub(super) fn removing(&self) -> MutexGuard<'_, ()> {
        self.removing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.reading.is_closed()
    }

    /// Everybody who waits looks again: it is over.
    pub(super) fn wake_all(&self) {
        self.gates.iter().for_each(Gate::wake_all);
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
