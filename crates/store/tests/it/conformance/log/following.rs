//! Promise 6 for those who wait: complete, in order, woken when there is something.

use std::sync::Arc;
use std::time::Duration;

use skerry_model::Clock;
use skerry_store::log::{Draft, Follower, From, Limits, Log, Reading, Record, Sequence};

use super::world::{Engine, HERE, Producer, THERE, draft, drafts, sequence, text};

/// Takes pages until the record with this payload is there.
async fn take_to(follower: &mut dyn Follower, last: &str) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut next = Sequence::ZERO;
    while records.last().is_none_or(|record| record.payload != last) {
        let page = follower.next().await.unwrap();
        assert!(!page.records.is_empty() && page.lost.is_empty() && page.next > next);
        next = page.next;
        records.extend(page.records);
    }
    assert!(records.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    records
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(text).collect()
}

/// Lets everything else run as far as it can without new records.
async fn settle_down() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

fn waiting(log: &Arc<dyn Log>, reading: Reading, last: &'static str) -> tokio::task::JoinHandle<Vec<Record>> {
    let mut follower = log.follow(reading);
    tokio::spawn(async move { take_to(&mut *follower, last).await })
}

pub(super) async fn a_follower_sees_everything_in_order(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    let early = waiting(&log, Reading::new(HERE, From::Oldest), "299");
    producer.send_all(&*log, drafts(0..100)).await;
    let small = waiting(&log, Reading::new(HERE, From::Sequence(sequence(0))).at_most(3, 1 << 20), "299");
    for some in 10..20 {
        producer.send_all(&*log, drafts(some * 10..some * 10 + 10)).await;
        tokio::task::yield_now().await;
    }
    producer.send_all(&*log, drafts(200..300)).await;
    let all: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    for follower in [early, small] {
        assert_eq!(texts(&follower.await.unwrap()), all);
    }
}

pub(super) async fn a_follower_waits(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    producer.send(&*log, draft("a")).await;
    let mut follower = log.follow(Reading::new(HERE, From::Oldest));
    assert_eq!(texts(&take_to(&mut *follower, "a").await), ["a"]);
    let waiting = tokio::spawn(async move { follower.next().await });
    settle_down().await;
    producer.send(&*log, Draft { partition: THERE, ..draft("elsewhere") }).await;
    settle_down().await;
    assert!(!waiting.is_finished());
    producer.send(&*log, draft("b")).await;
    assert_eq!(texts(&waiting.await.unwrap().unwrap().records), ["b"]);
}

pub(super) async fn following_the_newest_begins_with_the_call(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    producer.send_all(&*log, drafts(0..10)).await;
    // Nobody asks for a page before the record is there: it is one that came after the call.
    let mut follower = log.follow(Reading::new(HERE, From::Newest));
    let mut empty = log.follow(Reading::new(THERE, From::Newest));
    producer.send(&*log, draft("end")).await;
    producer.send(&*log, Draft { partition: THERE, ..draft("there") }).await;
    assert_eq!(texts(&take_to(&mut *follower, "end").await), ["end"]);
    assert_eq!(texts(&take_to(&mut *empty, "there").await), ["there"]);
}

pub(super) async fn followers_of_a_time_begin_with_it(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    producer.send_all(&*log, drafts(0..10)).await;
    let noon = engine.clock().now().plus(Duration::from_secs(60));
    let follower = waiting(&log, Reading::new(HERE, From::Time(noon)), "end");
    settle_down().await;
    producer.send_all(&*log, drafts(10..20)).await;
    engine.clock().set(noon);
    producer.send_all(&*log, vec![draft("noon"), draft("end")]).await;
    assert_eq!(texts(&follower.await.unwrap()), ["noon", "end"]);
}

pub(super) async fn followers_keep_to_their_partition_and_page(engine: &dyn Engine) {
    let log = engine.open(Limits { page_records_max: 4, ..Limits::default() });
    let mut producer = Producer::new(1);
    let mut sent = Vec::new();
    for one in drafts(0..30) {
        sent.push(Draft { partition: THERE, ..one.clone() });
        sent.push(one);
    }
    sent.extend([draft("end"), Draft { partition: THERE, ..draft("end") }]);
    producer.send_all(&*log, sent).await;
    for partition in [HERE, THERE] {
        let mut follower = log.follow(Reading::new(partition, From::Oldest).at_most(100, 6));
        let mut records = Vec::new();
        while records.len() < 31 {
            let page = follower.next().await.unwrap();
            let bytes: usize = page.records.iter().map(|record| record.payload.len()).sum();
            assert!(page.records.len() <= 4 && bytes <= 6, "{page:?}");
            records.extend(texts(&page.records));
        }
        let mut expected: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        expected.push("end".to_owned());
        assert_eq!(records, expected);
    }
}

pub(super) async fn a_dropped_follower_costs_nothing(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    for round in 0..20 {
        let mut follower = log.follow(Reading::new(HERE, From::Newest));
        let waiting = tokio::spawn(async move { follower.next().await.map(drop) });
        settle_down().await;
        waiting.abort();
        producer.send(&*log, draft(&round.to_string())).await;
    }
    let mut follower = log.follow(Reading::new(HERE, From::Oldest));
    assert_eq!(take_to(&mut *follower, "19").await.len(), 20);
}

pub(super) async fn a_wait_that_is_given_up_loses_nothing(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    let mut follower = log.follow(Reading::new(HERE, From::Oldest).at_most(2, 1 << 20));
    let mut records: Vec<Record> = Vec::new();
    producer.send_all(&*log, drafts(0..50)).await;
    while records.len() < 50 {
        // Now this side wins, now the other: a page belongs to nobody before it is given.
        tokio::select! {
            biased;
            page = follower.next() => records.extend(page.unwrap().records),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(texts(&records), (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
}
