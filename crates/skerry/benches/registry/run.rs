//! The order of a run: load both, measure in turns, crash both, then the hub as a whole.

use std::path::Path;

use crate::cold;
use crate::disk;
use crate::fleet::Device;
use crate::meter::{Measure, Trouble, processor_time, processor_time_since, timed};
use crate::numbers::{Unit, milliseconds};
use crate::options::Options;
use crate::place;
use crate::postgres::{Peer, Way};
use crate::report::{Goal, Report, Side};
use crate::rest::Rest;
use crate::store::Store;

use Side::{Ours, Peer as Theirs};

const IN_FLIGHT: [usize; 3] = [1, 64, 1024];
const REST_CONNECTIONS: usize = 64;

const LOAD: &str = "load";
const INDEX: &str = "build the two-tag index";
const QUERY_MEDIAN: &str = "two tags, first page of 100, p50";
const QUERY: &str = "two tags, first page of 100, p99";
const QUERY_SCAN: &str = "two tags without index, first page";
const FILTER: &str = "count by a filter no index knows";
const COUNT: &str = "count all";
const COLD: &str = "killed while writing: start to first read";

pub(crate) async fn run(options: &Options) -> Result<(), Trouble> {
    let folder = place::make(options.directory.as_ref())?;
    introduce(options, folder.path());
    let mut report = Report::default();
    announce(&mut report);
    let done = Box::pin(measure(options, folder.path(), &mut report)).await;
    // What was measured until then is worth reading, however it ended.
    report.print();
    done
}

async fn measure(options: &Options, folder: &Path, report: &mut Report) -> Result<(), Trouble> {
    Box::pin(handles(options, folder, report)).await?;
    if !options.without_rest {
        Box::pin(by_rest(options, folder, report)).await?;
    }
    Ok(())
}

fn introduce(options: &Options, folder: &Path) {
    let sample = 1000.min(options.devices);
    let bytes: usize = (0..sample).map(|number| Device::new(number).text_bytes()).sum();
    println!(
        "{} devices of {} bytes of JSON, {} rounds of {:?}; {}",
        options.devices,
        bytes as u64 / sample,
        options.rounds,
        options.span(),
        place::describe(folder)
    );
}

fn reads_name(lanes: usize, decoded: bool) -> String {
    format!("reads, {lanes} in flight{}", if decoded { ", decoded" } else { "" })
}

fn patches_name(lanes: usize) -> String {
    format!("durable patches, {lanes} in flight")
}

/// Rows in the order of the table, with the goals. Those for reads and patches hold at the best
/// number in flight.
fn announce(report: &mut Report) {
    let none = Goal::default();
    report.row(LOAD, Unit::PerSecond, none);
    for decoded in [false, true] {
        for lanes in IN_FLIGHT {
            let goal = Goal { number: Some(100_000.0), ratio: Some(3.0) };
            let goal = if lanes == 1024 { goal } else { none };
            report.row(&reads_name(lanes, decoded), Unit::PerSecond, goal);
        }
    }
    for lanes in IN_FLIGHT {
        let goal = Goal { number: Some(20_000.0), ratio: Some(1.5) };
        let goal = if lanes == 1 { none } else { goal };
        report.row(&patches_name(lanes), Unit::PerSecond, goal);
    }
    report.row(QUERY_MEDIAN, Unit::Milliseconds, none);
    report.row(QUERY, Unit::Milliseconds, Goal { number: Some(5.0), ratio: None });
    for name in [QUERY_SCAN, INDEX, FILTER, COUNT] {
        report.row(name, Unit::Milliseconds, none);
    }
    report.row(COLD, Unit::Milliseconds, Goal { number: Some(1000.0), ratio: None });
}

/// Ours and the peer, in turns.
async fn handles(options: &Options, folder: &Path, report: &mut Report) -> Result<(), Trouble> {
    let path = folder.join("documents.db");
    let store = Store::open(&path, options.devices)?;
    let before = processor_time();
    let ((), took) = timed(store.load()).await?;
    report.number(Ours, LOAD, options.devices as f64 / took.as_secs_f64());
    if let Some(used) = processor_time_since(before) {
        println!("loaded with {:.1} µs of processor each", used.as_micros() as f64 / options.devices as f64);
    }
    let mut peer = None;
    if !options.without_peer {
        let started = Peer::start(folder, options.devices).await?;
        let ((), took) = timed(started.load()).await?;
        report.number(Theirs, LOAD, options.devices as f64 / took.as_secs_f64());
        peer = Some(started);
    }
    once(&store, peer.as_ref(), report).await?;
    println!("on disk: {} MB", disk::size(&path) / 1_000_000);
    if let Some(peer) = &peer {
        println!("on disk, PostgreSQL: {} MB", disk::size(&peer.data()) / 1_000_000);
    }
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        ours(&store, options, report).await?;
        if let Some(peer) = &peer {
            theirs(peer, options, report).await?;
        }
    }
    drop(store);
    for _ in 0..options.rounds {
        let (took, forgotten) = cold::start(&path, options.devices).await?;
        report.time(Ours, COLD, took);
        if !forgotten {
            eprintln!("  the system's caches could not be dropped: this start was not quite cold");
        }
        if let Some(peer) = &mut peer {
            report.time(Theirs, COLD, peer.cold_start().await?);
        }
    }
    Ok(())
}

