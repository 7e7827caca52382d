//! The cap: what lies on the disk while three times as much is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use skerry_store::log::{AppendError, Batch, CursorId, Durability, Full, Log, Winner};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::case::{BATCHES, Case, Payloads, Supply};
use crate::disk;
use crate::forward::{cursor, follow};
use crate::journal::{Ours, segment_bytes};
use crate::meter::Trouble;
use crate::numbers::Unit;
use crate::produce::{append, saturate};
use crate::report::{Goal, OURS};
use crate::stop::Stop;

const CAP: u64 = 256 << 20;
const SIZE: usize = 256;
const WRITES_MAX: Duration = Duration::from_secs(60);
/// Of the performance budget: within one file of the log.
const GOAL: Goal = Goal { number: Some(1.0), ratio: None };

/// Who gives way, and whether what is wanted is drained meanwhile.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Oldest,
    Wanted,
    Drained,
}

impl Way {
    fn name(self) -> String {
        let who = match self {
            Way::Oldest => "the oldest go",
            Way::Wanted => "what is wanted stays",
            Way::Drained => "what is wanted stays, and is drained from then on",
        };
        format!("cap of {} MB, {who}: most on disk beyond the cap", CAP >> 20)
    }
}

pub(crate) async fn run(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    for way in [Way::Oldest, Way::Wanted, Way::Drained] {
        let turn = bench.turn("cap")?;
        let winner = if way == Way::Oldest { Winner::Retention } else { Winner::Cursors };
        let ours = Ours::with(turn.path(), winner, CAP)?;
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
        let writing = async {
            let written = write(&ours, way).await;
            watched.now();
            written
        };
        let (watching, written) = tokio::join!(watching, writing);
        watching?;
        let said = written?;
        let figures = ours.figures();
        let removed = figures.removed_by_cap_bytes + figures.removed_settled_bytes;
        let note = format!(
            "at most {:.1} MB; {:.1} MB written, {:.1} MB removed{said}",
            most.load(Relaxed) as f64 / 1e6,
            figures.written_bytes as f64 / 1e6,
            removed as f64 / 1e6
        );
        let beyond = most.load(Relaxed) as f64 - CAP as f64;
        bench.report.row(&way.name(), Unit::Segments, GOAL);
        bench.report.number(&way.name(), OURS, beyond / segment_bytes(CAP) as f64, note);
    }
    Ok(())
}

/// Three times the cap, or as much as goes in; answers what else is worth a word.
async fn write(ours: &Ours, way: Way) -> Result<String, Trouble> {
    let case = Case::new(SIZE, 1, Durability::Written, BATCHES);
    let records = 3 * CAP / SIZE as u64;
    let supply = Supply::new(records, WRITES_MAX);
    match way {
        Way::Oldest => saturate(ours, case, supply, &[]).await.map(|_| String::new()),
        Way::Wanted => {
            let queue = cursor(&*ours.log()).await?;
            let written = saturate(ours, case, supply, &[queue]).await;
            let refused = written.as_ref().err().and_then(|error| error.downcast_ref::<AppendError>());
            match refused {
                // Then it is full, and that is right.
                Some(AppendError::Full(Full::Cap { .. })) => Ok(String::new()),
                _ => Err(format!("nothing was refused at the cap: {:?}", written.err()).into()),
            }
        }
        Way::Drained => {
            let log = ours.log();
            let queue = cursor(&*log).await?;
            let (full, (told, enough)) = (Arc::new(Notify::new()), watch::channel(None));
            let writing = async {
                let (records, refused) = write_on(&log, case, queue, supply, &full).await?;
                full.notify_one();
                told.send(Some(records))?;
                Ok(refused)
            };
            // The uplink is back when nothing more goes in.
            let draining = async {
                full.notified().await;
                follow(&log, queue, enough).await
            };
            let (refused, ()) = tokio::try_join!(writing, draining)?;
            Ok(format!(", all of it taken, {refused} batches after they were refused"))
        }
    }
}

/// Senders that try again when there is no room; answers how many records went in, and how often
/// there was none.
async fn write_on(
    log: &Arc<dyn Log>,
    case: Case,
    queue: CursorId,
    supply: Supply,
    full: &Arc<Notify>,
) -> Result<(u64, u64), Trouble> {
    let mut senders = JoinSet::new();
    for _ in 0..case.shape.tasks() {
        let (log, supply, full) = (log.clone(), supply.clone(), full.clone());
        let payloads = Payloads::new(case.size);
        senders.spawn(async move {
            let wanted_by = Arc::from([queue]);
            let (mut records, mut refused) = (0, 0);
            while let Some(numbers) = supply.take(case.shape.records()) {
                let drafts: Vec<_> =
                    numbers.map(|number| payloads.draft(&case, number, &wanted_by)).collect();
                // A group that finds no room is refused whole.
                while let Err(error) = append(&*log, Batch::new(drafts.clone(), case.durability)).await {
                    if !matches!(error, AppendError::Full(Full::Cap { .. })) {
                        return Err(error);
                    }
                    refused += 1;
                    full.notify_one();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                records += drafts.len() as u64;
            }
            Ok((records, refused))
        });
    }
    let (mut records, mut refused) = (0, 0);
    while let Some(done) = senders.join_next().await {
        let done = done??;
        (records, refused) = (records + done.0, refused + done.1);
    }
    Ok((records, refused))
}
