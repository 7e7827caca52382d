//! Cursors of kind `Wanted`: they read what names them.

use skerry_store::log::{
    AppendError, CursorError, CursorId, CursorKind, Draft, Durability, From, Log, NoSuchCursor, Partition,
    Progress, Reading, Start,
};

use super::world::{Engine, HERE, Producer, THERE, draft, of_cursors, read_to, sequence, text, wanted};

pub(super) async fn queue(log: &dyn Log, name: &str, partition: Partition) -> CursorId {
    let start = Start { partition, kind: CursorKind::Wanted, from: From::Oldest };
    log.cursor(name, start).await.unwrap().id
}

fn of(id: CursorId) -> Reading {
    Reading::new(HERE, From::Sequence(sequence(0))).wanted_by(id)
}

/// Thirty records for nobody, `a`, `b` or both by turns, and an end for both.
async fn mixed(log: &dyn Log, [a, b]: [CursorId; 2]) {
    let mut sent = Vec::new();
    for number in 0..30u32 {
        let by = [vec![], vec![a], vec![b], vec![a, b]];
        sent.push(wanted(&number.to_string(), &by[number as usize % 4]));
    }
    sent.push(wanted("end", &[b, a]));
    Producer::new(1).send_all(log, sent).await;
}

pub(super) async fn a_queue_reads_what_names_it(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let [a, b] = [queue(&*log, "a", HERE).await, queue(&*log, "b", HERE).await];
    mixed(&*log, [a, b]).await;
    for (id, bit) in [(a, 1), (b, 2)] {
        for records_max in [1, 4, 1000] {
            let read = read_to(&*log, of(id).at_most(records_max, 1 << 20), "end").await;
            let mut expected: Vec<String> = (0..30u32)
                .filter(|number| (number % 4) & bit != 0)
                .map(|number| number.to_string())
                .collect();
            expected.push("end".to_owned());
            assert_eq!(read.texts(), expected);
        }
    }
    // Who names nobody reads everything.
    let everything = read_to(&*log, Reading::new(HERE, From::Oldest), "end").await;
    assert_eq!(everything.records.len(), 31);
}

pub(super) async fn a_follower_of_a_queue_skips_the_rest(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let [a, b] = [queue(&*log, "a", HERE).await, queue(&*log, "b", HERE).await];
    let mut follower = log.follow(of(a).at_most(3, 1 << 20));
    let following = tokio::spawn(async move {
        let mut texts: Vec<String> = Vec::new();
        while texts.last().is_none_or(|last| last != "last") {
            let page = follower.next().await.unwrap();
            assert!(!page.records.is_empty() && page.lost.is_empty());
            texts.extend(page.records.iter().map(text));
        }
        texts
    });
    let mut producer = Producer::new(2);
    for number in 0..200 {
        let by = if number % 50 == 49 { a } else { b };
        producer.send(&*log, wanted(&number.to_string(), &[by])).await;
        if number % 20 == 0 {
            tokio::task::yield_now().await;
        }
    }
    producer.send(&*log, wanted("last", &[a])).await;
    assert_eq!(following.await.unwrap(), ["49", "99", "149", "199", "last"]);
}

