//! The two lanes in front of the writer.
//!
//! Room is counted in changes and bytes, for each lane alone, so that an import never stands in
//! the way of a device. Who finds no room waits outside, in order, then is told `Busy`.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::EmbeddedOptions;
use super::index::Declaration;
use crate::documents::{Busy, Commit, CommitError, Lane, Revision};

/// A commit and who waits for it. Its room is given back when it is dropped.
pub(super) struct Waiting {
    pub(super) commit: Commit,
    pub(super) answer: oneshot::Sender<Result<Revision, CommitError>>,
    bytes: usize,
    _room: [OwnedSemaphorePermit; 2],
}

/// A change of the indexes; rare, done alone between groups.
pub(super) struct Order {
    pub(super) declaration: Declaration,
    pub(super) answer: oneshot::Sender<Result<(), CommitError>>,
}

/// What the writer does next.
pub(super) enum Turn {
    Orders(Vec<Order>),
    Group(Vec<Waiting>),
    /// Nobody waits.
    Idle,
    /// Nobody waits and nobody will.
    Closed,
}

pub(super) struct Queue {
    inner: Mutex<Inner>,
    arrived: Condvar,
    room: [LaneRoom; 2],
    wait_max: Duration,
    group_changes_max: usize,
    group_bytes_max: usize,
}

#[derive(Default)]
struct Inner {
    lanes: [VecDeque<Waiting>; 2],
    orders: Vec<Order>,
    closed: bool,
}

struct LaneRoom {
    changes: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    changes_max: usize,
    bytes_max: usize,
}

/// Declarations waiting for the writer.
const ORDERS_MAX: usize = 64;

impl Queue {
    pub(super) fn new(options: &EmbeddedOptions) -> Self {
        let room = || LaneRoom {
            changes: Arc::new(Semaphore::new(options.changes_queued_max)),
            bytes: Arc::new(Semaphore::new(options.bytes_queued_max)),
            changes_max: options.changes_queued_max,
            bytes_max: options.bytes_queued_max,
        };
        Self {
            inner: Mutex::default(),
            arrived: Condvar::new(),
            room: [room(), room()],
            wait_max: options.wait_max,
            group_changes_max: options.group_changes_max.max(2),
            group_bytes_max: options.group_bytes_max.max(2),
        }
    }

    /// Waits for room, then queues the commit; the receiver gets its outcome.
    pub(super) async fn push(
        &self,
        commit: Commit,
        bytes: usize,
    ) -> Result<oneshot::Receiver<Result<Revision, CommitError>>, CommitError> {
        let lane = commit.lane as usize;
        let room = &self.room[lane];
        let changes = commit.changes.len().max(1);
        let changes = self.take(&room.changes, changes).await?;
        let room_bytes = self.take(&room.bytes, bytes.max(1)).await?;
        let (answer, outcome) = oneshot::channel();
        let mut inner = self.lock();
        if inner.closed {
            return Err(CommitError::Closed);
        }
        inner.lanes[lane].push_back(Waiting { commit, answer, bytes, _room: [changes, room_bytes] });
        drop(inner);
        self.arrived.notify_one();
        Ok(outcome)
    }

    pub(super) fn order(
        &self,
        declaration: Declaration,
    ) -> Result<oneshot::Receiver<Result<(), CommitError>>, CommitError> {
        let (answer, outcome) = oneshot::channel();
        let mut inner = self.lock();
        if inner.closed {
            return Err(CommitError::Closed);
        }
        if inner.orders.len() >= ORDERS_MAX {
            return Err(Busy { queued: ORDERS_MAX as u64 }.into());
        }
        inner.orders.push(Order { declaration, answer });
        drop(inner);
        self.arrived.notify_one();
        Ok(outcome)
    }

    async fn take(&self, room: &Arc<Semaphore>, count: usize) -> Result<OwnedSemaphorePermit, CommitError> {
        let count = count as u32;
        if let Ok(permit) = room.clone().try_acquire_many_owned(count) {
            return Ok(permit);
        }
        match tokio::time::timeout(self.wait_max, room.clone().acquire_many_owned(count)).await {
            Ok(permit) => permit.map_err(|_| CommitError::Closed),
            Err(_) => Err(Busy { queued: self.waiting().0 }.into()),
        }
    }

