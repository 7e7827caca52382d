//! `Queue` over any log: leased in order, settled in any, nothing skipped.

use std::sync::Arc;

use skerry_store::log::{
    CursorError, CursorId, CursorKind, Durability, From, Leased, Limits, Log, Queue, QueueOptions, Sequence,
    Start,
};

use super::world::{Engine, HERE, Producer, draft, drafts, of_cursors, read_all_to, text, wanted};

const WANTED: Start = Start { partition: HERE, kind: CursorKind::Wanted, from: From::Oldest };
const EVERY: Start = Start { partition: HERE, kind: CursorKind::Every, from: From::Oldest };

pub(super) fn options() -> QueueOptions {
    QueueOptions { prefetch_records: 7, durability: Durability::Synced, ..QueueOptions::default() }
}

pub(super) async fn open(log: &Arc<dyn Log>, options: QueueOptions) -> Queue {
    Queue::open(log.clone(), "q", WANTED, options).await.unwrap()
}

/// Records for this cursor, each between two for nobody.
pub(super) async fn send(log: &dyn Log, producer: &mut Producer, id: CursorId, range: std::ops::Range<u32>) {
    let mut sent = Vec::new();
    for number in range {
        sent.push(wanted(&number.to_string(), &[id]));
        sent.push(draft("for nobody"));
    }
    producer.send_all(log, sent).await;
}

pub(super) async fn lease(queue: &mut Queue) -> (u32, Sequence) {
    let Leased { record, .. } = queue.lease().await.unwrap();
    (text(&record).parse().unwrap(), record.sequence)
}

pub(super) async fn lease_many(queue: &mut Queue, count: usize) -> Vec<(u32, Sequence)> {
    let mut leased = Vec::new();
    while leased.len() < count {
        leased.push(lease(queue).await);
    }
    leased
}

/// Whether leasing gives nothing although everything else ran as far as it can.
pub(super) async fn waits(queue: &mut Queue) -> bool {
    let others = async {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        leased = queue.lease() => panic!("nothing should be leased: {leased:?}"),
        () = others => true,
    }
}

/// The same while nobody leases.
async fn passes(queue: &mut Queue) {
    let others = async {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        error = queue.pass() => panic!("passing ends only with an error: {error}"),
        () = others => {}
    }
}

/// Up to where the log may give back room, as far as this queue goes.
fn kept_from(log: &Arc<dyn Log>, id: CursorId) -> Sequence {
    log.cursors().into_iter().find(|cursor| cursor.id == id).unwrap().below
}

pub(super) fn numbers(leased: &[(u32, Sequence)]) -> Vec<u32> {
    leased.iter().map(|(number, _)| *number).collect()
}

pub(super) async fn records_are_leased_in_order_and_settled_once(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let mut queue = open(&log, options()).await;
    let (mut producer, id) = (Producer::new(1), queue.cursor());
    // Somebody waits before there is anything.
    let waiting = tokio::spawn(async move {
        let leased = lease_many(&mut queue, 50).await;
        (queue, leased)
    });
    tokio::task::yield_now().await;
    send(&*log, &mut producer, id, 0..50).await;
    let (mut queue, leased) = waiting.await.unwrap();
    assert_eq!(numbers(&leased), (0..50).collect::<Vec<_>>());
    assert_eq!((queue.in_flight(), queue.lost()), (50, 0));
    assert_eq!(queue.below(), leased[0].1);
    for (_, sequence) in leased.iter().rev() {
        assert!(queue.settle(*sequence));
        assert!(!queue.settle(*sequence) && !queue.give_back(*sequence));
    }
    assert!(queue.in_flight() == 0 && queue.below() > leased[49].1);
    assert!(waits(&mut queue).await);
}

pub(super) async fn what_is_given_back_comes_before_anything_newer(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let mut queue = open(&log, options()).await;
    send(&*log, &mut Producer::new(1), queue.cursor(), 0..60).await;
    let leased = lease_many(&mut queue, 40).await;
    for (_, sequence) in &leased[10..20] {
        queue.settle(*sequence);
    }
    for one in [35, 2, 30, 3, 25] {
        assert!(queue.give_back(leased[one].1));
        assert!(!queue.give_back(leased[one].1));
    }
    for (number, before) in [(2, 1), (3, 1), (25, 1), (30, 1), (35, 1), (40, 0)] {
        let again = queue.lease().await.unwrap();
        assert_eq!((text(&again.record), again.leased_before), (number.to_string(), before));
    }
    // Again and again; and one that was given back may still be settled.
    queue.give_back(leased[3].1);
    let again = queue.lease().await.unwrap();
    assert_eq!((again.record.sequence, again.leased_before), (leased[3].1, 2));
    queue.give_back(leased[3].1);
    assert!(queue.settle(leased[3].1));
    assert_eq!(lease(&mut queue).await.0, 41);
    // What waits to be leased again is as open as what is in flight.
    queue.give_back(leased[2].1);
    for (_, sequence) in leased.iter().filter(|one| one.0 != 2) {
        queue.settle(*sequence);
    }
    assert_eq!(queue.below(), leased[2].1);
    queue.save().await.unwrap();
    drop(queue);
    assert_eq!(numbers(&lease_many(&mut open(&log, options()).await, 3).await), [2, 40, 41]);
}

