//! Promises 8 and 10 where room or age runs out. An engine may remove a sixteenth of the cap or
//! 64 KiB at once, and count up to 64 bytes of its own for each record.

use std::time::Duration;

use skerry_store::log::{
    AppendError, CursorId, CursorKind, Draft, Durability, From, Full, Limits, Log, Outcome, Placed, Progress,
    Reading, Sequence, Start, Winner,
};

use super::queues::queue;
use super::world::{
    Engine, HERE, Producer, draft, locate, of_cursors, read_all_to, read_to, sequence, settle, wanted,
};

const CAP: u64 = 1 << 20;
const PIECE: usize = 16 << 10;
/// So many pieces are beyond the cap, whatever an engine adds.
const BEYOND: u32 = (CAP as usize / PIECE) as u32 * 3;

fn capped(winner: Winner) -> Limits {
    Limits { bytes_max: CAP, winner, ..Limits::default() }
}

/// A piece that begins with its number.
fn piece(number: u32, by: &[CursorId]) -> Draft {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(PIECE, b'.');
    Draft { payload: payload.into(), wanted_by: by.into(), ..Draft::default() }
}

fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

fn is_full(outcome: &Outcome) -> bool {
    matches!(outcome, Err(AppendError::Full(Full::Cap { .. })))
}

/// Sends pieces until there is no room; returns how many there are.
async fn fill(log: &dyn Log, producer: &mut Producer, by: &[CursorId]) -> u32 {
    for number in 0..BEYOND {
        let outcome = producer.try_send(log, piece(number, by)).await;
        if is_full(&outcome) {
            assert!(outcome.unwrap_err().is_worth_a_retry());
            // Half of the cap may be what an engine keeps for itself, but not more.
            assert!(number >= BEYOND / 6, "refused after {number}");
            return number;
        }
        outcome.unwrap();
    }
    panic!("{BEYOND} pieces fit where there is no room for so many");
}

