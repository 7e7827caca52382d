//! The syncs that look alike to a disk: each in a scene of its own, in which the disk lies to it or
//! not. With the lie something that was promised is lost, without it nothing.

use std::time::Duration;

use skerry_store::journal::{Journal, JournalOptions};
use skerry_store::log::{
    Batch, Draft, Durability, From, Log, Name, Outcome, Partition, Placed, Reading, Sequence, Winner,
};

use super::disk::{Cut, Disk, Fault, OpKind};
use super::world::options;

const PARTITION: Partition = Partition::new(0);

/// A log that syncs only when it must.
fn open(disk: &Disk) -> Journal {
    open_with(disk, |options| options)
}

fn open_with(disk: &Disk, change: impl FnOnce(JournalOptions) -> JournalOptions) -> Journal {
    let lazy = JournalOptions {
        group_bytes_max: 1,
        sync_after: Duration::from_secs(3600),
        unsynced_bytes_max: 1 << 30,
        ..options(disk, Winner::Retention, 1)
    };
    Journal::open(change(lazy)).unwrap()
}

/// A log with two records. The second is merely written, and durable all the same, as the first
/// of its kind: how far the partition may run ahead is written down with it.
async fn begun(disk: &Disk, change: impl FnOnce(JournalOptions) -> JournalOptions) -> Journal {
    let log = open_with(disk, change);
    append(&log, 0, 10, Durability::Synced).await.unwrap();
    append(&log, 1, 10, Durability::Written).await.unwrap();
    log
}

async fn append(log: &Journal, number: u64, length: usize, durability: Durability) -> Outcome {
    let name = Some(Name { producer: 1, number });
    let payload = vec![number as u8; length].into();
    let draft = Draft { partition: PARTITION, name, payload, ..Draft::default() };
    log.append(Batch::new(vec![draft], durability)).await.remove(0)
}

/// Every sync of a file lies from now on, where the scene is with lies.
fn lie(disk: &Disk, lies: bool) {
    disk.plan(move |op| if lies && op.kind == OpKind::Sync { Fault::Lie } else { Fault::None });
}

fn be_honest(disk: &Disk) {
    disk.plan(|_| Fault::None);
}

/// How many records a power cut leaves, and how many places are damaged.
async fn left(disk: &Disk) -> (usize, u64) {
    let disk = disk.cut(Cut::Dropped);
    let log = open(&disk);
    let (mut count, mut next) = (0, Sequence::ZERO);
    loop {
        let page = log.read(Reading::new(PARTITION, From::Sequence(next))).await.unwrap();
        if page.next == next {
            return (count, log.figures().damaged);
        }
        (count, next) = (count + page.records.len(), page.next);
    }
}

/// A file ends with merely written records, and the next is begun.
async fn a_file_is_full(lies: bool) -> bool {
    let disk = Disk::new();
    let log = begun(&disk, |lazy| lazy).await;
    for number in 2..8 {
        append(&log, number, 10_000, Durability::Written).await.unwrap();
    }
    let syncs = disk.count(OpKind::Sync);
    // The next file's beginning is synced honestly: it is the second.
    disk.plan(move |op| match op.kind {
        OpKind::Sync if lies && op.nth == syncs => Fault::Lie,
        _ => Fault::None,
    });
    append(&log, 8, 10_000, Durability::Written).await.unwrap();
    assert_eq!(log.figures().segments, 2);
    be_honest(&disk);
    append(&log, 9, 10, Durability::Synced).await.unwrap();
    left(&disk).await == (10, 0)
}

/// What was merely written is sent again, with more asked of it.
async fn a_record_is_sent_again(lies: bool) -> bool {
    let disk = Disk::new();
    let log = begun(&disk, |lazy| lazy).await;
    append(&log, 2, 10, Durability::Written).await.unwrap();
    lie(&disk, lies);
    assert_eq!(append(&log, 2, 10, Durability::Synced).await, Ok(Placed::Already));
    left(&disk).await == (3, 0)
}

/// Time passes.
async fn what_is_written_grows_old(lies: bool) -> bool {
    let disk = Disk::new();
    let log = begun(&disk, |lazy| JournalOptions { sync_after: Duration::from_millis(1), ..lazy }).await;
    lie(&disk, lies);
    let syncs = disk.count(OpKind::Sync);
    append(&log, 2, 10, Durability::Memory).await.unwrap();
    while disk.count(OpKind::Sync) == syncs {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    left(&disk).await == (3, 0)
}

/// Much is written and nothing asked to be synced.
async fn much_is_written(lies: bool) -> bool {
    let disk = Disk::new();
    let log = begun(&disk, |lazy| JournalOptions { unsynced_bytes_max: 1000, ..lazy }).await;
    lie(&disk, lies);
    append(&log, 2, 500, Durability::Written).await.unwrap();
    append(&log, 3, 600, Durability::Written).await.unwrap();
    left(&disk).await == (4, 0)
}

/// The log is closed.
async fn it_is_closed(lies: bool) -> bool {
    let disk = Disk::new();
    let log = begun(&disk, |lazy| lazy).await;
    append(&log, 2, 10, Durability::Memory).await.unwrap();
    lie(&disk, lies);
    log.close();
    left(&disk).await == (3, 0)
}

/// A sync fails, and what it was for goes to another file.
async fn a_file_fails(lies: bool) -> bool {
    let disk = Disk::new();
    let log = open(&disk);
    append(&log, 0, 10, Durability::Synced).await.unwrap();
    let syncs = disk.count(OpKind::Sync);
    // The failure, the new file's beginning, and the groups in it.
    disk.plan(move |op| match op.kind {
        OpKind::Sync if op.nth == syncs => Fault::FailSync(0),
        OpKind::Sync if lies && op.nth == syncs + 2 => Fault::Lie,
        _ => Fault::None,
    });
    append(&log, 1, 10, Durability::Synced).await.unwrap();
    left(&disk).await == (2, 0)
}

/// A reader is shown a merely written record, and after the cut its sequence is not given again.
async fn a_written_record_is_shown(lies: bool) -> bool {
    let disk = Disk::new();
    let log = open(&disk);
    lie(&disk, lies);
    let shown = append(&log, 0, 10, Durability::Written).await.unwrap().sequence().unwrap();
    append(&log, 1, 10, Durability::Written).await.unwrap();
    let disk = disk.cut(Cut::Dropped);
    let again = append(&open(&disk), 2, 10, Durability::Synced).await.unwrap().sequence().unwrap();
    again > shown.next()
}

macro_rules! scenes {
    ($($scene:ident),* $(,)?) => {
        mod sync_when {
            $(#[tokio::test] async fn $scene() {
                assert!(super::$scene(false).await, "something is lost on an honest disk");
                assert!(!super::$scene(true).await, "nothing is lost without this sync");
            })*
        }
    };
}

scenes! {
    a_file_is_full,
    a_record_is_sent_again,
    what_is_written_grows_old,
    much_is_written,
    it_is_closed,
    a_file_fails,
    a_written_record_is_shown,
}
