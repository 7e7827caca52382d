//! Large batches, which are encoded before it is known what becomes of each record.

use std::sync::Arc;

use skerry_store::journal::{Journal, JournalOptions};
use skerry_store::log::{
    AppendError, Batch, CursorId, CursorKind, Draft, Durability, From, Log, Name, NoSuchCursor, Order,
    Outcome, Partition, Placed, Reading, Sequence, Start, Winner,
};

use super::disk::Disk;
use super::world::{Chance, Ticking};

const PARTITION: Partition = Partition::new(0);

fn open() -> Journal {
    let disk = Arc::new(Disk::new());
    let mut options = JournalOptions::new(disk, Ticking::from(1_700_000_000), Chance::seeded(1));
    options.limits.winner = Winner::Cursors;
    Journal::open(options).unwrap()
}

async fn queue(log: &Journal, name: &str) -> Arc<[CursorId]> {
    let start = Start { partition: PARTITION, kind: CursorKind::Wanted, from: From::Oldest };
    [log.cursor(name, start).await.unwrap().id].into()
}

/// Ten kilobytes, of which two are a large batch.
fn record(number: u64, wanted_by: &Arc<[CursorId]>) -> Draft {
    Draft {
        partition: PARTITION,
        name: Some(Name { producer: 1, number }),
        wanted_by: wanted_by.clone(),
        payload: vec![number as u8; 10 << 10].into(),
        ..Draft::default()
    }
}

async fn read(log: &Journal) -> Vec<(u64, u8)> {
    let page = log.read(Reading::new(PARTITION, From::Oldest)).await.unwrap();
    assert!(page.records.iter().all(|record| record.payload.len() == 10 << 10));
    page.records.iter().map(|record| (record.sequence.number(), record.payload[0])).collect()
}

fn placed(outcomes: &[Outcome]) -> Vec<Option<u64>> {
    let sequence = |outcome: &Outcome| outcome.as_ref().unwrap().sequence().map(Sequence::number);
    outcomes.iter().map(sequence).collect()
}

#[tokio::test]
async fn each_record_of_it_has_an_outcome_of_its_own() {
    let log = open();
    let (a, gone) = (queue(&log, "a").await, queue(&log, "gone").await);
    log.drop_cursor(gone[0]).await.unwrap();
    let drafts = [(0, &a), (1, &gone), (2, &gone), (3, &a), (0, &a), (4, &a)];
    let drafts = drafts.map(|(number, wanted_by)| record(number, wanted_by)).to_vec();
    let outcomes = log.append(Batch::new(drafts, Durability::Synced)).await;
    for refused in [1, 2] {
        let no_such = AppendError::NoSuchCursor(NoSuchCursor { id: gone[0] });
        assert_eq!(outcomes[refused], Err(no_such));
    }
    let others = [0, 3, 4, 5].map(|at| outcomes[at].clone());
    assert_eq!(placed(&others), [Some(0), Some(1), None, Some(2)]);
    assert_eq!(others[2], Ok(Placed::Already));
    assert_eq!(read(&log).await, [(0, 0), (1, 3), (2, 4)]);
    let waiting: Vec<_> = log.cursors().iter().map(|cursor| (cursor.records, cursor.bytes)).collect();
    assert_eq!(waiting, [(3, 3 * (10 << 10))]);
}

#[tokio::test]
async fn nothing_of_it_comes_behind_a_failure_of_its_order() {
    let log = open();
    let (a, gone) = (queue(&log, "a").await, queue(&log, "gone").await);
    log.drop_cursor(gone[0]).await.unwrap();
    let order = Order::default();
    let drafts = vec![record(0, &a), record(1, &gone), record(2, &a)];
    let outcomes = log.append(Batch::new(drafts, Durability::Synced).in_order(&order)).await;
    assert_eq!(placed(&outcomes[..1]), [Some(0)]);
    assert_eq!(outcomes[2], Err(AppendError::AfterFailure));
    assert_eq!(read(&log).await, [(0, 0)]);
}

#[tokio::test]
async fn large_and_small_ones_follow_each_other() {
    let log = open();
    let a = queue(&log, "a").await;
    let (mut answers, mut next) = (Vec::new(), 0);
    for records in [1, 5, 1, 1, 20, 2, 1] {
        let drafts = (next..next + records).map(|number| record(number, &a)).collect();
        next += records;
        // The order is that of the calls, not of the answers.
        answers.push(log.append(Batch::new(drafts, Durability::Synced)));
    }
    for answer in answers.into_iter().rev() {
        assert!(answer.await.iter().all(Result::is_ok));
    }
    assert!(read(&log).await.into_iter().eq((0..next).map(|number| (number, number as u8))));
}