/// An engine may clear up behind the answer, so this tries for a while.
async fn goes_on(log: &dyn Log, producer: &mut Producer, draft: Draft) {
    let draft = producer.named(draft);
    let patience = tokio::time::Instant::now() + Duration::from_secs(30);
    while tokio::time::Instant::now() < patience {
        let outcome = settle(log, draft.clone()).await;
        if !is_full(&outcome) {
            outcome.unwrap();
            let bytes = log.figures().disk_bytes;
            assert!(bytes <= CAP + CAP / 8, "{bytes} bytes on disk");
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("no room appeared");
}

/// Settles everything before `below` and nothing beyond, with its counts.
async fn advance(log: &dyn Log, id: CursorId, below: Sequence, records: u64) {
    let (bytes, durability) = (records * PIECE as u64, Durability::Memory);
    log.advance(id, Progress { below, records, bytes, durability, settled: Vec::new() }).await.unwrap();
}

/// The numbers of the pieces that a queue reads before the record "end".
async fn pieces(log: &dyn Log, id: CursorId) -> Vec<(u32, Sequence)> {
    let reading = Reading::new(HERE, From::Sequence(sequence(0))).wanted_by(id);
    let mut read = read_to(log, reading, "end").await.records;
    read.pop();
    read.iter().map(|record| (number(&record.payload), record.sequence)).collect()
}

async fn end(log: &dyn Log, producer: &mut Producer, by: &[CursorId]) {
    goes_on(log, producer, wanted("end", by)).await;
}

pub(super) async fn where_retention_wins_the_oldest_go(engine: &dyn Engine) {
    let log = engine.open(capped(Winner::Retention));
    let mut producer = Producer::new(1);
    // A cursor that reads everything stops nobody here.
    let cursor = log.cursor("slow", Start::default()).await.unwrap();
    for number in 0..BEYOND {
        producer.send(&*log, piece(number, &[])).await;
    }
    end(&*log, &mut producer, &[]).await;
    let read = read_to(&*log, Reading::new(HERE, From::Sequence(sequence(0))), "end").await;
    let numbers: Vec<u32> =
        read.records[..read.records.len() - 1].iter().map(|record| number(&record.payload)).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "only the oldest go: {numbers:?}");
    assert_eq!(numbers.last(), Some(&(BEYOND - 1)));
    let kept = numbers.len() * PIECE;
    assert!(kept as u64 <= CAP && kept as u64 >= CAP / 2, "{kept} bytes kept");
    // The hole reaches from the beginning to the first that is there.
    assert_eq!(read.lost.first().map(|lost| lost.from), Some(sequence(0)));
    assert_eq!(read.lost.last().map(|lost| lost.to), Some(read.records[0].sequence));
    let extent = log.extent(HERE).await.unwrap();
    assert!(extent.first > sequence(0) && extent.first <= read.records[0].sequence);
    assert!(log.figures().removed_by_cap_bytes > 0 && log.figures().disk_bytes <= CAP);
    assert_eq!(log.cursor("slow", Start::default()).await.unwrap(), cursor);
}

pub(super) async fn where_cursors_win_new_records_are_refused(engine: &dyn Engine) {
    let log = engine.open(capped(Winner::Cursors));
    let mut producer = Producer::new(1);
    let id = queue(&*log, "q", HERE).await;
    let count = fill(&*log, &mut producer, &[id]).await;
    let outcome = producer.try_send(&*log, piece(count, &[id])).await;
    let Err(AppendError::Full(Full::Cap { bytes, bytes_max: CAP })) = outcome else { panic!("{outcome:?}") };
    assert!(bytes > CAP / 2);
    assert!(log.figures().full >= 2 && log.figures().disk_bytes <= CAP);
    let reading = Reading::new(HERE, From::Oldest).wanted_by(id);
    let mut numbers = Vec::new();
    let mut at = From::Oldest;
    while numbers.len() < count as usize {
        let page = log.read(Reading { from: at, ..reading }).await.unwrap();
        numbers.extend(page.records.iter().map(|record| number(&record.payload)));
        at = From::Sequence(page.next);
    }
    assert_eq!(numbers, (0..count).collect::<Vec<_>>());
}

pub(super) async fn a_retry_at_the_cap_is_still_known(engine: &dyn Engine) {
    let log = engine.open(capped(Winner::Cursors));
    let mut producer = Producer::new(1);
    let id = queue(&*log, "q", HERE).await;
    let first = producer.named(piece(1000, &[id]));
    settle(&*log, first.clone()).await.unwrap();
    fill(&*log, &mut producer, &[id]).await;
    assert_eq!(settle(&*log, first).await, Ok(Placed::Already));
}

pub(super) async fn what_is_settled_makes_room(engine: &dyn Engine) {
    let log = engine.open(capped(Winner::Cursors));
    let mut producer = Producer::new(1);
    let id = queue(&*log, "q", HERE).await;
    let count = fill(&*log, &mut producer, &[id]).await;
    let end_of_first = log.extent(HERE).await.unwrap().next;
    advance(&*log, id, end_of_first, u64::from(count)).await;
    for number in 0..count / 2 {
        goes_on(&*log, &mut producer, piece(1000 + number, &[id])).await;
    }
    end(&*log, &mut producer, &[id]).await;
    let numbers: Vec<u32> = pieces(&*log, id).await.into_iter().map(|(number, _)| number).collect();
    let fresh: Vec<u32> = (1000..1000 + count / 2).collect();
    assert!(numbers.ends_with(&fresh), "{numbers:?}");
    let cursor = log.cursors().remove(0);
    assert_eq!(cursor.records, u64::from(count / 2) + 1);
}

pub(super) async fn a_slow_queue_pins_only_its_own(engine: &dyn Engine) {
    let log = engine.open(capped(Winner::Cursors));
    let mut producer = Producer::new(1);
    let [slow, busy] = [queue(&*log, "slow", HERE).await, queue(&*log, "busy", HERE).await];
    for number in 0..BEYOND * 2 {
        let both = number % 40 == 0;
        let by: &[CursorId] = if both { &[slow, busy] } else { &[busy] };
        goes_on(&*log, &mut producer, piece(number, by)).await;
        let below = log.extent(HERE).await.unwrap().next;
        advance(&*log, busy, below, 1).await;
    }
    end(&*log, &mut producer, &[slow]).await;
    let numbers: Vec<u32> = pieces(&*log, slow).await.into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (0..BEYOND * 2).step_by(40).collect::<Vec<_>>());
    // The same holds for records that are settled beyond a position that stays.
    let below = pieces(&*log, slow).await[0].1;
    let end = log.extent(HERE).await.unwrap().next;
    let mut follower = log.follow(Reading::new(HERE, From::Sequence(end)).wanted_by(slow));
    for number in 0..BEYOND {
        goes_on(&*log, &mut producer, piece(number, &[slow])).await;
        let settled = follower.next().await.unwrap().records.iter().map(|record| record.sequence).collect();
        let (records, bytes, durability) = (1, PIECE as u64, Durability::Memory);
        log.advance(slow, Progress { below, settled, records, bytes, durability }).await.unwrap();
    }
    let cursor = log.cursors().into_iter().find(|cursor| cursor.id == slow).unwrap();
    assert_eq!(cursor.records, numbers.len() as u64 + 1);
    assert_eq!(cursor.settled.len(), BEYOND as usize);
    let kept = pieces(&*log, slow).await.into_iter().map(|(number, _)| number);
    assert!(kept.eq(numbers));
}