pub(super) async fn only_so_many_are_in_flight(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let mut queue = open(&log, QueueOptions { in_flight_max: 3, ..options() }).await;
    send(&*log, &mut Producer::new(1), queue.cursor(), 0..10).await;
    let leased = lease_many(&mut queue, 3).await;
    assert!(waits(&mut queue).await);
    queue.settle(leased[1].1);
    assert_eq!(lease(&mut queue).await.0, 3);
    assert!(waits(&mut queue).await);
    queue.give_back(leased[0].1);
    assert_eq!(lease(&mut queue).await.0, 0);
    assert!(waits(&mut queue).await);
}

pub(super) async fn a_queue_holds_a_page_however_long_the_backlog_is(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let id = log.cursor("q", WANTED).await.unwrap().id;
    send(&*log, &mut Producer::new(1), id, 0..500).await;
    let before = log.figures().reads;
    let mut queue = open(&log, options()).await;
    assert_eq!(log.figures().reads, before, "nothing is read before it is asked for");
    for number in 0..500 {
        let (leased, sequence) = lease(&mut queue).await;
        assert_eq!(leased, number);
        let reads = log.figures().reads - before;
        // Records for nobody may be read on the way.
        assert!(reads <= u64::from(number + 7) * 2 + 2, "{reads} at {number}");
        queue.settle(sequence);
    }
}

pub(super) async fn a_queue_tells_the_log_its_counts(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let mut queue = open(&log, options()).await;
    send(&*log, &mut Producer::new(1), queue.cursor(), 10..40).await;
    let leased = lease_many(&mut queue, 30).await;
    for (left, one) in (0..30).rev().zip([4, 0, 29, 1, 2, 3, 5].into_iter().chain(6..29)) {
        assert!(queue.settle(leased[one].1));
        if one % 2 == 0 {
            queue.save().await.unwrap();
            let cursor = log.cursors().remove(0);
            assert_eq!((cursor.records, cursor.bytes), (left, left * 2));
            assert_eq!(cursor.below, queue.below());
        }
    }
}

pub(super) async fn with_too_much_settled_ahead_leasing_waits_for_the_oldest(engine: &dyn Engine) {
    let log = engine.open(Limits { settled_max: 4, ..of_cursors() });
    let mut queue = open(&log, options()).await;
    send(&*log, &mut Producer::new(1), queue.cursor(), 0..40).await;
    let leased = lease_many(&mut queue, 12).await;
    queue.settle(leased[0].1);
    for (_, sequence) in &leased[2..11] {
        queue.settle(*sequence);
    }
    let outcome = queue.save().await;
    assert!(matches!(outcome, Err(CursorError::TooFarAhead { settled_max: 4, .. })), "{outcome:?}");
    assert_eq!(log.cursors()[0].below, leased[1].1, "the position is saved");
    assert_eq!(log.cursors()[0].records, 39);
    assert!(waits(&mut queue).await);
    // Another than the oldest is no help; the oldest itself may be given back and leased again.
    queue.settle(leased[11].1);
    assert!(waits(&mut queue).await);
    queue.give_back(leased[1].1);
    assert_eq!(lease(&mut queue).await, leased[1]);
    assert!(waits(&mut queue).await);
    queue.settle(leased[1].1);
    queue.save().await.unwrap();
    assert_eq!(log.cursors()[0].records, 28);
    let rest = lease_many(&mut queue, 28).await;
    assert_eq!(numbers(&rest), (12..40).collect::<Vec<_>>());
}

