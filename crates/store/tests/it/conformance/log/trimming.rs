//! Promises 6 and 9: what was trimmed is not read again, and the hole is told.

use skerry_store::log::{CursorError, From, Limits, Log, Loss, Partition, Reading, Sequence};

use super::world::{Engine, HERE, Producer, draft, drafts, read_all_to, read_to, sequence};

/// Twenty records, the first ten of them trimmed; returns the sequences.
async fn trimmed(log: &dyn Log, producer: &mut Producer) -> Vec<Sequence> {
    producer.send_all(log, drafts(0..20)).await;
    let sequences = read_all_to(log, HERE, "19").await.sequences();
    log.trim(HERE, sequences[10]).await.unwrap();
    sequences
}

pub(super) async fn what_was_trimmed_is_not_read_again(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    let sequences = trimmed(&*log, &mut producer).await;
    let rest: Vec<String> = (10..20).map(|number| number.to_string()).collect();
    for from in [From::Oldest, From::Sequence(sequence(0)), From::Sequence(sequences[4])] {
        assert_eq!(read_to(&*log, Reading::new(HERE, from), "19").await.texts(), rest);
    }
    let extent = log.extent(HERE).await.unwrap();
    assert!(extent.first >= sequences[10] && extent.next > sequences[19], "{extent:?}");
    // Trimming less is no news.
    log.trim(HERE, sequences[3]).await.unwrap();
    assert_eq!(read_all_to(&*log, HERE, "19").await.texts(), rest);
}

pub(super) async fn a_hole_is_told(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    let sequences = trimmed(&*log, &mut producer).await;
    let read = read_to(&*log, Reading::new(HERE, From::Sequence(sequences[4])), "19").await;
    assert!(read.lost.iter().all(|lost| lost.why == Loss::Removed));
    for (at, gone) in sequences.iter().enumerate().skip(4) {
        let told = read.lost.iter().filter(|lost| lost.from <= *gone && *gone < lost.to).count();
        assert_eq!(told, usize::from(at < 10), "{at} of {read:?}");
    }
    // Who begins with the oldest begins behind the hole, and so does who asks for nothing of it.
    assert!(read_all_to(&*log, HERE, "19").await.lost.is_empty());
    let beside = read_to(&*log, Reading::new(HERE, From::Sequence(sequences[12])), "19").await;
    assert!(beside.lost.is_empty() && beside.records.len() == 8);
}

pub(super) async fn trimming_too_far_leaves_the_partition_usable(engine: &dyn Engine) {
    let log = engine.open(Limits { partitions_max: 8, ..Limits::default() });
    let mut producer = Producer::new(1);
    let sequences = trimmed(&*log, &mut producer).await;
    let end = log.extent(HERE).await.unwrap().next;
    log.trim(HERE, end).await.unwrap();
    let extent = log.extent(HERE).await.unwrap();
    assert!(extent.is_empty() && extent.next >= end, "{extent:?}");
    producer.send(&*log, draft("end")).await;
    let read = read_all_to(&*log, HERE, "end").await;
    assert_eq!(read.texts(), ["end"]);
    assert!(read.records[0].sequence > sequences[19], "nothing repeats");
    let outcome = log.trim(Partition::new(8), sequence(1)).await;
    assert!(matches!(outcome, Err(CursorError::Misuse(_) | CursorError::TooLarge(_))), "{outcome:?}");
}

pub(super) async fn a_follower_is_told_of_the_hole(engine: &dyn Engine) {
    let log = engine.open(Limits::default());
    let mut producer = Producer::new(1);
    producer.send_all(&*log, drafts(0..20)).await;
    let mut follower = log.follow(Reading::new(HERE, From::Sequence(sequence(0))).at_most(3, 1 << 20));
    let first = follower.next().await.unwrap();
    let sequences = read_all_to(&*log, HERE, "19").await.sequences();
    log.trim(HERE, sequences[10]).await.unwrap();
    let (mut records, mut lost) = (first.records, first.lost);
    while records.last().is_none_or(|record| record.payload != "19") {
        let page = follower.next().await.unwrap();
        assert!(!page.records.is_empty() || !page.lost.is_empty());
        records.extend(page.records);
        lost.extend(page.lost);
    }
    for sequence in sequences {
        let read = records.iter().filter(|record| record.sequence == sequence).count();
        let told = lost.iter().filter(|lost| lost.from <= sequence && sequence < lost.to).count();
        assert_eq!(read + told, 1, "{sequence}: {records:?} {lost:?}");
    }
}