/// What is slow and steady enough to be measured once.
async fn once(store: &Store, peer: Option<&Peer>, report: &mut Report) -> Result<(), Trouble> {
    let found = alone(report, QUERY_SCAN, store.query(1, 1)).await?;
    if let Some(peer) = peer {
        peer.tidy().await?;
        let (theirs, took) = timed(peer.query(1, 1)).await?;
        report.time(Theirs, QUERY_SCAN, took);
        if found != theirs {
            return Err(format!("ours found {found} devices, the peer {theirs}").into());
        }
    }
    alone(report, INDEX, store.build_index()).await?;
    if let Some(peer) = peer {
        report.time(Theirs, INDEX, timed(peer.build_index()).await?.1);
        peer.tidy().await?;
    }
    alone(report, FILTER, store.filter()).await?;
    alone(report, COUNT, store.count()).await?;
    if let Some(peer) = peer {
        report.time(Theirs, FILTER, timed(peer.filter()).await?.1);
        report.time(Theirs, COUNT, timed(peer.count()).await?.1);
    }
    Ok(())
}

/// Ours, with nothing else in flight.
async fn alone<T>(
    report: &mut Report,
    name: &str,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let before = processor_time();
    let (value, took) = timed(work).await?;
    report.once(name, took, processor_time_since(before));
    Ok(value)
}

async fn ours(store: &Store, options: &Options, report: &mut Report) -> Result<(), Trouble> {
    for decoded in [false, true] {
        for lanes in IN_FLIGHT {
            let measured = store.reads(lanes, decoded, options.span()).await?;
            report.rate(Ours, &reads_name(lanes, decoded), &measured);
        }
    }
    queries(Ours, &store.queries(options.span()).await?, report);
    for lanes in IN_FLIGHT {
        report.rate(Ours, &patches_name(lanes), &store.patches(lanes, options.span()).await?);
    }
    Ok(())
}

/// The peer's best way counts: many connections, or few of them with requests in a row.
async fn theirs(peer: &Peer, options: &Options, report: &mut Report) -> Result<(), Trouble> {
    let ways = |lanes: usize| match lanes {
        1 => vec![Way { connections: 1, depth: 1 }],
        64 => vec![Way { connections: 64, depth: 1 }, Way { connections: 4, depth: 16 }],
        _ => vec![Way { connections: 64, depth: 16 }, Way { connections: 8, depth: 128 }],
    };
    for decoded in [false, true] {
        for lanes in IN_FLIGHT {
            let mut best = Measure::default();
            for way in ways(lanes) {
                let measured = peer.reads(way, decoded, options.span()).await?;
                best = if measured.rate() > best.rate() { measured } else { best };
            }
            report.rate(Theirs, &reads_name(lanes, decoded), &best);
        }
    }
    queries(Theirs, &peer.queries(options.span()).await?, report);
    for lanes in IN_FLIGHT {
        // Commits share an fsync across connections only, so many are always best here.
        let way = ways(lanes)[0];
        report.rate(Theirs, &patches_name(lanes), &peer.patches(way, options.span()).await?);
    }
    Ok(())
}

fn queries(side: Side, measured: &Measure, report: &mut Report) {
    report.number(side, QUERY_MEDIAN, milliseconds(measured.percentile(50.0)));
    report.number(side, QUERY, milliseconds(measured.percentile(99.0)));
}

/// The program as a whole; the client takes its share of the same processors.
async fn by_rest(options: &Options, folder: &Path, report: &mut Report) -> Result<(), Trouble> {
    let devices = options.rest_devices();
    let rest = Rest::start(folder, devices).await?;
    let load = format!("REST, {devices} devices: bulk load");
    report.row(&load, Unit::PerSecond, Goal::default());
    report.number(Ours, &load, devices as f64 / timed(rest.load()).await?.1.as_secs_f64());
    rest.check().await?;
    for _ in 0..options.rounds {
        for lanes in [1, REST_CONNECTIONS] {
            let name = format!("REST: GET twin, {lanes} connections");
            report.rate(Ours, &name, &rest.twin_reads(lanes, options.span()).await?);
        }
        let name = format!("REST: PATCH twin, {REST_CONNECTIONS} connections");
        report.rate(Ours, &name, &rest.twin_patches(REST_CONNECTIONS, options.span()).await?);
        let measured = rest.queries(options.span()).await?;
        report.time(Ours, "REST: two tags, first page of 100, p50", measured.percentile(50.0));
        report.time(Ours, "REST: two tags, first page of 100, p99", measured.percentile(99.0));
    }
    Ok(())
}
