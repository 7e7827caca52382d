//! Promise 6: pages of committed records, in order, with no hole that is not told.

use std::time::Duration;

use skerry_model::Clock;
use skerry_store::log::{Extent, From, Limits, Log, Page, Partition, ReadError, Reading};

use super::world::{
    Engine, HERE, Producer, THERE, draft, drafts, locate, read_all_to, read_to, sequence, text,
};

/// The first page that has something.
async fn first_page(log: &dyn Log, reading: Reading) -> Page {
    loop {
        let page = log.read(reading).await.unwrap();
        if !page.records.is_empty() {
            return page;
        }
    }
}

pub(super) async fn pages_follow_one_another(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    Producer::new(1).send_all(&*log, drafts(0..100)).await;
    let all: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for (records_max, bytes_max) in [(7, 1 << 20), (1000, 10), (1, 1 << 20), (1000, 1 << 20), (3, 5)] {
        let reading = Reading::new(HERE, From::Oldest).at_most(records_max, bytes_max);
        let read = read_to(&*log, reading, "99").await;
        assert_eq!(read.texts(), all);
        assert!(read.lost.is_empty());
    }
}

pub(super) async fn one_record_always_fits_a_page(engine: &dyn Engine) {
    let log = engine.open(Limits { page_bytes_max: 10, ..Limits::default() });
    let mut producer = Producer::new(1);
    let long = "x".repeat(1000);
    producer.send_all(&*log, vec![draft(&long), draft("short"), draft(&long), draft("end")]).await;
    for (records_max, bytes_max) in [(0, 0), (1, 1), (1000, 1 << 20)] {
        let reading = Reading::new(HERE, From::Oldest).at_most(records_max, bytes_max);
        let read = read_to(&*log, reading, "end").await;
        assert_eq!(read.texts(), [&long, "short", &long, "end"]);
    }
}

pub(super) async fn the_bounds_of_the_engine_hold_too(engine: &dyn Engine) {
    let log = engine.open(Limits { page_records_max: 5, page_bytes_max: 40, ..Limits::default() });
    let long = "x".repeat(15);
    let mut sent = vec![draft(&long); 10];
    sent.extend(drafts(0..20));
    Producer::new(1).send_all(&*log, sent).await;
    let mut at = From::Oldest;
    let mut read = 0;
    while read < 30 {
        let page = log.read(Reading::new(HERE, at).at_most(1000, 1 << 20)).await.unwrap();
        let bytes: usize = page.records.iter().map(|record| record.payload.len()).sum();
        assert!(page.records.len() <= 5 && bytes <= 40, "{page:?}");
        read += page.records.len();
        at = From::Sequence(page.next);
    }
}

pub(super) async fn reading_begins_where_it_is_asked_to(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    producer.send_all(&*log, drafts(0..10)).await;
    engine.clock().pass(Duration::from_secs(10));
    let noon = engine.clock().now();
    producer.send_all(&*log, drafts(10..20)).await;
    engine.clock().pass(Duration::from_secs(10));
    producer.send(&*log, draft("end")).await;
    let all = read_all_to(&*log, HERE, "end").await;
    let here = |from| Reading::new(HERE, from);

    for at in [0, 5, 19] {
        let from = From::Sequence(all.records[at].sequence);
        assert_eq!(read_to(&*log, here(from), "end").await.texts(), all.texts()[at..]);
        let after = From::Sequence(all.records[at].sequence.next());
        assert_eq!(read_to(&*log, here(after), "end").await.texts(), all.texts()[at + 1..]);
    }
    assert_eq!(text(&first_page(&*log, here(From::Time(noon))).await.records[0]), "10");
    let early = From::Time(skerry_model::Timestamp::NEVER);
    assert_eq!(text(&first_page(&*log, here(early)).await.records[0]), "0");
    let between = From::Time(noon.plus(Duration::from_secs(5)));
    assert_eq!(text(&first_page(&*log, here(between)).await.records[0]), "end");

    let newest = log.read(here(From::Newest)).await.unwrap();
    assert!(newest.records.is_empty() && newest.next > all.records[20].sequence);
    producer.send(&*log, draft("newer")).await;
    let after = read_to(&*log, here(From::Sequence(newest.next)), "newer").await;
    assert_eq!(after.texts(), ["newer"]);
}

pub(super) async fn nothing_is_read_from_the_future(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    let newest = locate(&*log, &mut producer, draft("a")).await;
    let future = sequence(newest.number() + 1_000_000);
    let page = log.read(Reading::new(HERE, From::Sequence(future))).await.unwrap();
    assert_eq!(page, Page { next: future, ..Page::default() });
    let never = engine.clock().now().plus(Duration::from_secs(3600));
    let page = log.read(Reading::new(HERE, From::Time(never))).await.unwrap();
    assert!(page.records.is_empty() && page.lost.is_empty());
}

pub(super) async fn an_empty_partition_is_empty(engine: &dyn Engine) {
    let log = engine.open(Limits { partitions_max: 2, ..Limits::default() });
    Producer::new(1).send(&*log, draft("elsewhere")).await;
    for from in [From::Oldest, From::Newest, From::Sequence(sequence(0))] {
        assert_eq!(log.read(Reading::new(THERE, from)).await.unwrap(), Page::default());
    }
    assert_eq!(log.extent(THERE).await.unwrap(), Extent::default());
    let beyond = Partition::new(2);
    let outcome = log.read(Reading::new(beyond, From::Oldest)).await;
    assert!(matches!(outcome, Err(ReadError::Misuse(_))), "{outcome:?}");
    assert!(matches!(log.extent(beyond).await, Err(ReadError::Misuse(_))));
    let outcome = log.follow(Reading::new(beyond, From::Oldest)).next().await;
    assert!(matches!(outcome, Err(ReadError::Misuse(_))), "{outcome:?}");
}

pub(super) async fn the_extent_holds_what_is_there(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    for _ in 0..20 {
        let before = log.extent(HERE).await.unwrap();
        let placed = locate(&*log, &mut producer, draft("x")).await;
        let after = log.extent(HERE).await.unwrap();
        assert!(before.next <= placed && placed < after.next, "{before:?} {placed} {after:?}");
        assert!(after.first <= placed && !after.is_empty());
        assert!(after.newest >= before.newest);
    }
}
