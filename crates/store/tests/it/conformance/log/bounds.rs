//! Promise 10: everything is bounded, and what is beyond is refused.

use skerry_store::log::{
    AppendError, CursorError, CursorId, Draft, Durability, Limits, Partition, Progress, Start,
};

use super::queues::queue;
use super::world::{Engine, HERE, Producer, batch, draft, drafts, of_cursors, read_all_to, settle, wanted};

pub(super) async fn records_and_batches_are_bounded(engine: &dyn Engine) {
    let limits =
        Limits { record_bytes_max: 1000, batch_bytes_max: 2000, batch_records_max: 5, ..Limits::default() };
    let log = engine.open(limits);
    let mut producer = Producer::new(1);
    let sized = |bytes: usize| Draft { payload: vec![b'x'; bytes].into(), ..Draft::default() };
    assert!(producer.try_send(&*log, sized(1000)).await.is_ok());
    let outcome = producer.try_send(&*log, sized(1001)).await;
    let Err(AppendError::TooLarge(too_large)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((too_large.size, too_large.size_max), (1001, 1000));
    // A batch beyond its bounds is refused as a whole.
    for beyond in [drafts(0..6), vec![sized(900), sized(900), sized(201)]] {
        let outcomes = log.append(batch(beyond.clone())).await;
        assert_eq!(outcomes.len(), beyond.len());
        let refused = |outcome| matches!(outcome, &Err(AppendError::TooLarge(_)));
        assert!(outcomes.iter().all(refused), "{outcomes:?}");
    }
    let just: Vec<Draft> = (0..5).map(|_| producer.named(sized(400))).collect();
    for (outcome, draft) in log.append(batch(just.clone())).await.into_iter().zip(just) {
        assert!(matches!(outcome, Ok(_) | Err(AppendError::Unknown)), "{outcome:?}");
        settle(&*log, draft).await.unwrap();
    }
    producer.send(&*log, draft("end")).await;
    assert_eq!(read_all_to(&*log, HERE, "end").await.records.len(), 7);
}

pub(super) async fn partitions_are_bounded(engine: &dyn Engine) {
    let log = engine.open(Limits { partitions_max: 3, ..Limits::default() });
    let mut producer = Producer::new(1);
    for number in [0, 2] {
        let draft = Draft { partition: Partition::new(number), ..draft("x") };
        producer.send(&*log, draft).await;
    }
    for number in [3, u32::MAX] {
        let draft = Draft { partition: Partition::new(number), ..draft("x") };
        let outcome = producer.try_send(&*log, draft).await;
        let refused = matches!(outcome, Err(AppendError::Misuse(_) | AppendError::TooLarge(_)));
        assert!(refused, "{outcome:?}");
    }
}

pub(super) async fn cursors_are_bounded(engine: &dyn Engine) {
    let log = engine.open(Limits { cursors_max: 2, cursor_name_bytes_max: 8, ..Limits::default() });
    let outcome = log.cursor("nine_long", Start::default()).await;
    assert!(matches!(outcome, Err(CursorError::TooLarge(_))), "{outcome:?}");
    let first = log.cursor("one_long", Start::default()).await.unwrap();
    log.cursor("two", Start::default()).await.unwrap();
    let outcome = log.cursor("three", Start::default()).await;
    assert!(matches!(outcome, Err(CursorError::TooLarge(_))), "{outcome:?}");
    // Those that are there are still found, and still move.
    assert_eq!(log.cursor("one_long", Start::default()).await.unwrap().id, first.id);
    Producer::new(1).send(&*log, draft("x")).await;
    let below = log.extent(HERE).await.unwrap().next;
    let durability = Durability::Memory;
    log.advance(first.id, Progress { below, durability, ..Progress::default() }).await.unwrap();
    log.drop_cursor(first.id).await.unwrap();
    log.cursor("three", Start::default()).await.unwrap();
}

pub(super) async fn the_cursors_of_a_record_are_bounded(engine: &dyn Engine) {
    let log = engine.open(Limits { wanted_by_max: 3, ..of_cursors() });
    let mut ids: Vec<CursorId> = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ids.push(queue(&*log, name, HERE).await);
    }
    let mut producer = Producer::new(1);
    let outcome = producer.try_send(&*log, wanted("x", &ids)).await;
    assert!(matches!(outcome, Err(AppendError::TooLarge(_))), "{outcome:?}");
    producer.send(&*log, wanted("y", &ids[1..])).await;
}
