//! The cap: what lies on the disk while three times as much is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use skerry_store::log::{AppendError, Durability, Full, Winner};

use crate::bench::Bench;
use crate::case::{BATCHES, Case, Supply};
use crate::disk;
use crate::forward::cursor;
use crate::journal::{Ours, segment_bytes};
use crate::meter::Trouble;
use crate::numbers::Unit;
use crate::produce::saturate;
use crate::report::{Goal, OURS};
use crate::stop::Stop;

const CAP: u64 = 256 << 20;
const SIZE: usize = 256;
const WRITES_MAX: Duration = Duration::from_secs(60);
/// Of the performance budget: within one file of the log.
const GOAL: Goal = Goal { number: Some(1.0), ratio: None };

fn name(winner: Winner) -> String {
    let who = match winner {
        Winner::Retention => "the oldest go",
        Winner::Cursors => "what is wanted stays",
    };
    format!("cap of {} MB, {who}: most on disk beyond the cap", CAP >> 20)
}

pub(crate) async fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    for winner in [Winner::Retention, Winner::Cursors] {
        let turn = bench.turn("cap")?;
        let ours = Ours::with(turn.path(), winner, CAP)?;
        let wanted_by = match winner {
            Winner::Retention => vec![],
            Winner::Cursors => vec![cursor(&*ours.log()).await?],
        };
        let (watched, most) = (Stop::default(), Arc::new(AtomicU64::new(0)));
        let watching = {
            let (path, watched, most) = (turn.path().to_owned(), watched.clone(), most.clone());
            bench.blocking(move |stop| {
                while !watched.is_now() && !stop.is_now() {
                    most.fetch_max(disk::size(&path), Relaxed);
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(())
            })
        };
        let case = Case::new(SIZE, 1, Durability::Written, BATCHES);
        let supply = Supply::new(3 * CAP / SIZE as u64, WRITES_MAX);
        let writing = async {
            let written = saturate(&ours, case, supply, &wanted_by).await;
            watched.now();
            written
        };
        let (watching, written) = tokio::join!(watching, writing);
        watching?;
        // Cursors win: then it is refused, and that is right.
        let refused = written.as_ref().err().and_then(|error| error.downcast_ref::<AppendError>());
        if !matches!(refused, Some(AppendError::Full(Full::Cap { .. }))) || winner == Winner::Retention {
            written?;
        }
        let figures = ours.figures();
        let note = format!(
            "at most {:.1} MB; {:.1} MB written, {:.1} MB removed",
            most.load(Relaxed) as f64 / 1e6,
            figures.written_bytes as f64 / 1e6,
            figures.removed_by_cap_bytes as f64 / 1e6
        );
        let beyond = most.load(Relaxed) as f64 - CAP as f64;
        bench.report.row(&name(winner), Unit::Segments, GOAL);
        bench.report.number(&name(winner), OURS, beyond / segment_bytes(CAP) as f64, note);
    }
    Ok(())
}
