//! Promises 1, 5 and 7: outcomes, sequences, times.

use std::time::Duration;

use skerry_model::Clock;
use skerry_store::log::{AppendError, Batch, Draft, Durability, Limits, Placed};

use super::world::{Engine, HERE, Producer, THERE, batch, draft, drafts, read_all_to, settle};

pub(super) async fn what_was_placed_comes_back(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    let before = engine.clock().now();
    let bytes: Vec<u8> = (0..=255).collect();
    let sent = [
        Draft { headers: bytes.clone().into(), payload: vec![0; 70_000].into(), ..Draft::default() },
        Draft::default(),
        Draft { headers: "only headers".into(), ..Draft::default() },
        Draft { payload: bytes.into(), ..Draft::default() },
        draft("end"),
    ];
    producer.send_all(&*log, sent.to_vec()).await;
    let read = read_all_to(&*log, HERE, "end").await;
    assert_eq!(read.records.len(), sent.len());
    for (record, draft) in read.records.iter().zip(&sent) {
        assert_eq!((&record.headers, &record.payload), (&draft.headers, &draft.payload));
        assert!(record.time >= before);
    }
    assert!(read.lost.is_empty());
}

pub(super) async fn every_durability_is_taken(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    for durability in [Durability::Memory, Durability::Written, Durability::Synced] {
        let draft = producer.named(draft(durability.word()));
        loop {
            match log.append(Batch::new(vec![draft.clone()], durability)).await.remove(0) {
                Err(AppendError::Unknown) => {}
                outcome => {
                    outcome.unwrap();
                    break;
                }
            }
        }
    }
    assert_eq!(read_all_to(&*log, HERE, "synced").await.texts(), ["memory", "written", "synced"]);
}

pub(super) async fn each_record_has_an_outcome_of_its_own(engine: &dyn Engine) {
    let log = engine.open(Limits { record_bytes_max: 100, ..Limits::default() });
    let mut producer = Producer::new(1);
    let large = Draft { headers: vec![0; 50].into(), payload: vec![0; 51].into(), ..Draft::default() };
    let fits = Draft { headers: vec![b'x'; 50].into(), payload: vec![b'x'; 50].into(), ..Draft::default() };
    let all = [fits, large, draft("end")].map(|draft| producer.named(draft));
    let outcomes = log.append(batch(all.to_vec())).await;
    assert_eq!(outcomes.len(), 3);
    assert!(matches!(&outcomes[1], Err(AppendError::TooLarge(_))), "{outcomes:?}");
    for (outcome, draft) in outcomes.iter().zip(&all) {
        match outcome {
            Ok(placed) => assert!(placed.sequence().is_some()),
            Err(AppendError::Unknown) => drop(settle(&*log, draft.clone()).await.unwrap()),
            Err(error) => assert!(matches!(error, AppendError::TooLarge(_)) && !error.is_worth_a_retry()),
        }
    }
    producer.send(&*log, draft("really")).await;
    let mut texts = read_all_to(&*log, HERE, "really").await.texts();
    texts.sort();
    assert_eq!(texts, ["end", "really", &"x".repeat(50)]);
}

pub(super) async fn an_empty_batch_has_no_outcomes(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    assert_eq!(log.append(batch(Vec::new())).await, []);
}

pub(super) async fn sequences_grow_in_each_partition_alone(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    let mut placed = [Vec::new(), Vec::new()];
    for round in 0..40 {
        let pair = [HERE, THERE]
            .map(|partition| producer.named(Draft { partition, ..draft(&format!("{partition:?} {round}")) }));
        let outcomes = log.append(batch(pair.to_vec())).await;
        for (one, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(Placed::At { sequence, time }) => placed[one].push((sequence, time)),
                Ok(Placed::Already) => panic!("it was never sent before"),
                Err(error) => assert_eq!(error, AppendError::Unknown),
            }
        }
    }
    for (partition, placed) in [HERE, THERE].into_iter().zip(placed) {
        assert!(placed.windows(2).all(|pair| pair[0] < pair[1]), "{placed:?}");
        producer.send(&*log, Draft { partition, ..draft("end") }).await;
        let read = read_all_to(&*log, partition, "end").await;
        let read_back: Vec<_> = read.records.iter().map(|record| (record.sequence, record.time)).collect();
        assert!(placed.iter().all(|one| read_back.contains(one)), "an answer and a page agree");
        let foreign = format!("{:?}", if partition == HERE { THERE } else { HERE });
        assert!(!read.texts().iter().any(|text| text.starts_with(&foreign)));
    }
}

pub(super) async fn times_do_not_run_backwards(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    let noon = engine.clock().now();
    producer.send_all(&*log, drafts(0..3)).await;
    engine.clock().pass(Duration::from_secs(60));
    let later = engine.clock().now();
    producer.send(&*log, draft("later")).await;
    engine.clock().set(noon);
    producer.send(&*log, draft("back")).await;
    let read = read_all_to(&*log, HERE, "back").await;
    let times: Vec<_> = read.records.iter().map(|record| record.time).collect();
    assert!(times.is_sorted() && times[0] >= noon && times[2] < later, "{times:?}");
    assert!(times[3] >= later && times[4] >= later);
    let extent = log.extent(HERE).await.unwrap();
    assert_eq!(extent.newest, times[4]);
}

pub(super) async fn figures_count_what_happened(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    let named = producer.named(draft("four"));
    settle(&*log, named.clone()).await.unwrap();
    settle(&*log, named).await.unwrap();
    let read = read_all_to(&*log, HERE, "four").await;
    let figures = log.figures();
    assert_eq!((figures.records, figures.record_bytes), (1, 4));
    assert!(figures.repetitions >= 1 && figures.groups >= 1 && figures.reads >= read.records.len() as u64);
}
