//! Many records that wait for a reader: what a process needs that opens such a log and reads on.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use skerry_store::log::{Batch, CursorId, Durability, Log};

use crate::bench::Bench;
use crate::case::{BATCHES, Case, Payloads, Supply};
use crate::child::Killed;
use crate::disk;
use crate::forward::{cursor, drain};
use crate::journal::Ours;
use crate::meter::Trouble;
use crate::numbers::Unit;
use crate::options::Options;
use crate::produce::{append, saturate};
use crate::report::{Goal, OURS};

const SIZE: usize = 256;
const FILL_MAX: Duration = Duration::from_secs(120);
/// What is drained of it, where memory is measured.
const DRAINED: u64 = 1_000_000;
/// Of the performance budget, in MB.
const GOAL: Goal = Goal { number: Some(20.0), ratio: None };

/// How much waits, in words.
pub(crate) fn name(records: u64) -> String {
    format!("backlog of {:.1} M records of {SIZE} B", records as f64 / 1e6)
}

/// Puts the backlog into `path`; answers how many records it has.
pub(crate) async fn fill(bench: &mut Bench<'_>, path: &Path) -> Result<u64, Trouble> {
    let ours = Ours::queue(path)?;
    let queue = cursor(&*ours.log()).await?;
    let case = Case::new(SIZE, 1, Durability::Written, BATCHES);
    let supply = Supply::new(bench.options.backlog, FILL_MAX);
    let mut taken = saturate(&ours, case, supply, &[queue]).await?;
    drop(ours);
    taken.on_disk = Some(disk::size(path));
    if taken.records < bench.options.backlog {
        eprintln!("  this disk took {} records in {FILL_MAX:?}: that is the backlog then", taken.records);
    }
    bench.report.rate(&format!("{}: append", name(taken.records)), OURS, SIZE, &taken);
    Ok(taken.records)
}

/// Another process opens the log and drains a part of it, while more comes in.
pub(crate) async fn run(bench: &mut Bench<'_>, path: &Path, records: u64) -> Result<(), Trouble> {
    let text = records.to_string();
    let mut holder =
        Killed::again(["--hold".as_ref(), path.as_os_str(), "--backlog".as_ref(), text.as_ref()])?;
    for (what, goal) in WHAT.into_iter().zip([Goal::default(), Goal::default(), Goal::default(), GOAL]) {
        let line = holder.line().await?;
        let row = format!("{}: {what}", name(records));
        bench.report.row(&row, Unit::Megabytes, goal);
        bench.report.number(&row, OURS, line.parse::<f64>()? / 1e6, String::new());
    }
    Ok(())
}

/// What the other process tells, line by line.
const WHAT: [&str; 4] = [
    "memory before it is opened",
    "memory when it is open",
    "memory when a part is drained, more coming in",
    "most memory ever",
];

/// The other process.
pub(crate) async fn hold(path: &Path, options: &Options) -> Result<(), Trouble> {
    println!("{}", memory("VmRSS")?);
    let ours = Ours::queue(path)?;
    let log = ours.log();
    let queue = cursor(&*log).await?;
    println!("{}", memory("VmRSS")?);
    tokio::select! {
        drained = drain(&log, queue, DRAINED.min(options.backlog)) => drained?,
        failed = append_on(&log, queue) => match failed? {},
    }
    println!("{}", memory("VmRSS")?);
    println!("{}", memory("VmHWM")?);
    Ok(())
}

/// One sender, for as long as it is let.
async fn append_on(log: &Arc<dyn Log>, queue: CursorId) -> Result<Infallible, Trouble> {
    let case = Case::new(SIZE, 1, Durability::Synced, BATCHES);
    let (payloads, wanted_by) = (Payloads::new(SIZE), Arc::from([queue]));
    for first in (0..).step_by(case.shape.records() as usize) {
        let numbers = first..first + case.shape.records();
        let drafts = numbers.map(|number| payloads.draft(&case, number, &wanted_by)).collect();
        append(&**log, Batch::new(drafts, case.durability)).await?;
    }
    Err("there are no more numbers".into())
}

/// Bytes of this process, as the system counts them.
fn memory(what: &str) -> Result<u64, Trouble> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).ok_or("the system does not tell")?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}