    /// The next group, once there is one. With `eager` it does not wait.
    pub(super) fn turn(&self, eager: bool) -> Turn {
        let mut inner = self.lock();
        loop {
            if !inner.orders.is_empty() {
                return Turn::Orders(std::mem::take(&mut inner.orders));
            }
            let group = self.group(&mut inner.lanes);
            if !group.is_empty() {
                return Turn::Group(group);
            }
            if inner.closed {
                return Turn::Closed;
            }
            if eager {
                return Turn::Idle;
            }
            inner = self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The bulk lane gets at most half of the group; what it does not need is the other's. Its
    /// half is not extended when the other lane is empty, so that whoever comes next waits no
    /// longer than for half a group.
    fn group(&self, lanes: &mut [VecDeque<Waiting>; 2]) -> Vec<Waiting> {
        let half = (self.group_changes_max / 2, self.group_bytes_max / 2);
        let mut group = Vec::new();
        let bulk = fill(&mut lanes[Lane::Bulk as usize], &mut group, half);
        let rest = (self.group_changes_max - bulk.0.min(half.0), self.group_bytes_max - bulk.1.min(half.1));
        let mut interactive = Vec::new();
        fill(&mut lanes[Lane::Interactive as usize], &mut interactive, rest);
        interactive.append(&mut group);
        interactive
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        for room in &self.room {
            room.changes.close();
            room.bytes.close();
        }
        self.arrived.notify_all();
    }

    pub(super) fn somebody_waits(&self) -> bool {
        self.lock().lanes.iter().any(|lane| !lane.is_empty())
    }

    /// Changes and bytes that wait, or are being written.
    pub(super) fn waiting(&self) -> (u64, u64) {
        let changes = self.room.iter().map(|room| room.changes_max - room.changes.available_permits());
        let bytes = self.room.iter().map(|room| room.bytes_max - room.bytes.available_permits());
        (changes.sum::<usize>() as u64, bytes.sum::<usize>() as u64)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes commits in order until one would go over; the first always fits.
fn fill(lane: &mut VecDeque<Waiting>, group: &mut Vec<Waiting>, max: (usize, usize)) -> (usize, usize) {
    let (mut changes, mut bytes) = (0, 0);
    while let Some(next) = lane.front() {
        let (after, after_bytes) = (changes + next.commit.changes.len(), bytes + next.bytes);
        if changes > 0 && (after > max.0 || after_bytes > max.1) {
            break;
        }
        (changes, bytes) = (after.max(1), after_bytes);
        group.extend(lane.pop_front());
    }
    (changes, bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::documents::{Action, Change, Expect, Key, Space};

    fn queue(group_changes_max: usize) -> Queue {
        let options = EmbeddedOptions {
            changes_queued_max: 40,
            bytes_queued_max: 4000,
            commit_changes_max: 40,
            commit_bytes_max: 4000,
            group_changes_max,
            wait_max: Duration::from_millis(20),
            ..EmbeddedOptions::new("unused")
        };
        Queue::new(&options.settled())
    }

    fn commit(lane: Lane, changes: usize) -> Commit {
        let key = Key::new(Space::new(1), "a", "");
        let one = Change { key, expect: Expect::Anything, action: Action::Check, note: Vec::new() };
        Commit::new("a", vec![one; changes]).in_lane(lane)
    }

    /// How many changes of each lane the next group has.
    fn group(queue: &Queue) -> (usize, usize) {
        let Turn::Group(group) = queue.turn(true) else { return (0, 0) };
        let changes = |lane| {
            group.iter().filter(|w| w.commit.lane == lane).map(|w| w.commit.changes.len()).sum::<usize>()
        };
        (changes(Lane::Interactive), changes(Lane::Bulk))
    }

    #[tokio::test]
    async fn the_bulk_lane_gets_at_most_half() {
        let queue = queue(10);
        for _ in 0..12 {
            drop(queue.push(commit(Lane::Bulk, 1), 1).await.unwrap());
            drop(queue.push(commit(Lane::Interactive, 1), 1).await.unwrap());
        }
        assert_eq!([group(&queue), group(&queue), group(&queue)], [(5, 5), (5, 5), (2, 2)]);
        for _ in 0..12 {
            drop(queue.push(commit(Lane::Bulk, 1), 1).await.unwrap());
        }
        drop(queue.push(commit(Lane::Interactive, 30), 1).await.unwrap());
        assert_eq!([group(&queue), group(&queue), group(&queue)], [(30, 5), (0, 5), (0, 2)]);
        assert!(matches!(queue.turn(true), Turn::Idle));
    }

    #[tokio::test]
    async fn who_finds_no_room_is_told_so_and_the_other_lane_has_its_own() {
        let queue = queue(100);
        drop(queue.push(commit(Lane::Bulk, 40), 10).await.unwrap());
        let busy = queue.push(commit(Lane::Bulk, 1), 1).await;
        assert!(matches!(busy, Err(CommitError::Busy(Busy { queued: 40 }))));
        drop(queue.push(commit(Lane::Interactive, 1), 3990).await.unwrap());
        assert!(matches!(queue.push(commit(Lane::Interactive, 1), 11).await, Err(CommitError::Busy(_))));
        assert_eq!(queue.waiting(), (41, 4000));
        assert_eq!(group(&queue), (1, 40));
        assert_eq!(queue.waiting(), (0, 0));
        queue.close();
        assert!(matches!(queue.push(commit(Lane::Bulk, 1), 1).await, Err(CommitError::Closed)));
        assert!(matches!(queue.turn(false), Turn::Closed));
    }
}