pub(super) async fn a_queue_counts_what_waits(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let id = queue(&*log, "a", HERE).await;
    let count = || {
        let cursor = log.cursors().into_iter().find(|cursor| cursor.id == id).unwrap();
        (cursor.records, cursor.bytes)
    };
    let mut producer = Producer::new(1);
    for number in 0..20u8 {
        // Each of them has thirteen bytes, three of them in its headers.
        let headers = vec![number; 3].into();
        producer.send(&*log, Draft { headers, ..wanted(&format!("{number:010}"), &[id]) }).await;
        producer.send(&*log, draft("for nobody")).await;
    }
    let end = format!("{:010}", 19);
    assert_eq!(count(), (20, 20 * 13));
    let at = read_to(&*log, of(id), &end).await.sequences();
    let progress = Progress { records: 3, bytes: 39, durability: Durability::Synced, ..Progress::default() };
    log.advance(id, Progress { below: at[3], ..progress.clone() }).await.unwrap();
    assert_eq!(count(), (17, 17 * 13));
    log.advance(id, Progress { settled: vec![at[5], at[9], at[8]], ..progress.clone() }).await.unwrap();
    assert_eq!(count(), (14, 14 * 13));
    // What was settled before is not counted by whoever tells that the position passed it.
    log.advance(id, Progress { below: at[7], ..progress }).await.unwrap();
    assert_eq!(count(), (11, 11 * 13));
    let opened = log.cursor("a", Start { kind: CursorKind::Wanted, ..Start::default() }).await.unwrap();
    assert_eq!((opened.records, opened.bytes), count());
    let rest = Progress {
        below: log.extent(HERE).await.unwrap().next,
        records: 11,
        bytes: 11 * 13,
        ..Progress::default()
    };
    log.advance(id, rest).await.unwrap();
    assert_eq!(count(), (0, 0));
}

/// Trimming is the caller's word against the cursor's: nobody will ask, and who asks is told.
pub(super) async fn a_queue_is_told_what_was_trimmed(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let [a, b] = [queue(&*log, "a", HERE).await, queue(&*log, "b", HERE).await];
    mixed(&*log, [a, b]).await;
    let before = read_to(&*log, of(a), "end").await.sequences();
    log.trim(HERE, before[5]).await.unwrap();
    let after = read_to(&*log, of(a), "end").await;
    assert_eq!(after.sequences(), before[5..]);
    for gone in &before[..5] {
        assert!(after.lost.iter().any(|lost| lost.from <= *gone && *gone < lost.to), "{gone}: {after:?}");
    }
}

pub(super) async fn a_record_for_nobody_in_particular_is_refused(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let [a, gone] = [queue(&*log, "a", HERE).await, queue(&*log, "gone", HERE).await];
    log.drop_cursor(gone).await.unwrap();
    let mut producer = Producer::new(1);
    let outcome = producer.try_send(&*log, wanted("x", &[a, gone])).await;
    assert_eq!(outcome, Err(AppendError::NoSuchCursor(NoSuchCursor { id: gone })));
    assert!(!outcome.unwrap_err().is_worth_a_retry());
    producer.send(&*log, wanted("end", &[a])).await;
    assert_eq!(read_to(&*log, of(a), "end").await.texts(), ["end"]);
}

pub(super) async fn a_cursor_of_another_partition_or_kind_is_not_named(engine: &dyn Engine) {
    let log = engine.open(of_cursors());
    let there = queue(&*log, "there", THERE).await;
    let every = log.cursor("every", Start::default()).await.unwrap().id;
    let mut producer = Producer::new(1);
    for id in [there, every] {
        let outcome = producer.try_send(&*log, wanted("x", &[id])).await;
        assert!(matches!(outcome, Err(AppendError::Misuse(_))), "{outcome:?}");
    }
    producer.send(&*log, Draft { partition: THERE, ..wanted("y", &[there]) }).await;
    let reading = Reading::new(THERE, From::Oldest).wanted_by(there);
    assert_eq!(read_to(&*log, reading, "y").await.texts(), ["y"]);
}

pub(super) async fn a_log_of_retention_has_no_queues(engine: &dyn Engine) {
    let log = engine.open(skerry_store::log::Limits::default());
    let outcome = log.cursor("a", Start { kind: CursorKind::Wanted, ..Start::default() }).await;
    assert!(matches!(outcome, Err(CursorError::Misuse(_))), "{outcome:?}");
    let id = log.cursor("every", Start::default()).await.unwrap().id;
    let outcome = Producer::new(1).try_send(&*log, wanted("x", &[id])).await;
    assert!(matches!(outcome, Err(AppendError::Misuse(_))), "{outcome:?}");
}
