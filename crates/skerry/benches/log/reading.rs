//! Everything back, in order: one partition after the other, from the system's cache where it is.

use std::time::Duration;

use skerry_store::log::{Durability, From, Log, Partition, Reading};

use crate::bench::Bench;
use crate::case::{BATCHES, Case, SINGLES, Supply};
use crate::jetstream::{Server, Stream, Sync};
use crate::journal::Ours;
use crate::meter::{Measure, Trouble, now, processor_time};
use crate::produce::saturate;
use crate::report::OURS;
use crate::sqlite::Sqlite;
use crate::taken::Taken;

const SIZES: [usize; 2] = [256, 1024];
/// What is read has to be written first, by the slowest engine too.
const FILL_MAX: Duration = Duration::from_secs(20);
const PEER_RECORDS_MAX: u64 = 200_000;

fn name(size: usize) -> String {
    format!("read back all, {size} B, 4 partitions")
}

pub(crate) async fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    for round in 1..=bench.options.rounds {
        eprintln!("read, round {round} of {}", bench.options.rounds);
        for size in SIZES {
            let records = bench.options.records_of(size);
            let case = Case::new(size, 4, Durability::Written, BATCHES);
            let turn = bench.turn("read")?;
            let ours = Ours::open(turn.path())?;
            let filled = saturate(&ours, case, Supply::new(records, FILL_MAX), &[]).await?;
            let taken = read_all(&*ours.log(), case.partitions).await?;
            check(&taken, filled.records)?;
            bench.report.rate(&name(size), OURS, size, &taken);
            drop(ours);
            drop(turn);
            if !bench.options.without_peer {
                sqlite(bench, case, records).await?;
                jetstream(bench, case, records.min(PEER_RECORDS_MAX)).await?;
            }
        }
    }
    Ok(())
}

/// Page by page, as a consumer does.
async fn read_all(log: &dyn Log, partitions: u32) -> Result<Taken, Trouble> {
    let before = processor_time();
    let began = now();
    let (mut records, mut payload) = (0, 0);
    for partition in (0..partitions).map(Partition::new) {
        let end = log.extent(partition).await?.next;
        let mut from = From::Oldest;
        loop {
            let page = log.read(Reading::new(partition, from)).await?;
            if !page.lost.is_empty() {
                return Err(format!("the log lost records: {:?}", page.lost).into());
            }
            records += page.records.len() as u64;
            payload += page.records.iter().map(|record| record.payload.len() as u64).sum::<u64>();
            std::hint::black_box(&page.records);
            if page.next >= end {
                break;
            }
            from = From::Sequence(page.next);
        }
    }
    let measure = Measure::whole(now() - began, Vec::new());
    let waits = measure.with_processor(before);
    Ok(Taken { records, payload, waits, ..Taken::default() })
}

fn check(taken: &Taken, records: u64) -> Result<(), Trouble> {
    if taken.records == records {
        return Ok(());
    }
    Err(format!("{records} records went in, {} came back", taken.records).into())
}

async fn sqlite(bench: &mut Bench<'_>, case: Case, records: u64) -> Result<(), Trouble> {
    let turn = bench.turn("sqlite")?;
    let path = turn.path().to_owned();
    let work = bench.blocking(move |stop| {
        let mut sqlite = Sqlite::create(&path, case.durability)?;
        let filled = sqlite.append(case, 1000, &Supply::new(records, FILL_MAX), stop)?;
        let taken = sqlite.read(case.partitions, stop)?;
        check(&taken, filled.records)?;
        Ok(taken)
    });
    let taken = work.await?;
    bench.report.rate(&name(case.size), "SQLite", case.size, &taken);
    Ok(())
}

async fn jetstream(bench: &mut Bench<'_>, case: Case, records: u64) -> Result<(), Trouble> {
    let turn = bench.turn("peer")?;
    let server = Server::start(&bench.options.nats_server, turn.path(), Sync::Default).await?;
    let mut stream = Stream::create(&server).await?;
    let case = Case { shape: SINGLES, ..case };
    let filled = stream.saturate(&server, case, &Supply::new(records, FILL_MAX)).await?;
    let taken = stream.read(&server, filled.records).await?;
    bench.report.rate(&name(case.size), "JetStream, pull consumer", case.size, &taken);
    Ok(())
}
