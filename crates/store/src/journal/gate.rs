//! Where readers of a partition wait for more.
//!
//! A queue is woken for what it wants. What others want it passes when it looks by itself, or when there
//! is much of that: its files can go no sooner than it has passed them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};

use tokio::sync::Notify;

use super::group::mask;
use crate::log::CursorId;

/// So many records may lie before a queue that are not for it, until it is woken to pass them.
const PASSED_MAX: u64 = 1024;

#[derive(Default)]
pub(super) struct Gate {
    /// What the next record gets: everything before is committed, or early.
    pub(super) next: AtomicU64,
    /// The time of the newest record, in ticks.
    pub(super) newest: AtomicI64,
    /// Trimmed up to here.
    pub(super) first: AtomicU64,
    moved: Notify,
    /// For queues, by the bits of their cursors; there since the first of them waited.
    wanted: OnceLock<Box<[Notify; 64]>>,
    /// Where all of them were woken.
    passed: AtomicU64,
}

impl Gate {
    /// Who reads everything, or what a cursor wants, waits here; it may be woken for nothing.
    pub(super) fn waits(&self, wanted_by: Option<CursorId>) -> &Notify {
        match wanted_by {
            None => &self.moved,
            Some(cursor) => {
                let wanted = self.wanted.get_or_init(|| Box::new(std::array::from_fn(|_| Notify::new())));
                &wanted[mask(cursor).trailing_zeros() as usize]
            }
        }
    }

    /// There are records up to `next`, which the cursors of these bits want.
    pub(super) fn reach(&self, next: u64, time: i64, wanted: u64) {
        self.newest.store(time, SeqCst);
        self.next.store(next, SeqCst);
        self.moved.notify_waiters();
        let is_much = next.saturating_sub(self.passed.load(SeqCst)) >= PASSED_MAX;
        if is_much {
            self.passed.store(next, SeqCst);
        }
        self.wake(if is_much { u64::MAX } else { wanted });
    }

    /// Everybody looks again.
    pub(super) fn wake_all(&self) {
        self.moved.notify_waiters();
        self.wake(u64::MAX);
    }

    fn wake(&self, bits: u64) {
        let Some(wanted) = self.wanted.get() else { return };
        let is_meant = |bit: &usize| bits >> bit & 1 == 1;
        (0..wanted.len()).filter(is_meant).for_each(|bit| wanted[bit].notify_waiters());
    }
}
