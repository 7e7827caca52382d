//! Disks that fail: each operation of a life in turn, then a cut. The log may refuse to go on; what
//! it said yes to is there.

use std::sync::Arc;
use std::time::Duration;

use skerry_store::journal::{Journal, JournalOptions};
use skerry_store::log::{
    AppendError, Batch, Draft, Durability, From, Log, Order, Partition, Reading, Sequence, Winner,
};

use super::disk::{Cut, Disk, EIO, ENOSPC, Fault, OpKind};
use super::model::{Damage, Model};
use super::power::{life, prepared};
use super::world::{CAP, live, live_with_faults, options};
use crate::samples::Dice;

/// Lives in which the `nth` operation of this kind fails, for each `nth`, and what the next one
/// finds. Answers how many there were.
async fn fail_each(winner: Winner, kind: OpKind, fault: impl Fn(u64) -> Fault, seed: u64) -> u64 {
    let full = prepared(winner, seed).await;
    let mut lives = 0;
    for (disk, model) in [(Disk::new(), Model::new(winner, CAP)), full] {
        for nth in 0.. {
            let (disk, mut model) = (disk.cut(Cut::Killed), model.clone());
            let fault = fault(nth);
            disk.plan(move |op| if (op.kind, op.nth) == (kind, nth) { fault } else { Fault::None });
            if let Fault::FailSync(_) = fault {
                model.damage = Damage::Unsynced;
            }
            let case = format!("seed {seed}, {winner:?}, {kind:?} {nth} has {fault:?}");
            let run = life(winner, seed + 50, 4);
            let lived = live_with_faults(&disk, &mut model, run).await;
            lived.unwrap_or_else(|wrong| panic!("{case}: {wrong}"));
            if disk.count(kind) <= nth {
                break;
            }
            lives += 1;
            for cut in [Cut::Dropped, Cut::Dice(nth), Cut::Killed] {
                let (disk, mut model) = (disk.cut(cut), model.clone());
                model.crashed(cut);
                let lived = live(&disk, &mut model, life(winner, seed + 51, 1)).await;
                lived.unwrap_or_else(|wrong| panic!("{case}, then {cut:?}: {wrong}"));
            }
        }
    }
    lives
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_that_is_gone_later() {
    for winner in [Winner::Retention, Winner::Cursors] {
        for seed in 0..2 {
            let lives = fail_each(winner, OpKind::Sync, |nth| Fault::FailSync(nth + seed), seed).await;
            assert!(lives > 20, "{lives}");
        }
    }
}

#[tokio::test]
async fn after_a_failed_sync_of_the_directory_nothing_is_acknowledged_that_is_gone_later() {
    for winner in [Winner::Retention, Winner::Cursors] {
        assert!(fail_each(winner, OpKind::SyncDirectory, Fault::FailSync, 3).await > 0);
    }
}

#[tokio::test]
async fn a_write_that_fails_is_not_answered_as_placed() {
    for winner in [Winner::Retention, Winner::Cursors] {
        let errors = [EIO, ENOSPC];
        let lives = fail_each(winner, OpKind::Write, |nth| Fault::Fail(errors[nth as usize % 2]), 4).await;
        assert!(lives > 20, "{lives}");
    }
}

#[tokio::test]
async fn files_that_cannot_be_made_renamed_or_removed_cost_nothing_answered() {
    for winner in [Winner::Retention, Winner::Cursors] {
        for kind in [OpKind::Create, OpKind::Rename, OpKind::Remove] {
            for error in [EIO, ENOSPC] {
                fail_each(winner, kind, |_| Fault::Fail(error), 5).await;
            }
        }
    }
}

#[tokio::test]
async fn short_and_interrupted_operations_change_nothing() {
    const EINTR: i32 = 4;
    for winner in [Winner::Retention, Winner::Cursors] {
        let (mut disk, mut model) = (Disk::new(), Model::new(winner, CAP));
        for seed in 0..8 {
            let mut dice = Dice(seed);
            disk.plan(move |op| match (op.kind, dice.roll(4)) {
                (OpKind::Write | OpKind::Read, 0) => Fault::Fail(EINTR),
                (OpKind::Write | OpKind::Read, 1) => Fault::Short(1 + dice.roll(op.length.max(1))),
                _ => Fault::None,
            });
            let lived = live(&disk, &mut model, life(winner, seed, 8)).await;
            lived.unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
            let cut = [Cut::Dropped, Cut::Dice(seed), Cut::Killed][seed as usize % 3];
            disk = disk.cut(cut);
            model.crashed(cut);
        }
    }
}

fn draft(number: u64, length: usize) -> Draft {
    Draft {
        headers: number.to_be_bytes().to_vec().into(),
        payload: vec![7; length].into(),
        ..Draft::default()
    }
}

#[tokio::test]
async fn while_one_sync_lasts_everything_that_comes_is_one_group() {
    let disk = Disk::new();
    let settings = options(&disk, Winner::Retention, 0);
    let log = Journal::open(JournalOptions { group_bytes_max: 1 << 20, early_bytes: 128 << 10, ..settings });
    let log = Arc::new(log.unwrap());
    log.append(Batch::new(vec![draft(0, 10)], Durability::Synced)).await;
    disk.plan(|op| if op.kind == OpKind::Sync { Fault::Wait } else { Fault::None });
    let (groups, syncs) = (log.figures().groups, disk.count(OpKind::Sync));
    let append = |number| {
        let log = log.clone();
        tokio::spawn(
            async move { log.append(Batch::new(vec![draft(number, 100)], Durability::Synced)).await },
        )
    };
    let first = append(1);
    while disk.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (2..200).map(append).collect();
    // All of them have been asked when the first sync ends.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(others.iter().chain([&first]).all(|append| !append.is_finished()), "no answer without a sync");
    disk.release(u64::MAX >> 1);
    for append in std::iter::once(first).chain(others) {
        append.await.unwrap()[0].clone().unwrap();
    }
    let (groups, syncs) = (log.figures().groups - groups, disk.count(OpKind::Sync) - syncs);
    assert!(groups <= 3 && syncs <= 3, "{groups} groups, {syncs} syncs");
}

#[tokio::test]
async fn one_failed_sync_is_made_good_in_another_file_and_counted() {
    let disk = Disk::new();
    let log = Journal::open(options(&disk, Winner::Retention, 0)).unwrap();
    let order = Order::default();
    for number in 0..6 {
        let next = disk.count(OpKind::Sync);
        disk.plan(move |op| match op.kind {
            OpKind::Sync if op.nth == next && number == 3 => Fault::FailSync(number),
            _ => Fault::None,
        });
        let outcome =
            log.append(Batch::new(vec![draft(number, 10)], Durability::Synced).in_order(&order)).await;
        assert!(outcome[0].is_ok(), "{number}: {outcome:?}");
    }
    assert_eq!(log.figures().syncs_failed, 1);
    assert_eq!(log.figures().damaged, 0);
    let disk = disk.cut(Cut::Dropped);
    let log = Journal::open(options(&disk, Winner::Retention, 0)).unwrap();
    let page = log.read(Reading::new(Partition::default(), From::Oldest)).await.unwrap();
    assert_eq!(page.records.len(), 6);
}

#[tokio::test]
async fn what_a_failed_sync_took_is_told() {
    for seed in 0..12 {
        let disk = Disk::new();
        let lazy = JournalOptions { unsynced_bytes_max: 1 << 30, ..options(&disk, Winner::Retention, 0) };
        let log = Journal::open(JournalOptions { sync_after: Duration::from_secs(3600), ..lazy }).unwrap();
        for number in 0..6 {
            let durability = [Durability::Synced, Durability::Written][usize::from(number > 0)];
            log.append(Batch::new(vec![draft(number, 100)], durability)).await[0].clone().unwrap();
        }
        let next = disk.count(OpKind::Sync);
        disk.plan(move |op| match op.kind {
            OpKind::Sync if op.nth == next => Fault::FailSync(seed),
            _ => Fault::None,
        });
        log.append(Batch::new(vec![draft(6, 100)], Durability::Synced)).await[0].clone().unwrap();
        log.close();
        // The process goes on to see it in its memory; the next one does not.
        let log = Journal::open(options(&disk.cut(Cut::Killed), Winner::Retention, 1)).unwrap();
        let page =
            log.read(Reading::new(Partition::default(), From::Sequence(Sequence::ZERO))).await.unwrap();
        for number in (0..7).map(Sequence::from_number) {
            let is_there = page.records.iter().any(|record| record.sequence == number);
            let is_told = page.lost.iter().any(|lost| lost.from <= number && number < lost.to);
            assert!(is_there || is_told, "seed {seed}: {number} is neither there nor told as lost");
            assert!(is_there || (1..6).contains(&number.number()), "seed {seed}: {number} was synced");
        }
    }
}

#[tokio::test]
async fn a_disk_that_fails_for_good_breaks_the_order_and_ends_writing() {
    let disk = Disk::new();
    let log = Journal::open(options(&disk, Winner::Retention, 0)).unwrap();
    let order = Order::default();
    let batch = |number| Batch::new(vec![draft(number, 10)], Durability::Synced).in_order(&order);
    log.append(batch(0)).await[0].clone().unwrap();
    disk.plan(|op| if op.kind == OpKind::Sync { Fault::FailSync(0) } else { Fault::None });
    let outcome = log.append(batch(1)).await;
    assert_eq!(outcome[0], Err(AppendError::Unknown));
    assert!(order.is_broken());
    let outcome = log.append(batch(2)).await;
    assert!(outcome[0].is_err(), "the next must not overtake");
    order.resume();
    let outcome = log.append(batch(2)).await;
    assert!(matches!(outcome[0], Err(AppendError::Broken(_))), "{outcome:?}");
    let page = log.read(Reading::new(Partition::default(), From::Oldest)).await.unwrap();
    assert_eq!(page.records.len(), 1, "reads go on");
    drop(log);
    let disk = disk.cut(Cut::Dropped);
    let log = Journal::open(options(&disk, Winner::Retention, 0)).unwrap();
    assert!(log.append(Batch::new(vec![draft(1, 10)], Durability::Synced)).await[0].is_ok());
}

#[tokio::test]
async fn a_file_that_cannot_be_removed_leaves_no_hole_between_files() {
    let disk = Disk::new();
    let log = Journal::open(options(&disk, Winner::Retention, 0)).unwrap();
    disk.plan(|op| match op.kind {
        OpKind::Remove if op.nth == 0 => Fault::Fail(EIO),
        _ => Fault::None,
    });
    for number in 0..500 {
        log.append(Batch::new(vec![draft(number, 3000)], Durability::Synced)).await[0].clone().unwrap();
    }
    assert!(disk.count(OpKind::Remove) > 3, "{}", disk.count(OpKind::Remove));
    log.close();
    let log = Journal::open(options(&disk.cut(Cut::Killed), Winner::Retention, 0)).unwrap();
    assert_eq!(log.figures().damaged, 0);
    let mut at = Sequence::ZERO;
    loop {
        let page = log.read(Reading::new(Partition::default(), From::Sequence(at))).await.unwrap();
        let records = page.records.iter().map(|record| (record.sequence, record.sequence.next()));
        let mut told: Vec<_> = page.lost.iter().map(|lost| (lost.from, lost.to)).chain(records).collect();
        told.sort_unstable();
        for (from, to) in told {
            assert_eq!(from, at, "what lies between is not told");
            at = to;
        }
        if page.next == at && page.records.is_empty() {
            break;
        }
    }
    assert_eq!(at, Sequence::from_number(500));
}