pub(super) async fn what_is_settled_is_saved_before_it_is_too_much(engine: &dyn Engine) {
    let log = engine.open(Limits { settled_max: 50, ..of_cursors() });
    let mut queue = open(&log, QueueOptions { unsaved_max: 10, in_flight_max: 5, ..options() }).await;
    send(&*log, &mut Producer::new(1), queue.cursor(), 0..100).await;
    let oldest = lease(&mut queue).await.1;
    // Nobody saves, and the oldest stays open.
    for number in 1..=60 {
        let (leased, sequence) = lease(&mut queue).await;
        assert_eq!(leased, number);
        queue.settle(sequence);
        if number > 20 {
            assert!(log.cursors()[0].settled.len() >= number as usize - 10);
        }
    }
    assert!(waits(&mut queue).await, "the log keeps no more of them");
    queue.settle(oldest);
    assert_eq!(lease(&mut queue).await.0, 61);
}

pub(super) async fn a_queue_of_every_record_passes_what_was_lost(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    producer.send_all(&*log, drafts(0..30)).await;
    let mut queue = Queue::open(log.clone(), "every", EVERY, options()).await.unwrap();
    let first = lease(&mut queue).await;
    let at = read_all_to(&*log, HERE, "29").await.sequences();
    log.trim(HERE, at[20]).await.unwrap();
    let mut leased = vec![first];
    while leased.last().is_none_or(|(number, _)| *number < 29) {
        leased.push(lease(&mut queue).await);
    }
    // A page may have been read before the rest was trimmed.
    let found = numbers(&leased);
    assert!(found.ends_with(&(20..30).collect::<Vec<_>>()) && found.len() <= 17, "{found:?}");
    assert!(queue.lost() >= 30 - found.len() as u64);
    for (_, sequence) in leased {
        queue.settle(sequence);
    }
    queue.save().await.unwrap();
    assert!(log.cursors()[0].below > at[29]);
}

pub(super) async fn what_was_given_back_and_is_gone_is_passed(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let mut queue = open(&log, options()).await;
    send(&*log, &mut Producer::new(1), queue.cursor(), 0..30).await;
    let leased = lease_many(&mut queue, 10).await;
    log.trim(HERE, leased[5].1).await.unwrap();
    for one in [1, 3, 7] {
        queue.give_back(leased[one].1);
    }
    assert_eq!(lease(&mut queue).await, leased[7]);
    assert_eq!(lease(&mut queue).await.0, 10);
    assert_eq!((queue.lost(), queue.below()), (2, leased[0].1));
}

pub(super) async fn a_queue_that_is_quiet_holds_nothing_of_the_others(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let mut quiet = open(&log, options()).await;
    let mut busy = Queue::open(log.clone(), "busy", WANTED, options()).await.unwrap();
    let (mut producer, id) = (Producer::new(1), quiet.cursor());
    assert!(waits(&mut quiet).await);
    let mut end = kept_from(&log, id);
    for round in 0..3 {
        send(&*log, &mut producer, busy.cursor(), round * 40..(round + 1) * 40).await;
        let leased = lease_many(&mut busy, 40).await;
        while kept_from(&log, id) <= leased[39].1 {
            assert!(waits(&mut quiet).await);
            quiet.save().await.unwrap();
        }
        assert!(kept_from(&log, id) > end);
        end = kept_from(&log, id);
    }
    // What comes for it then is not passed.
    send(&*log, &mut producer, id, 0..1).await;
    let (_, sequence) = lease(&mut quiet).await;
    quiet.save().await.unwrap();
    assert_eq!(kept_from(&log, id), sequence);
}

pub(super) async fn a_queue_that_nobody_leases_from_passes_up_to_what_it_wants(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let mut queue = open(&log, options()).await;
    let other = Queue::open(log.clone(), "other", WANTED, options()).await.unwrap().cursor();
    let (mut producer, id) = (Producer::new(1), queue.cursor());
    let before = kept_from(&log, id);
    send(&*log, &mut producer, other, 0..40).await;
    send(&*log, &mut producer, id, 0..20).await;
    send(&*log, &mut producer, other, 40..80).await;
    while kept_from(&log, id) == before {
        passes(&mut queue).await;
        queue.save().await.unwrap();
    }
    for _ in 0..5 {
        passes(&mut queue).await;
        queue.save().await.unwrap();
    }
    let stands = kept_from(&log, id);
    let first = queue.lease().await.unwrap();
    assert_eq!((first.leased_before, queue.lost()), (0, 0));
    assert!(stands <= first.record.sequence && kept_from(&log, id) == stands);
    let rest = lease_many(&mut queue, 19).await;
    assert_eq!(numbers(&rest), (1..20).collect::<Vec<_>>());
    // With something in flight, and given back, nothing is passed.
    queue.give_back(first.record.sequence);
    passes(&mut queue).await;
    queue.save().await.unwrap();
    assert_eq!(kept_from(&log, id), first.record.sequence);
    assert_eq!(lease(&mut queue).await.0, 0);
}
