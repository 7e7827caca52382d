//! Store and forward: records that a queue wants go in, come out, and are settled.

mod uplink;

use skerry_store::log::{CursorId, CursorKind, Durability, From, Log, Partition, Start};

use crate::bench::Bench;
use crate::case::{BATCHES, Case, Supply};
use crate::journal::Ours;
use crate::meter::{Measure, Trouble, now, processor_time, processor_time_since};
use crate::numbers::Unit;
use crate::produce::saturate;
use crate::raw::{self, RAW};
use crate::report::{Goal, OURS};
use crate::taken::Taken;

pub(crate) use uplink::{drain, follow};

/// Of the performance budget.
const GOAL: Goal = Goal { number: None, ratio: Some((RAW, 0.7)) };
/// What the machine allows to whoever does no more than write and read.
const RAW_BACK: &str = "raw, and read back";

/// One after the other: the uplink is away, then it is back. At once: it is there all the time.
const APPEND: &str = "append alone";
const DRAIN: &str = "then drain alone";
const BOTH: &str = "both, one after the other";
const AT_ONCE: &str = "both at once";

fn name(way: &str, size: usize) -> String {
    format!("store and forward, {size} B, synced: {way}")
}

pub(crate) async fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    for size in [256, 1024] {
        for way in [APPEND, DRAIN, BOTH, AT_ONCE] {
            bench.report.row(&name(way, size), Unit::PerSecond, GOAL);
        }
    }
    for round in 1..=bench.options.rounds {
        eprintln!("forward, round {round} of {}", bench.options.rounds);
        for size in [256, 1024] {
            in_turn(bench, size).await?;
            at_once(bench, size).await?;
        }
    }
    Ok(())
}

/// A queue of one partition: its cursor, from the first record on.
pub(crate) async fn cursor(log: &dyn Log) -> Result<CursorId, Trouble> {
    let start = Start { partition: Partition::new(0), kind: CursorKind::Wanted, from: From::Oldest };
    Ok(log.cursor("queue", start).await?.id)
}

/// Everything goes in, then everything comes out. The peer repeats the writes and syncs of the
/// first half once, for all three: a settlement is nothing that it would have to write.
async fn in_turn(bench: &mut Bench<'_>, size: usize) -> Result<(), Trouble> {
    let turn = bench.turn("forward")?;
    let ours = Ours::queue(turn.path())?;
    let log = ours.log();
    let queue = cursor(&*log).await?;
    let (case, supply) = supply(bench, size);
    let (before, processor) = (ours.figures(), processor_time());
    let stored = saturate(&ours, case, supply, &[queue]).await?;
    bench.report.rate(&name(APPEND, size), OURS, size, &stored);
    let (middle, drained_from) = (ours.figures(), processor_time());
    let began = now();
    drain(&log, queue, stored.records).await?;
    let took = now() - began;
    let drained = Taken {
        waits: Measure::whole(took, Vec::new()).with_processor(drained_from),
        wrote: Some(ours.wrote_since(&middle)),
        ..stored.clone()
    };
    bench.report.rate(&name(DRAIN, size), OURS, size, &drained);
    let elapsed = stored.waits.elapsed + took;
    let mut both = Measure::whole(elapsed, Vec::new());
    both.processor = processor_time_since(processor);
    let both = Taken { waits: both, wrote: Some(ours.wrote_since(&before)), ..stored.clone() };
    bench.report.rate(&name(BOTH, size), OURS, size, &both);
    drop(log);
    drop(ours);
    drop(turn);
    let turn = bench.turn("forward")?;
    let (folder, repeated) = (turn.path().to_owned(), stored);
    let (wrote, read) = bench
        .blocking(move |stop| {
            let wrote = raw::repeat(&folder, &repeated, stop)?;
            let read = raw::read_back(&folder, &wrote, stop)?;
            Ok((wrote, read))
        })
        .await?;
    for way in [APPEND, DRAIN, BOTH] {
        bench.report.rate(&name(way, size), RAW, size, &wrote);
    }
    bench.report.rate(&name(DRAIN, size), RAW_BACK, size, &read);
    let elapsed = wrote.waits.elapsed + read.waits.elapsed;
    let mut waits = Measure::whole(elapsed, Vec::new());
    waits.processor = wrote.waits.processor.zip(read.waits.processor).map(|(one, other)| one + other);
    bench.report.rate(&name(BOTH, size), RAW_BACK, size, &Taken { waits, ..wrote });
    Ok(())
}

/// What comes goes.
async fn at_once(bench: &mut Bench<'_>, size: usize) -> Result<(), Trouble> {
    let turn = bench.turn("forward")?;
    let ours = Ours::queue(turn.path())?;
    let queue = cursor(&*ours.log()).await?;
    let (case, supply) = supply(bench, size);
    let (before, processor) = (ours.figures(), processor_time());
    let began = now();
    let log = ours.log();
    let (told, enough) = tokio::sync::watch::channel(None);
    let drain = tokio::spawn(async move { follow(&log, queue, enough).await });
    let mut taken = saturate(&ours, case, supply, &[queue]).await?;
    told.send(Some(taken.records))?;
    drain.await??;
    taken.waits = Measure::whole(now() - began, Vec::new()).with_processor(processor);
    taken.wrote = Some(ours.wrote_since(&before));
    bench.report.rate(&name(AT_ONCE, size), OURS, size, &taken);
    drop(ours);
    drop(turn);
    for (peer, reads) in [(RAW, false), (RAW_BACK, true)] {
        let turn = bench.turn("forward")?;
        let (folder, repeated) = (turn.path().to_owned(), taken.clone());
        let work = bench.blocking(move |stop| match reads {
            false => raw::repeat(&folder, &repeated, stop),
            true => raw::repeat_and_read(&folder, &repeated, stop),
        });
        let raw = work.await?;
        bench.report.rate(&name(AT_ONCE, size), peer, size, &raw);
    }
    Ok(())
}

fn supply(bench: &Bench<'_>, size: usize) -> (Case, Supply) {
    let case = Case::new(size, 1, Durability::Synced, BATCHES);
    (case, Supply::new(bench.options.records_of(size), bench.options.span()))
}
