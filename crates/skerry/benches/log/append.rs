//! As much as goes in: ours beside the disk itself, SQLite and JetStream.

use skerry_store::log::Durability;

use crate::bench::Bench;
use crate::case::{BATCHES, Case, SINGLES, Shape, Supply};
use crate::disk;
use crate::jetstream::{Server, Stream, Sync};
use crate::journal::Ours;
use crate::meter::Trouble;
use crate::produce::saturate;
use crate::raw::{self, RAW};
use crate::report::OURS;
use crate::sqlite::{self, Sqlite};
use crate::taken::Taken;

use Durability::{Synced, Written};

/// What SQLite does best with: more is no faster.
const TRANSACTION: u64 = 1000;

/// Every size, durability and shape at four partitions; one and many partitions where it matters
/// most.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in [256, 1024] {
        for durability in [Synced, Written] {
            cases.extend([BATCHES, SINGLES].map(|shape| Case::new(size, 4, durability, shape)));
        }
        cases.extend([1, 64].map(|partitions| Case::new(size, partitions, Synced, BATCHES)));
    }
    cases
}

fn name(case: &Case) -> String {
    format!("append, {case}")
}

pub(crate) async fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    for round in 1..=bench.options.rounds {
        eprintln!("append, round {round} of {}", bench.options.rounds);
        for case in cases() {
            let ours = ours(bench, case).await?;
            if case.partitions == 4 && !bench.options.without_peer {
                let group = ours.wrote.map_or(1, |wrote| ours.records / wrote.writes.max(1)).max(1);
                for transaction in [TRANSACTION, group] {
                    sqlite(bench, case, transaction).await?;
                }
            }
        }
        if !bench.options.without_peer {
            for sync in [Sync::Default, Sync::Always] {
                jetstream(bench, sync).await?;
            }
        }
    }
    Ok(())
}

/// Ours, and the disk right behind it.
async fn ours(bench: &mut Bench<'_>, case: Case) -> Result<Taken, Trouble> {
    let (name, turn) = (name(&case), bench.turn("append")?);
    let ours = Ours::open(turn.path())?;
    let supply = Supply::new(bench.options.records_of(case.size), bench.options.span());
    let mut taken = saturate(&ours, case, supply, &[]).await?;
    drop(ours);
    taken.on_disk = Some(disk::size(turn.path()));
    bench.report.rate(&name, OURS, case.size, &taken);
    drop(turn);
    let (turn, repeated) = (bench.turn("append")?, taken.clone());
    let path = turn.path().to_owned();
    let raw = bench.blocking(move |stop| raw::repeat(&path, &repeated, stop)).await?;
    bench.report.rate(&name, RAW, case.size, &raw);
    Ok(taken)
}

async fn sqlite(bench: &mut Bench<'_>, case: Case, transaction: u64) -> Result<(), Trouble> {
    let turn = bench.turn("sqlite")?;
    let supply = Supply::new(bench.options.records_of(case.size), bench.options.span());
    let path = turn.path().to_owned();
    let work = bench.blocking(move |stop| {
        Sqlite::create(&path, case.durability)?.append(case, transaction, &supply, stop)
    });
    let taken = work.await?;
    // Groups differ from round to round.
    let engine =
        if transaction == TRANSACTION { sqlite::name(transaction) } else { "SQLite, as grouped".to_owned() };
    bench.report.rate(&name(&case), &engine, case.size, &taken);
    Ok(())
}

async fn jetstream(bench: &mut Bench<'_>, sync: Sync) -> Result<(), Trouble> {
    let turn = bench.turn("peer")?;
    let server = Server::start(&bench.options.nats_server, turn.path(), sync).await?;
    for case in cases().into_iter().filter(|case| case.partitions == 4 && sync.is_like(case.durability)) {
        let mut best = Taken::default();
        for (way, shape) in ways(case.shape) {
            let mut stream = Stream::create(&server).await?;
            let supply = Supply::new(bench.options.records_of(case.size), bench.options.span());
            let taken = stream.saturate(&server, Case { shape, ..case }, &supply).await?;
            best = if taken.rate() > best.rate() { Taken { way, ..taken } } else { best };
        }
        bench.report.rate(&name(&case), sync.name(), case.size, &best);
    }
    Ok(())
}

/// The peer's best way counts: batches of its own, or as many records one by one.
fn ways(shape: Shape) -> Vec<(Option<&'static str>, Shape)> {
    match shape {
        Shape::Singles { .. } => vec![(None, shape)],
        Shape::Batches { tasks, records } => vec![
            (Some("in batches"), shape),
            (Some("one by one"), Shape::Singles { in_flight: tasks * records as usize }),
        ],
    }
}
