//! Records that readers see before they are durable.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use skerry_store::journal::{Journal, JournalOptions};
use skerry_store::log::{
    AppendError, Batch, Draft, Durability, Early, From, Full, Log, Partition, Reading, Seen, Sequence, Winner,
};
use tokio::task::JoinHandle;

use super::disk::{Cut, Disk, EIO, ENOSPC, Fault, OpKind};
use super::world::options;

const LONG: Duration = Duration::from_secs(3600);

struct World {
    disk: Disk,
    log: Arc<Journal>,
    told: Arc<Told>,
}

/// Sequences that were told, in order.
#[derive(Default)]
struct Told(Mutex<Vec<u64>>);

impl Seen for Told {
    fn seen(self: Arc<Self>, sequences: &[Sequence]) {
        self.0.lock().unwrap().extend(sequences.iter().map(|sequence| sequence.number()));
    }
}

type Appending = JoinHandle<Result<Sequence, AppendError>>;

impl World {
    fn new() -> Self {
        let disk = Disk::new();
        let log = Arc::new(open(&disk));
        Self { disk, log, told: Arc::default() }
    }

    /// With one record, and with the right to show what is not durable.
    async fn ahead() -> Self {
        let world = Self::new();
        world.append(0, Duration::ZERO).await.unwrap().unwrap();
        world
    }

    fn append(&self, number: u8, linger: Duration) -> Appending {
        self.begin(number, Some(Early { seen: self.told.clone(), is_urgent: true, linger }))
    }

    fn begin(&self, number: u8, early: Option<Early>) -> Appending {
        let log = self.log.clone();
        let draft = Draft { payload: vec![number; 100].into(), ..Draft::default() };
        let batch = Batch { early, ..Batch::new(vec![draft], Durability::Synced) };
        tokio::spawn(async move {
            let outcome = log.append(batch).await.pop().unwrap();
            outcome.map(|placed| placed.sequence().unwrap())
        })
    }

    /// Appends one that is given up as soon as it is seen.
    async fn append_and_give_up(&self, number: u8) {
        let count = self.told().len();
        let appending = self.append(number, LONG);
        self.until(|world| world.told().len() > count).await;
        appending.abort();
        drop(appending.await);
    }

    fn told(&self) -> Vec<u64> {
        self.told.0.lock().unwrap().clone()
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            tokio::task::yield_now().await;
        }
    }

    async fn seen(&self) -> Vec<u8> {
        seen(&self.log).await
    }

    /// The power goes: what it leaves.
    async fn left(&self) -> Vec<u8> {
        seen(&open(&self.disk.cut(Cut::Dropped))).await
    }
}

/// A log that waits for no second record before it writes, and hurries with nothing.
fn open(disk: &Disk) -> Journal {
    let options = options(disk, Winner::Retention, 0);
    let unsynced_bytes_max = 1 << 20;
    Journal::open(JournalOptions { early_bytes: 1, sync_after: LONG, unsynced_bytes_max, ..options }).unwrap()
}

async fn seen(log: &Journal) -> Vec<u8> {
    let page = log.read(Reading::new(Partition::default(), From::Oldest)).await.unwrap();
    page.records.iter().map(|record| record.payload[0]).collect()
}

fn syncs_wait(disk: &Disk) {
    disk.plan(|op| if op.kind == OpKind::Sync { Fault::Wait } else { Fault::None });
}

#[tokio::test]
async fn it_is_seen_while_its_sync_lasts_and_answered_behind_it() {
    let world = World::ahead().await;
    syncs_wait(&world.disk);
    let first = world.append(1, Duration::ZERO);
    world.until(|world| world.disk.waiting() == 1).await;
    // Neither do those wait to be seen that come while the disk is busy.
    let second = world.append(2, Duration::ZERO);
    world.until(|world| world.told().len() == 3).await;
    while world.seen().await != [0, 1, 2] {
        tokio::task::yield_now().await;
    }
    assert!(!first.is_finished() && !second.is_finished(), "no answer without a sync");
    assert_eq!(world.told(), [0, 1, 2]);
    world.disk.release(u64::MAX >> 1);
    assert_eq!(first.await.unwrap().unwrap().number(), 1);
    assert_eq!(second.await.unwrap().unwrap().number(), 2);
    assert_eq!(world.left().await, [0, 1, 2]);
}

#[tokio::test]
async fn nothing_is_seen_early_before_it_is_written_down_how_far_that_may_go() {
    let world = World::new();
    // Its first file is begun with two.
    world.disk.plan(|op| if op.kind == OpKind::Sync && op.nth >= 1 { Fault::Wait } else { Fault::None });
    let first = world.append(1, LONG);
    world.until(|world| world.disk.waiting() == 1).await;
    let second = world.append(2, LONG);
    let before = world.disk.count(OpKind::Write);
    world.until(|world| world.disk.count(OpKind::Write) > before).await;
    assert_eq!((world.told(), world.seen().await), (vec![], vec![]));
    world.disk.release(1);
    first.await.unwrap().unwrap();
    world.until(|world| world.told() == [0, 1]).await;
    while world.seen().await != [1, 2] {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished());
    assert_eq!(world.left().await, [1]);
}

