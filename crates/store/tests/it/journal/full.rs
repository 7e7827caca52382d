//! Disks without room.

use std::time::Duration;

use skerry_store::journal::Journal;
use skerry_store::log::{
    AppendError, Batch, CursorError, CursorKind, Draft, Durability, From, Full, Log, Partition, Progress,
    Reading, Sequence, Start, Winner,
};

use super::disk::{Cut, Disk, ENOSPC, Fault, OpKind};
use super::model::Model;
use super::power::{life, prepared};
use super::world::{CAP, SEGMENT, live, live_with_faults, options};
use crate::samples::Dice;

const PARTITION: Partition = Partition::new(0);

fn batch(number: u64) -> Batch {
    let payload = vec![number as u8; 3000].into();
    let headers = number.to_be_bytes().to_vec().into();
    Batch::new(vec![Draft { headers, payload, ..Draft::default() }], Durability::Synced)
}

/// Appends until the log says that it has no room; answers how many records there are.
async fn fill(log: &Journal, mut number: u64) -> (u64, Full) {
    for _ in 0..10_000 {
        match &log.append(batch(number)).await[0] {
            Ok(_) => number += 1,
            Err(AppendError::Full(full)) => return (number, full.clone()),
            Err(other) => panic!("{other}"),
        }
    }
    panic!("it never is full");
}

/// The log goes on by itself, soon.
async fn goes_on(log: &Journal, number: u64) {
    for _ in 0..500 {
        match &log.append(batch(number)).await[0] {
            Ok(_) => return,
            Err(AppendError::Full(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("there is room, and it does not go on");
}

async fn numbers(log: &Journal) -> Vec<u64> {
    let (mut numbers, mut next) = (Vec::new(), Sequence::ZERO);
    loop {
        let page = log.read(Reading::new(PARTITION, From::Sequence(next))).await.unwrap();
        if page.next == next {
            return numbers;
        }
        numbers.extend(page.records.iter().map(|r| u64::from_be_bytes(r.headers[..].try_into().unwrap())));
        next = page.next;
    }
}

#[tokio::test]
async fn a_full_disk_refuses_records_and_nothing_else_and_goes_on_by_itself() {
    let disk = Disk::new();
    let log = Journal::open(options(&disk, Winner::Cursors, 1)).unwrap();
    let start = |kind| Start { kind, ..Start::default() };
    let cursor = log.cursor("every", start(CursorKind::Every)).await.unwrap();
    let mut there = 0;
    // At a border, in the middle of a segment, and where nothing fits at all.
    for room in [SEGMENT, 90_000, 30_000, 1000, 0] {
        disk.hold_at_most(Some(disk.used() + room));
        let (number, full) = fill(&log, there).await;
        assert_eq!(full, Full::Disk);
        there = number;
        assert_all(&log, there, "reads go on").await;
        // What is settled counts, and is written when it can be.
        let progress = Progress { settled: vec![Sequence::from_number(there - 1)], ..Progress::default() };
        let answer = log.advance(cursor.id, progress).await;
        assert!(matches!(answer, Ok(()) | Err(CursorError::Full(Full::Disk))), "{answer:?}");
        assert!(log.cursors()[0].settled.contains(&Sequence::from_number(there - 1)), "it counts");
        assert!(log.figures().full > 0);
        disk.hold_at_most(None);
        goes_on(&log, there).await;
        there += 1;
        if there > 50 {
            // Reading makes room below the cap.
            let below = Sequence::from_number(there - 5);
            log.advance(cursor.id, Progress { below, ..Progress::default() }).await.unwrap();
        }
    }
    let settled = log.cursors()[0].settled.clone();
    log.close();
    let disk = disk.cut(Cut::Dropped);
    let log = Journal::open(options(&disk, Winner::Cursors, 2)).unwrap();
    assert_eq!(log.cursors()[0].settled, settled, "what was settled on the full disk");
    assert_all(&log, there, "after the cut").await;
}

/// What the first cursor wants is there.
async fn assert_all(log: &Journal, there: u64, when: &str) {
    let (found, first) = (numbers(log).await, log.cursors()[0].below.number());
    let is_there = (first..there).all(|number| found.contains(&number));
    assert!(is_there && found.is_sorted_by(|one, two| one < two), "{when}: {first} to {there} of {found:?}");
}

#[tokio::test]
async fn settling_and_trimming_make_room_on_a_disk_that_is_smaller_than_the_cap() {
    for winner in [Winner::Cursors, Winner::Retention] {
        let disk = Disk::new();
        // The cap leaves room for a new file's beginning, and one file's length for rewriting.
        disk.hold_at_most(Some(CAP - 4 * SEGMENT - 1000));
        let log = Journal::open(options(&disk, winner, 3)).unwrap();
        let cursor = log.cursor("every", Start::default()).await.unwrap();
        let mut there = 0;
        for round in 0..5 {
            let (number, full) = fill(&log, there).await;
            assert_eq!(full, Full::Disk, "{winner:?}");
            assert!(number > there, "{winner:?}: no room in round {round}");
            there = number;
            let below = Sequence::from_number(there);
            log.trim(PARTITION, below).await.unwrap();
            let answer = log.advance(cursor.id, Progress { below, ..Progress::default() }).await;
            assert!(matches!(answer, Ok(()) | Err(CursorError::Full(Full::Disk))), "{answer:?}");
            goes_on(&log, there).await;
            there += 1;
        }
    }
}

#[tokio::test]
async fn cuts_on_a_disk_that_is_full_now_and_then_lose_nothing_answered() {
    for winner in [Winner::Retention, Winner::Cursors] {
        for seed in 0..12 {
            let (disk, mut model) = prepared(winner, seed).await;
            let (mut dice, room) = (Dice(seed), disk.used() + 60_000);
            let mut left = 0;
            disk.plan(move |op| {
                // A while with room, a while without.
                if left == 0 {
                    left = dice.roll(60) as isize - 20;
                    left += isize::from(left == 0);
                }
                let is_full = left < 0;
                left -= left.signum();
                match op.kind {
                    OpKind::Write | OpKind::Create if is_full => Fault::Fail(ENOSPC),
                    _ => Fault::None,
                }
            });
            disk.hold_at_most(Some(room));
            let lived = live_with_faults(&disk, &mut model, life(winner, seed + 30, 12)).await;
            lived.unwrap_or_else(|wrong| panic!("seed {seed}, {winner:?}: {wrong}"));
            for cut in [Cut::Dropped, Cut::Dice(seed), Cut::Killed] {
                let (disk, mut model): (Disk, Model) = (disk.cut(cut), model.clone());
                disk.hold_at_most(None);
                model.crashed(cut);
                let lived = live(&disk, &mut model, life(winner, seed + 31, 2)).await;
                lived.unwrap_or_else(|wrong| panic!("seed {seed}, {winner:?}, {cut:?}: {wrong}"));
            }
        }
    }
}
