//! What is settled and what is removed because of it, when they are not durable together.

use std::time::Duration;

use skerry_store::journal::{Journal, JournalOptions};
use skerry_store::log::{
    AppendError, Batch, Cursor, CursorId, CursorKind, Draft, Durability, From, Full, Log, Partition,
    Progress, Reading, Sequence, Start, Winner,
};

use super::disk::{Cut, Disk, Fault, OpKind};
use super::world::options;

const PARTITION: Partition = Partition::new(0);

fn open(disk: &Disk, seed: u64) -> Journal {
    let lazy = JournalOptions {
        group_bytes_max: 1,
        sync_after: Duration::from_secs(3600),
        unsynced_bytes_max: 1 << 30,
        ..options(disk, Winner::Cursors, seed)
    };
    Journal::open(lazy).unwrap()
}

async fn cursor(log: &Journal, name: &str, kind: CursorKind) -> Cursor {
    log.cursor(name, Start { partition: PARTITION, kind, from: From::Oldest }).await.unwrap()
}

/// Appends records until the cap refuses one; every `every`th is wanted by `few` as well as by `all`.
async fn fill(log: &Journal, all: CursorId, few: CursorId, every: usize) -> usize {
    for number in 0.. {
        let wanted_by = if number % every == 0 { vec![all, few] } else { vec![all] };
        let payload = vec![number as u8; 3000].into();
        let draft = Draft { partition: PARTITION, wanted_by: wanted_by.into(), payload, ..Draft::default() };
        match &log.append(Batch::new(vec![draft], Durability::Synced)).await[0] {
            Ok(_) => {}
            Err(AppendError::Full(Full::Cap { .. })) => return number,
            Err(other) => panic!("{other}"),
        }
    }
    unreachable!("the log is full some time")
}

/// What a queue gives from its position on, and has not settled.
async fn left(log: &Journal, cursor: &Cursor) -> Vec<Sequence> {
    let (mut left, mut next) = (Vec::new(), cursor.below);
    loop {
        let reading = Reading::new(PARTITION, From::Sequence(next)).wanted_by(cursor.id);
        let page = log.read(reading).await.unwrap();
        if page.next == next {
            return left;
        }
        let sequences = page.records.iter().map(|record| record.sequence);
        left.extend(sequences.filter(|sequence| !cursor.settled.contains(sequence)));
        next = page.next;
    }
}

#[tokio::test]
async fn a_queue_counts_what_it_has_after_a_cut_that_set_it_back() {
    let disk = Disk::new();
    let log = open(&disk, 1);
    let all = cursor(&log, "all", CursorKind::Wanted).await.id;
    let few = cursor(&log, "few", CursorKind::Wanted).await.id;
    let count = fill(&log, all, few, 20).await as u64;
    // All is settled, as far as this process knows, and files go because of it.
    let below = Sequence::from_number(count);
    let progress = Progress {
        below,
        records: count,
        bytes: count * 3000,
        durability: Durability::Memory,
        settled: vec![],
    };
    log.advance(all, progress).await.unwrap();
    for _ in 0..2000 {
        if log.figures().removed_settled_bytes > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(log.figures().removed_settled_bytes > 0, "the rest is rewritten");
    let disk = disk.cut(Cut::Dropped);
    drop(log);
    let log = open(&disk, 2);
    for cursor in log.cursors() {
        let left = left(&log, &cursor).await;
        assert_eq!(cursor.records, left.len() as u64, "{} is at {}", cursor.name, cursor.below);
    }
}

#[tokio::test]
async fn a_cursor_that_is_made_while_files_are_rewritten_gets_what_it_wants() {
    let disk = Disk::new();
    let log = open(&disk, 1);
    let all = cursor(&log, "all", CursorKind::Wanted).await.id;
    let few = cursor(&log, "few", CursorKind::Wanted).await.id;
    let count = fill(&log, all, few, 20).await as u64;
    // Rewriting leaves out what only the first wanted, and stops before it replaces anything.
    disk.plan(|op| match op.label {
        Some(label) if op.kind == OpKind::Sync && label.from == 0 && label.writes > 1 => Fault::Wait,
        _ => Fault::None,
    });
    let below = Sequence::from_number(count);
    let progress = Progress { below, records: count, bytes: count * 3000, ..Progress::default() };
    log.advance(all, progress).await.unwrap();
    for _ in 0..2000 {
        if disk.waiting() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(disk.waiting() > 0, "something is rewritten");
    let every = cursor(&log, "every", CursorKind::Every).await;
    let read = async || -> Vec<Sequence> {
        let (mut sequences, mut next) = (Vec::new(), every.below);
        loop {
            let page = log.read(Reading::new(PARTITION, From::Sequence(next))).await.unwrap();
            if page.next == next {
                return sequences;
            }
            sequences.extend(page.records.iter().map(|record| record.sequence));
            next = page.next;
        }
    };
    let before = read().await;
    disk.plan(|_| Fault::None);
    disk.release(1);
    // The next pass begins when this one is over.
    fill(&log, all, few, 20).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let after = read().await;
    let lost: Vec<&Sequence> = before.iter().filter(|sequence| !after.contains(sequence)).collect();
    assert!(lost.is_empty(), "{} of {} records are gone: {lost:?}", lost.len(), before.len());
}
