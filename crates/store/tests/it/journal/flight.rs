//! Groups that are written while the one before them is being synced.

use std::sync::Arc;
use std::time::Duration;

use skerry_store::journal::{Journal, JournalOptions};
use skerry_store::log::{AppendError, Batch, Draft, Durability, From, Full, Log, Partition, Reading, Winner};
use tokio::task::JoinHandle;

use super::disk::{Cut, Disk, ENOSPC, Fault, OpKind};
use super::world::options;

struct World {
    disk: Disk,
    log: Arc<Journal>,
}

type Appending = JoinHandle<Result<(), AppendError>>;

impl World {
    /// A log that waits for no second record before it writes, with one record; what becomes of its
    /// next sync. If that waits, all of them do.
    async fn new(fault: Fault) -> Self {
        let disk = Disk::new();
        let sync_after = Duration::from_millis(1);
        let settings = JournalOptions { early_bytes: 1, sync_after, ..options(&disk, Winner::Retention, 0) };
        let log = Arc::new(Journal::open(settings).unwrap());
        let world = Self { disk, log };
        world.append(0).await.unwrap().unwrap();
        let next = world.disk.count(OpKind::Sync);
        world.disk.plan(move |op| match op.kind {
            OpKind::Sync if op.nth == next => fault,
            OpKind::Sync if fault == Fault::Wait => Fault::Wait,
            _ => Fault::None,
        });
        world
    }

    fn append(&self, number: u8) -> Appending {
        let log = self.log.clone();
        let draft = Draft { payload: vec![number; 100].into(), ..Draft::default() };
        tokio::spawn(async move {
            let outcome = log.append(Batch::new(vec![draft], Durability::Synced)).await;
            outcome[0].clone().map(|_| ())
        })
    }

    /// Appends, and returns when it is in the file.
    async fn write(&self, number: u8) -> Appending {
        let before = self.disk.count(OpKind::Write);
        let appending = self.append(number);
        while self.disk.count(OpKind::Write) == before {
            tokio::task::yield_now().await;
        }
        appending
    }

    /// Two that are in the file: one is being synced, the other was written since.
    async fn two_in_the_air(&self) -> [Appending; 2] {
        let first = self.write(1).await;
        while self.disk.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        [first, self.write(2).await]
    }

    async fn seen(&self) -> Vec<u8> {
        seen(&self.log).await
    }
}

async fn seen(log: &Journal) -> Vec<u8> {
    let page = log.read(Reading::new(Partition::default(), From::Oldest)).await.unwrap();
    page.records.iter().map(|record| record.payload[0]).collect()
}

#[tokio::test]
async fn what_is_written_while_a_sync_lasts_waits_for_its_own() {
    let world = World::new(Fault::Wait).await;
    let [first, second] = world.two_in_the_air().await;
    assert_eq!(world.seen().await, [0]);
    // A slow disk: by now it is time to sync what was only written, but a sync is under way.
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.disk.release(1);
    first.await.unwrap().unwrap();
    while world.disk.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished(), "no answer without a sync");
    assert_eq!(world.seen().await, [0, 1]);
    // What was answered is there after a power cut, whatever became of the other one.
    world.disk.stop();
    let log = Journal::open(options(&world.disk.cut(Cut::Dropped), Winner::Retention, 1)).unwrap();
    assert_eq!(seen(&log).await, [0, 1]);
}

#[tokio::test]
async fn a_sync_that_fails_takes_nothing_of_what_was_written_since() {
    let world = World::new(Fault::WaitToFail(0)).await;
    let [first, second] = world.two_in_the_air().await;
    world.disk.release(1);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(world.log.figures().syncs_failed, 1);
    assert_eq!(world.seen().await, [0, 1, 2]);
    let log = Journal::open(options(&world.disk.cut(Cut::Dropped), Winner::Retention, 1)).unwrap();
    assert_eq!((seen(&log).await, log.figures().damaged), (vec![0, 1, 2], 0));
}

#[tokio::test]
async fn a_disk_without_room_refuses_one_and_those_before_it_land() {
    let world = World::new(Fault::Wait).await;
    let [first, second] = world.two_in_the_air().await;
    world.disk.plan(|op| match op.kind {
        OpKind::Sync => Fault::Wait,
        OpKind::Write => Fault::Fail(ENOSPC),
        _ => Fault::None,
    });
    let third = world.write(3).await;
    assert_eq!(third.await.unwrap(), Err(AppendError::Full(Full::Disk)));
    assert!(!first.is_finished() && !second.is_finished());
    world.disk.plan(|_| Fault::None);
    world.disk.release(u64::MAX >> 1);
    for earlier in [first, second, world.append(4)] {
        earlier.await.unwrap().unwrap();
    }
    assert_eq!(world.seen().await, [0, 1, 2, 4]);
    let log = Journal::open(options(&world.disk.cut(Cut::Dropped), Winner::Retention, 1)).unwrap();
    assert_eq!(seen(&log).await, [0, 1, 2, 4]);
}

#[tokio::test]
async fn a_sync_for_what_was_only_written_does_not_take_back_what_is_durable_since() {
    let disk = Disk::new();
    let settings = JournalOptions {
        early_bytes: usize::MAX,
        group_bytes_max: 1,
        sync_after: Duration::from_millis(1),
        unsynced_bytes_max: 1 << 20,
        recent_bytes_max: 0,
        ..options(&disk, Winner::Retention, 0)
    };
    let world = World { log: Arc::new(Journal::open(settings).unwrap()), disk };
    let append = async |number: u8, durability: Durability| {
        let draft = Draft { payload: vec![number; 100].into(), ..Draft::default() };
        let outcome = world.log.append(Batch::new(vec![draft], durability)).await;
        outcome[0].clone().map(|_| ())
    };
    append(0, Durability::Written).await.unwrap();
    // Nobody waits for the next sync.
    let next = world.disk.count(OpKind::Sync);
    world.disk.plan(move |op| match op.kind {
        OpKind::Sync if op.nth == next => Fault::Wait,
        OpKind::Sync if op.nth == next + 2 => Fault::FailSync(0),
        _ => Fault::None,
    });
    append(1, Durability::Written).await.unwrap();
    while world.disk.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    // The first of two groups does not wait for it to be written.
    let before = world.disk.count(OpKind::Write);
    let both = [world.append(2), world.append(3)];
    while world.disk.count(OpKind::Write) == before {
        tokio::task::yield_now().await;
    }
    world.disk.release(1);
    for appending in both {
        appending.await.unwrap().unwrap();
    }
    append(4, Durability::Synced).await.unwrap();
    assert_eq!((world.log.figures().syncs_failed, world.seen().await), (1, vec![0, 1, 2, 3, 4]));
    let log = Journal::open(options(&world.disk.cut(Cut::Dropped), Winner::Retention, 1)).unwrap();
    assert_eq!((seen(&log).await, log.figures().damaged), (vec![0, 1, 2, 3, 4], 0));
}