pub(super) async fn a_cursor_of_every_record_pins_them_all(engine: &dyn Engine) {
    let log = engine.open(capped(Winner::Cursors));
    let mut producer = Producer::new(1);
    let start = Start { partition: HERE, kind: CursorKind::Every, from: From::Oldest };
    let id = log.cursor("every", start).await.unwrap().id;
    let count = fill(&*log, &mut producer, &[]).await;
    let end_of_first = log.extent(HERE).await.unwrap().next;
    let page = loop {
        let page = log.read(Reading::new(HERE, From::Sequence(sequence(0))).at_most(1, 1)).await.unwrap();
        if !page.records.is_empty() {
            break page;
        }
    };
    assert_eq!(number(&page.records[0].payload), 0, "the oldest of {count} is there");
    advance(&*log, id, end_of_first, 0).await;
    for number in 0..BEYOND {
        goes_on(&*log, &mut producer, piece(number, &[])).await;
        let below = log.extent(HERE).await.unwrap().next;
        advance(&*log, id, below, 0).await;
    }
}

pub(super) async fn a_dropped_cursor_makes_room(engine: &dyn Engine) {
    let log = engine.open(capped(Winner::Cursors));
    let mut producer = Producer::new(1);
    let [stuck, other] = [queue(&*log, "stuck", HERE).await, queue(&*log, "other", HERE).await];
    let count = fill(&*log, &mut producer, &[stuck]).await;
    log.drop_cursor(stuck).await.unwrap();
    for number in 0..count / 2 {
        goes_on(&*log, &mut producer, piece(number, &[other])).await;
    }
    end(&*log, &mut producer, &[other]).await;
    assert_eq!(pieces(&*log, other).await.len(), (count / 2) as usize);
}

pub(super) async fn trimming_makes_room(engine: &dyn Engine) {
    let log = engine.open(capped(Winner::Cursors));
    let mut producer = Producer::new(1);
    let id = queue(&*log, "q", HERE).await;
    let count = fill(&*log, &mut producer, &[id]).await;
    let before = log.extent(HERE).await.unwrap().next;
    log.trim(HERE, before).await.unwrap();
    for number in 0..count / 2 {
        goes_on(&*log, &mut producer, piece(number, &[id])).await;
    }
}

pub(super) async fn the_aged_go(engine: &dyn Engine) {
    let age_max = Some(Duration::from_secs(60));
    for winner in [Winner::Retention, Winner::Cursors] {
        let log = engine.open(Limits { age_max, ..capped(winner) });
        let mut producer = Producer::new(1);
        // Files go as a whole: what is old and what is young should lie in different ones.
        producer.send_all(&*log, (0..8).map(|number| piece(number, &[])).collect()).await;
        engine.clock().pass(Duration::from_secs(50));
        let young = locate(&*log, &mut producer, draft("young")).await;
        producer.send_all(&*log, (0..8).map(|number| piece(number, &[])).collect()).await;
        engine.clock().pass(Duration::from_secs(20));
        producer.send(&*log, draft("end")).await;
        let mut first = log.extent(HERE).await.unwrap().first;
        for _ in 0..10_000 {
            if first > sequence(0) {
                break;
            }
            tokio::task::yield_now().await;
            first = log.extent(HERE).await.unwrap().first;
        }
        assert!(first > sequence(0), "the oldest is still there");
        assert!(log.figures().removed_by_age_bytes > 0);
        if winner == Winner::Retention {
            assert!(first <= young, "what is young stays");
            let read = read_to(&*log, Reading::new(HERE, From::Sequence(sequence(0))), "end").await;
            assert!(read.lost.first().is_some_and(|lost| lost.from == sequence(0) && lost.to <= young));
        }
    }
}

pub(super) async fn what_is_wanted_does_not_age(engine: &dyn Engine) {
    let log = engine.open(Limits { age_max: Some(Duration::from_secs(60)), ..of_cursors() });
    let mut producer = Producer::new(1);
    let id = queue(&*log, "q", HERE).await;
    for number in 0..8 {
        producer.send(&*log, piece(number, &[id])).await;
        producer.send(&*log, piece(number, &[])).await;
        engine.clock().pass(Duration::from_secs(100));
    }
    end(&*log, &mut producer, &[id]).await;
    let numbers: Vec<u32> = pieces(&*log, id).await.into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (0..8).collect::<Vec<_>>());
    assert!(read_all_to(&*log, HERE, "end").await.records.len() >= 9);
}
