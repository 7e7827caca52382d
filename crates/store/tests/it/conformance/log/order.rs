//! Promise 4: order is kept, failures included.

use skerry_store::log::{AppendError, Draft, Limits, Order};

use super::world::{Engine, HERE, Producer, batch, draft, drafts, read_all_to, settle};
use crate::samples::Dice;

fn small() -> Limits {
    Limits { record_bytes_max: 100, ..Limits::default() }
}

fn too_large() -> Draft {
    Draft { payload: vec![0; 101].into(), ..Draft::default() }
}

/// Sends a line until all of it is placed.
async fn finish(log: &dyn skerry_store::log::Log, order: &Order, line: &[Draft]) {
    let mut rest = line;
    while !rest.is_empty() {
        order.resume();
        let outcomes = log.append(batch(rest.to_vec()).in_order(order)).await;
        rest = &rest[outcomes.iter().take_while(|outcome| outcome.is_ok()).count()..];
    }
}

pub(super) async fn a_batch_lies_in_its_order(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    // No order is named, and still what is placed at once lies as it was given.
    let outcomes = log.append(batch(drafts(0..100))).await;
    let placed: Vec<_> = outcomes.iter().flatten().filter_map(|placed| placed.sequence()).collect();
    assert!(placed.is_sorted() && placed.len() > 50);
    Producer::new(1).send(&*log, draft("end")).await;
    let mut texts = read_all_to(&*log, HERE, "end").await.texts();
    texts.pop();
    let numbers: Vec<u32> = texts.iter().map(|text| text.parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}

pub(super) async fn batches_lie_in_the_order_of_the_calls(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    let order = Order::default();
    let line: Vec<Draft> = drafts(0..60).into_iter().map(|draft| producer.named(draft)).collect();
    // Answers are asked for from the last to the first: order is that of the calls.
    let mut calls: Vec<_> =
        line.chunks(7).map(|some| log.append(batch(some.to_vec()).in_order(&order.clone()))).collect();
    let mut failed = false;
    while let Some(call) = calls.pop() {
        failed |= call.await.iter().any(Result::is_err);
    }
    assert_eq!(order.is_broken(), failed);
    finish(&*log, &order, &line).await;
    let texts = read_all_to(&*log, HERE, "59").await.texts();
    assert_eq!(texts, (0..60).map(|number| number.to_string()).collect::<Vec<_>>());
}

pub(super) async fn after_a_failure_later_ones_fail_until_resumed(engine: &dyn Engine) {
    let log = engine.open(small());
    let mut producer = Producer::new(1);
    let order = Order::default();
    let line = [draft("a"), too_large(), draft("b")].map(|draft| producer.named(draft));
    let outcomes = log.append(batch(line.to_vec()).in_order(&order)).await;
    assert_eq!(outcomes[2], Err(AppendError::AfterFailure));
    assert!(order.is_broken());
    let next = producer.named(draft("c"));
    let later = log.append(batch(vec![next.clone()]).in_order(&order)).await;
    assert_eq!(later, [Err(AppendError::AfterFailure)]);
    // The sender leaves out what can never be placed.
    finish(&*log, &order, &[line[0].clone(), line[2].clone(), next]).await;
    assert!(!order.is_broken());
    assert_eq!(read_all_to(&*log, HERE, "c").await.texts(), ["a", "b", "c"]);
}

pub(super) async fn nothing_overtakes_what_is_sent_again(engine: &dyn Engine) {
    let log = engine.open(small());
    let mut producer = Producer::new(1);
    let order = Order::default();
    let line: Vec<Draft> = drafts(0..100).into_iter().map(|draft| producer.named(draft)).collect();
    let mut dice = Dice(11);
    let (mut done, mut failures) = (0, 0);
    while done < line.len() {
        // Several batches are under way at once, and now and then one holds what is refused.
        let mut calls = Vec::new();
        let mut at = done;
        while at < line.len() && calls.len() < 3 {
            let end = line.len().min(at + 1 + dice.roll(6));
            let mut some = line[at..end].to_vec();
            if dice.roll(4) == 0 {
                let place = dice.roll(some.len());
                some[place] = Draft { name: None, ..too_large() };
            }
            calls.push(log.append(batch(some).in_order(&order)));
            at = end;
        }
        let mut outcomes = Vec::new();
        for call in calls {
            outcomes.extend(call.await);
        }
        let placed = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
        assert!(outcomes[placed..].iter().all(Result::is_err), "nothing after a failure: {outcomes:?}");
        if placed < outcomes.len() {
            failures += 1;
            order.resume();
        }
        done += placed;
    }
    assert!(failures > 0);
    let texts = read_all_to(&*log, HERE, "99").await.texts();
    assert_eq!(texts, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
}

pub(super) async fn a_failure_stays_in_its_own_order(engine: &dyn Engine) {
    let log = engine.open(small());
    let mut producer = Producer::new(1);
    let (broken, other) = (Order::default(), Order::default());
    let outcomes = log.append(batch(vec![producer.named(too_large())]).in_order(&broken)).await;
    assert!(matches!(outcomes[0], Err(AppendError::TooLarge(_))));
    assert!(broken.is_broken() && !other.is_broken());
    finish(&*log, &other, &[producer.named(draft("other"))]).await;
    producer.send(&*log, draft("end")).await;
    assert_eq!(read_all_to(&*log, HERE, "end").await.texts(), ["other", "end"]);
    assert!(broken.is_broken());
}

pub(super) async fn without_an_order_each_stands_alone(engine: &dyn Engine) {
    let log = engine.open(small());
    let mut producer = Producer::new(1);
    let line = [draft("a"), too_large(), draft("b"), too_large()].map(|draft| producer.named(draft));
    let outcomes = log.append(batch(line.to_vec())).await;
    for one in [1, 3] {
        assert!(matches!(outcomes[one], Err(AppendError::TooLarge(_))));
    }
    for one in [0, 2] {
        assert!(matches!(outcomes[one], Ok(_) | Err(AppendError::Unknown)), "{outcomes:?}");
        settle(&*log, line[one].clone()).await.unwrap();
    }
}
