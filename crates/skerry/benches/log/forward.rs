//! Store and forward: records that a queue wants go in, come out, and are settled.

use std::sync::Arc;

use skerry_store::log::{
    CursorId, CursorKind, Durability, From, Log, Page, Partition, Progress, Reading, Sequence, Start,
};

use crate::bench::Bench;
use crate::case::{BATCHES, Case, Supply};
use crate::journal::Ours;
use crate::meter::{Measure, Trouble, now, processor_time};
use crate::numbers::Unit;
use crate::produce::saturate;
use crate::raw::{self, RAW};
use crate::report::{Goal, OURS};
use crate::taken::Taken;

/// Records that are settled at once.
pub(crate) const SETTLED: usize = 500;

/// Of the performance budget.
const GOAL: Goal = Goal { number: None, ratio: Some((RAW, 0.7)) };
const WAYS: [&str; 4] = ["at once", "then: append", "then: drain", "then: both"];

fn name(way: &str, size: usize) -> String {
    match way {
        "at once" => format!("store and forward, {size} B, synced: append and drain at once"),
        _ => format!("store and forward, {size} B, synced: append, {way}"),
    }
}

pub(crate) async fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    for size in [256, 1024] {
        for way in WAYS {
            bench.report.row(&name(way, size), Unit::PerSecond, GOAL);
        }
    }
    for round in 1..=bench.options.rounds {
        eprintln!("forward, round {round} of {}", bench.options.rounds);
        for size in [256, 1024] {
            at_once(bench, size).await?;
            in_turn(bench, size).await?;
        }
    }
    Ok(())
}

/// A queue of one partition: its cursor, from the first record on.
pub(crate) async fn cursor(log: &dyn Log) -> Result<CursorId, Trouble> {
    let start = Start { partition: Partition::new(0), kind: CursorKind::Wanted, from: From::Oldest };
    Ok(log.cursor("queue", start).await?.id)
}

/// The uplink is there: what comes goes.
async fn at_once(bench: &mut Bench<'_>, size: usize) -> Result<(), Trouble> {
    let turn = bench.turn("forward")?;
    let ours = Ours::queue(turn.path())?;
    let queue = cursor(&*ours.log()).await?;
    let (case, supply) = supply(bench, size);
    let (before, processor) = (ours.figures(), processor_time());
    let began = now();
    let log = ours.log();
    let (told, enough) = tokio::sync::watch::channel(None);
    let drain = tokio::spawn(async move { follow(log, queue, enough).await });
    let mut taken = saturate(&ours, case, supply, &[queue]).await?;
    told.send(Some(taken.records))?;
    drain.await??;
    taken.waits = Measure::whole(now() - began, Vec::new()).with_processor(processor);
    taken.wrote = Some(ours.wrote_since(&before));
    bench.report.rate(&name("at once", size), OURS, size, &taken);
    drop(ours);
    drop(turn);
    raw(bench, &["at once"], size, &taken).await
}

/// The uplink is away, then it is back.
async fn in_turn(bench: &mut Bench<'_>, size: usize) -> Result<(), Trouble> {
    let turn = bench.turn("forward")?;
    let ours = Ours::queue(turn.path())?;
    let log = ours.log();
    let queue = cursor(&*log).await?;
    let (case, supply) = supply(bench, size);
    let before = ours.figures();
    let stored = saturate(&ours, case, supply, &[queue]).await?;
    bench.report.rate(&name("then: append", size), OURS, size, &stored);
    let (middle, processor) = (ours.figures(), processor_time());
    let began = now();
    let records = drain(&*log, queue, stored.records).await?;
    let drained = Taken {
        records,
        payload: stored.payload,
        waits: Measure::whole(now() - began, Vec::new()).with_processor(processor),
        wrote: Some(ours.wrote_since(&middle)),
        ..Taken::default()
    };
    bench.report.rate(&name("then: drain", size), OURS, size, &drained);
    let elapsed = stored.waits.elapsed + drained.waits.elapsed;
    let both = Taken {
        waits: Measure::whole(elapsed, Vec::new()),
        wrote: Some(ours.wrote_since(&before)),
        ..stored.clone()
    };
    bench.report.rate(&name("then: both", size), OURS, size, &both);
    drop(log);
    drop(ours);
    drop(turn);
    raw(bench, &["then: append"], size, &stored).await?;
    raw(bench, &["then: drain", "then: both"], size, &both).await
}

fn supply(bench: &Bench<'_>, size: usize) -> (Case, Supply) {
    let case = Case::new(size, 1, Durability::Synced, BATCHES);
    (case, Supply::new(bench.options.records_of(size), bench.options.span()))
}

/// The disk alone, with the same writes as these ways.
async fn raw(bench: &mut Bench<'_>, ways: &[&str], size: usize, taken: &Taken) -> Result<(), Trouble> {
    let turn = bench.turn("forward")?;
    let (folder, repeated) = (turn.path().to_owned(), taken.clone());
    let raw = bench.blocking(move |stop| raw::repeat(&folder, &repeated, stop)).await?;
    ways.iter().for_each(|way| bench.report.rate(&name(way, size), RAW, size, &raw));
    Ok(())
}

/// Drains as records come, until as many came as were appended.
async fn follow(
    log: Arc<dyn Log>,
    queue: CursorId,
    mut enough: tokio::sync::watch::Receiver<Option<u64>>,
) -> Result<(), Trouble> {
    let reading = Reading::new(Partition::new(0), From::Oldest).wanted_by(queue).at_most(SETTLED, 1 << 20);
    let mut follower = log.follow(reading);
    let mut done = 0;
    while enough.borrow_and_update().is_none_or(|enough| done < enough) {
        tokio::select! {
            page = follower.next() => {
                let page = page?;
                done += settle(&*log, queue, &page).await?;
            }
            told = enough.changed() => told?,
        }
    }
    Ok(())
}

/// Reads and settles until so many records are done; answers how many.
pub(crate) async fn drain(log: &dyn Log, queue: CursorId, records: u64) -> Result<u64, Trouble> {
    let mut from = Sequence::ZERO;
    let mut done = 0;
    while done < records {
        let reading = Reading::new(Partition::new(0), From::Sequence(from)).wanted_by(queue);
        let page = log.read(reading.at_most(SETTLED, 1 << 20)).await?;
        if page.records.is_empty() && page.next == from {
            return Err(format!("{records} records were stored, {done} came back").into());
        }
        done += settle(log, queue, &page).await?;
        from = page.next;
    }
    Ok(done)
}

async fn settle(log: &dyn Log, queue: CursorId, page: &Page) -> Result<u64, Trouble> {
    if !page.lost.is_empty() {
        return Err(format!("the log lost records: {:?}", page.lost).into());
    }
    std::hint::black_box(&page.records);
    let records = page.records.len() as u64;
    let bytes = page.records.iter().map(|record| (record.headers.len() + record.payload.len()) as u64).sum();
    // As edge queues settle by default: after a power cut some come again.
    let durability = Durability::Written;
    log.advance(queue, Progress { below: page.next, records, bytes, durability, ..Progress::default() })
        .await?;
    Ok(records)
}
