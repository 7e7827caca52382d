//! A process that appends until it is killed, and the opening that comes after.

use std::path::Path;
use std::time::Duration;

use skerry_store::log::{Durability, From, Partition, Reading};

use crate::bench::Bench;
use crate::case::{Case, Shape, Supply};
use crate::child::Killed;
use crate::disk;
use crate::forward::cursor;
use crate::journal::Ours;
use crate::meter::{Trouble, now};
use crate::numbers::{Unit, milliseconds};
use crate::produce::saturate;
use crate::report::{Goal, OURS};

const CASE: (usize, Shape) = (256, Shape::Singles { in_flight: 64 });
const WRITES_FOR: Duration = Duration::from_millis(1000);
const READY: &str = "writing";
const ROW: &str = "killed while writing: open to first read";

/// The other process.
pub(crate) async fn write_until_killed(path: &Path) -> Result<(), Trouble> {
    let ours = Ours::queue(path)?;
    let queue = cursor(&*ours.log()).await?;
    println!("{READY}");
    let case = Case::new(CASE.0, 1, Durability::Synced, CASE.1);
    saturate(&ours, case, Supply::new(u64::MAX, Duration::from_secs(600)), &[queue]).await.map(drop)
}

/// Once with nothing but what the killed process wrote, once with the backlog before it.
pub(crate) async fn run(bench: &mut Bench<'_>, backlog: &Path, records: u64) -> Result<(), Trouble> {
    bench.report.row(ROW, Unit::Milliseconds, Goal::default());
    for _ in 0..bench.options.rounds {
        let large = start(backlog).await?;
        bench.report.number(ROW, OURS, milliseconds(large), crate::backlog::name(records));
        let turn = bench.turn("cold")?;
        let small = start(turn.path()).await?;
        bench.report.number(ROW, "skerry, small", milliseconds(small), String::new());
    }
    Ok(())
}

/// Kills a writer in the middle of its work, forgets the system's caches where that is allowed,
/// and measures the opening until the first read is answered.
async fn start(path: &Path) -> Result<Duration, Trouble> {
    let mut writer = Killed::again(["--writer".as_ref(), path.as_os_str()])?;
    let said = writer.line().await?;
    if said != READY {
        return Err(format!("the writer did not start: {said}").into());
    }
    tokio::time::sleep(WRITES_FOR).await;
    drop(writer);
    if !disk::forget_caches() {
        eprintln!("  the system's caches could not be dropped: this start was not quite cold");
    }
    let began = now();
    let ours = Ours::queue(path)?;
    let page = ours.log().read(Reading::new(Partition::new(0), From::Oldest).at_most(1, 1)).await?;
    let took = now() - began;
    if page.records.is_empty() {
        return Err("nothing came back".into());
    }
    Ok(took)
}