#[tokio::test]
async fn who_has_heard_enough_costs_no_sync_and_what_a_cut_takes_is_not_given_again() {
    let world = World::ahead().await;
    let syncs = world.log.figures().syncs;
    world.append_and_give_up(1).await;
    world.append_and_give_up(2).await;
    assert_eq!((world.log.figures().syncs, world.seen().await), (syncs, vec![0, 1, 2]));
    // The power goes: they were never answered. Whoever saw them does not take others for them.
    let disk = world.disk.cut(Cut::Dropped);
    let after = World { log: Arc::new(open(&disk)), disk, told: Arc::default() };
    assert_eq!(after.seen().await, [0]);
    let next = after.append(3, Duration::ZERO).await.unwrap().unwrap();
    assert!(next.number() > 2, "{next} was seen as another one");
    assert_eq!(after.seen().await, [0, 3]);
}

#[tokio::test]
async fn an_orderly_end_keeps_what_was_given_up() {
    let world = World::ahead().await;
    world.append_and_give_up(1).await;
    world.log.close();
    assert_eq!(world.left().await, [0, 1]);
}

#[tokio::test]
async fn who_has_not_heard_enough_is_answered_when_the_time_is_up() {
    let world = World::ahead().await;
    world.append_and_give_up(1).await;
    world.append(2, Duration::from_millis(2)).await.unwrap().unwrap();
    assert_eq!(world.left().await, [0, 1, 2]);
}

#[tokio::test]
async fn much_that_was_given_up_is_made_durable_all_the_same() {
    let disk = Disk::new();
    let settings = JournalOptions {
        unsynced_bytes_max: 4 << 10,
        sync_after: LONG,
        ..options(&disk, Winner::Retention, 0)
    };
    let log = Arc::new(Journal::open(settings).unwrap());
    let world = World { disk, log, told: Arc::default() };
    for number in 0..100 {
        world.append_and_give_up(number).await;
    }
    let left = world.left().await.len();
    assert!(left > 40, "{left} of 100 would be left");
}

#[tokio::test]
async fn one_that_is_to_be_safe_first_keeps_those_behind_it_from_being_seen() {
    let world = World::ahead().await;
    syncs_wait(&world.disk);
    let safe = world.begin(1, None);
    world.until(|world| world.disk.waiting() == 1).await;
    let before = world.disk.count(OpKind::Write);
    let early = world.append(2, LONG);
    world.until(|world| world.disk.count(OpKind::Write) > before).await;
    assert_eq!((world.told(), world.seen().await), (vec![0], vec![0]));
    world.disk.release(1);
    safe.await.unwrap().unwrap();
    world.until(|world| world.told() == [0, 2]).await;
    while world.seen().await != [0, 1, 2] {
        tokio::task::yield_now().await;
    }
    assert!(!early.is_finished());
    world.disk.release(u64::MAX >> 1);
}

#[tokio::test]
async fn what_finds_no_room_is_not_seen() {
    let world = World::ahead().await;
    world.disk.plan(|op| if op.kind == OpKind::Write { Fault::Fail(ENOSPC) } else { Fault::None });
    let outcome = world.append(1, Duration::ZERO).await.unwrap();
    assert_eq!(outcome, Err(AppendError::Full(Full::Disk)));
    assert_eq!((world.told(), world.seen().await), (vec![0], vec![0]));
    world.disk.plan(|_| Fault::None);
    let next = world.append(2, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!((next.number(), world.seen().await), (1, vec![0, 2]));
}

#[tokio::test]
async fn a_sync_that_fails_takes_nothing_of_what_was_seen() {
    let world = World::ahead().await;
    world.append_and_give_up(1).await;
    let next = world.disk.count(OpKind::Sync);
    world.disk.plan(move |op| match op.kind {
        OpKind::Sync if op.nth == next => Fault::WaitToFail(0),
        _ => Fault::None,
    });
    let second = world.append(2, Duration::ZERO);
    world.until(|world| world.disk.waiting() == 1).await;
    let third = world.append(3, LONG);
    world.until(|world| world.told().len() == 4).await;
    world.disk.release(1);
    second.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    assert_eq!((world.log.figures().syncs_failed, world.seen().await), (1, vec![0, 1, 2, 3]));
    assert_eq!(world.left().await, [0, 1, 2, 3]);
}

#[tokio::test]
async fn where_no_file_becomes_durable_any_more_nobody_is_told_that_it_did() {
    let world = World::ahead().await;
    world.disk.plan(|op| if op.kind == OpKind::Sync { Fault::Fail(EIO) } else { Fault::None });
    let outcome = world.append(1, Duration::ZERO).await.unwrap();
    assert_eq!(outcome, Err(AppendError::Unknown));
    // Its reader may have done with it all the same.
    assert_eq!(world.told(), [0, 1]);
    assert_eq!(world.left().await, [0]);
}
