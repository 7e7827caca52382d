//! Promise 3: a named record is there once.

use std::collections::BTreeSet;

use skerry_store::log::{AppendError, Draft, Limits, NAMES_WINDOW, Name, Placed};

use super::world::{Engine, HERE, Producer, THERE, batch, draft, read_all_to, settle};
use crate::samples::Dice;

fn named(producer: u64, number: u64) -> Draft {
    Draft { name: Some(Name { producer, number }), ..draft(&format!("{producer}/{number}")) }
}

pub(super) async fn a_named_record_is_there_once(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    for number in 1..50 {
        settle(&*log, named(1, number)).await.unwrap();
        for older in [number, number.saturating_sub(7).max(1)] {
            // Wherever it is sent to: a name is of the log, not of a partition.
            let again = Draft { partition: THERE, ..named(1, older) };
            assert_eq!(settle(&*log, again).await, Ok(Placed::Already));
        }
    }
    let texts = read_all_to(&*log, HERE, "1/49").await.texts();
    assert_eq!(texts, (1..50).map(|number| format!("1/{number}")).collect::<Vec<_>>());
    settle(&*log, Draft { partition: THERE, ..named(2, 1) }).await.unwrap();
    assert_eq!(read_all_to(&*log, THERE, "2/1").await.records.len(), 1);
}

pub(super) async fn a_name_in_one_batch_twice_is_one_record(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let outcomes = log.append(batch(vec![named(1, 1), named(1, 1), named(1, 1)])).await;
    let fresh = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Placed::At { .. }))).count();
    assert!(fresh <= 1, "{outcomes:?}");
    settle(&*log, named(1, 1)).await.unwrap();
    settle(&*log, named(1, 2)).await.unwrap();
    assert_eq!(read_all_to(&*log, HERE, "1/2").await.texts(), ["1/1", "1/2"]);
}

pub(super) async fn rivals_with_one_name_place_one_record(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let rivals: Vec<_> = (0..10)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move { settle(&*log, named(1, 1)).await })
        })
        .collect();
    let mut fresh = 0;
    for rival in rivals {
        fresh += usize::from(matches!(rival.await.unwrap().unwrap(), Placed::At { .. }));
    }
    assert!(fresh <= 1);
    settle(&*log, named(1, 2)).await.unwrap();
    assert_eq!(read_all_to(&*log, HERE, "1/2").await.records.len(), 2);
}

pub(super) async fn numbers_come_in_any_order(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut dice = Dice(5);
    let mut sent = BTreeSet::new();
    for _ in 0..200 {
        // All of them inside the window, many of them twice.
        let number = 1000 + dice.roll(150) as u64;
        let outcome = settle(&*log, named(1, number)).await.unwrap();
        if !sent.insert(number) {
            assert_eq!(outcome, Placed::Already);
        }
    }
    settle(&*log, named(2, 1)).await.unwrap();
    let texts = read_all_to(&*log, HERE, "2/1").await.texts();
    assert_eq!(texts.len(), sent.len() + 1);
    assert!(sent.iter().all(|number| texts.contains(&format!("1/{number}"))));
}

pub(super) async fn what_is_too_old_is_forgotten_and_never_placed_again(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    settle(&*log, named(1, 5)).await.unwrap();
    let newest = 6 + NAMES_WINDOW;
    settle(&*log, named(1, newest)).await.unwrap();
    for number in [5, 4] {
        let outcome = settle(&*log, named(1, number)).await;
        assert_eq!(outcome, Err(AppendError::Forgotten { number, newest }));
        assert!(!outcome.unwrap_err().is_worth_a_retry());
    }
    // Just inside the window, and never sent.
    assert!(settle(&*log, named(1, 7)).await.is_ok());
    settle(&*log, named(2, 1)).await.unwrap();
    let texts = read_all_to(&*log, HERE, "2/1").await.texts();
    assert_eq!(texts, ["1/5", &format!("1/{newest}"), "1/7", "2/1"]);
}

pub(super) async fn producers_do_not_share_numbers(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    for producer in [0, 1, u64::MAX] {
        settle(&*log, named(producer, 1)).await.unwrap();
    }
    let texts = read_all_to(&*log, HERE, &format!("{}/1", u64::MAX)).await.texts();
    assert_eq!(texts.len(), 3);
}

pub(super) async fn records_without_names_are_never_repetitions(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut placed = 0;
    while placed < 3 {
        let outcome = log.append(batch(vec![draft("same")])).await.remove(0);
        assert_ne!(outcome, Ok(Placed::Already));
        placed += usize::from(outcome.is_ok());
    }
    Producer::new(1).send(&*log, draft("end")).await;
    assert!(read_all_to(&*log, HERE, "end").await.records.len() > 3);
}

pub(super) async fn the_latest_of_many_producers_are_remembered(engine: &dyn Engine) {
    let log = engine.open(Limits { producers_max: 16, ..Limits::default() });
    for producer in 0..100 {
        settle(&*log, named(producer, 1)).await.unwrap();
        // One that speaks now and then is not silent.
        settle(&*log, named(1000, producer + 1)).await.unwrap();
    }
    for producer in [1000, 99, 98, 97] {
        assert_eq!(settle(&*log, named(producer, 1)).await, Ok(Placed::Already));
    }
}
