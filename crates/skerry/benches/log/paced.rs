//! Records at a pace that nobody finds hard: how long each waits for its answer, and what it costs.

use std::time::Duration;

use skerry_store::log::Durability;

use crate::bench::Bench;
use crate::case::{Case, SINGLES};
use crate::jetstream::{Server, Stream, Sync};
use crate::journal::Ours;
use crate::meter::{Measure, Trouble};
use crate::numbers::{Unit, milliseconds};
use crate::produce::paced;
use crate::raw;
use crate::report::{Goal, OURS};

const RATE: u64 = 10_000;
const SIZE: usize = 256;
/// The first records find files to be made and threads to be woken; that is not the pace.
const WARM: Duration = Duration::from_millis(300);
const PERCENTS: [f64; 2] = [50.0, 99.0];

fn name(percent: f64) -> String {
    format!("{RATE} records of {SIZE} B a second, one by one: answer p{percent}")
}

pub(crate) async fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    for percent in PERCENTS {
        bench.report.row(&name(percent), Unit::Milliseconds, Goal::default());
    }
    // Long enough for a p99 that is not an accident.
    let span = bench.options.span().mul_f64(1.5);
    let case = Case::new(SIZE, 4, Durability::Synced, SINGLES);
    for round in 1..=bench.options.rounds {
        eprintln!("paced, round {round} of {}", bench.options.rounds);
        let turn = bench.turn("paced")?;
        let ours = Ours::open(turn.path())?;
        paced(&ours, case, RATE, WARM).await?;
        let taken = paced(&ours, case, RATE, span).await?;
        drop(ours);
        tell(bench, OURS, &taken.waits, &taken.note());
        let wrote = taken.wrote.unwrap_or_default();
        let (path, bytes) = (turn.path().to_owned(), wrote.bytes / wrote.writes.max(1));
        let disk = bench.blocking(move |stop| raw::syncs(&path, bytes as usize, span / 3, stop)).await?;
        tell(bench, "raw, append and fdatasync", &disk, "one after the other");
        drop(turn);
        if bench.options.without_peer {
            continue;
        }
        for sync in [Sync::Always, Sync::Default] {
            let turn = bench.turn("peer")?;
            let server = Server::start(&bench.options.nats_server, turn.path(), sync).await?;
            let mut stream = Stream::create(&server).await?;
            let measured = async {
                stream.paced(&server, case, RATE, WARM).await?;
                stream.paced(&server, case, RATE, span).await
            };
            match measured.await {
                Ok(taken) => tell(bench, sync.name(), &taken.waits, &taken.note()),
                // Slower than the pace is a result too, and no reason to end.
                Err(error) => {
                    for percent in PERCENTS {
                        bench.report.number(&name(percent), sync.name(), f64::INFINITY, error.to_string());
                    }
                }
            }
        }
    }
    Ok(())
}

fn tell(bench: &mut Bench<'_>, engine: &str, waits: &Measure, note: &str) {
    for percent in PERCENTS {
        let note = if percent == PERCENTS[0] { note.to_owned() } else { String::new() };
        bench.report.number(&name(percent), engine, milliseconds(waits.percentile(percent)), note);
    }
}
