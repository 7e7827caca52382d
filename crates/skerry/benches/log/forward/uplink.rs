//! What drains a queue: page by page, and it reads on while what it has done with is being settled,
//! as an uplink does that has more than one message on its way.

use std::sync::Arc;

use skerry_store::log::{
    CursorError, CursorId, Durability, From, Log, Page, Partition, Progress, Reading, Sequence,
};
use tokio::sync::{mpsc, watch};

use crate::meter::Trouble;

/// Records of a page.
const PAGE: usize = 500;
/// Pages that are done with and not settled, at most.
const UNSETTLED: usize = 8;

fn reading(from: From, queue: CursorId) -> Reading {
    Reading::new(Partition::new(0), from).wanted_by(queue).at_most(PAGE, 1 << 20)
}

/// Drains as records come, until as many came as were appended.
pub(crate) async fn follow(
    log: &Arc<dyn Log>,
    queue: CursorId,
    mut enough: watch::Receiver<Option<u64>>,
) -> Result<(), Trouble> {
    let mut follower = log.follow(reading(From::Oldest, queue));
    let mut settling = Settling::begin(log, queue);
    while enough.borrow_and_update().is_none_or(|enough| settling.records < enough) {
        tokio::select! {
            page = follower.next() => settling.settle(page?).await?,
            told = enough.changed() => told?,
        }
    }
    settling.end().await
}

/// Reads until so many records are done, and returns when all are settled.
pub(crate) async fn drain(log: &Arc<dyn Log>, queue: CursorId, records: u64) -> Result<(), Trouble> {
    let mut from = Sequence::ZERO;
    let mut settling = Settling::begin(log, queue);
    while settling.records < records {
        let page = log.read(reading(From::Sequence(from), queue)).await?;
        if page.records.is_empty() && page.next == from {
            return Err(format!("{records} records were stored, {} came back", settling.records).into());
        }
        from = page.next;
        settling.settle(page).await?;
    }
    settling.end().await
}

/// Settlements on their way: one at a time, of whatever was done with during the one before.
struct Settling {
    done: mpsc::Sender<Progress>,
    settler: tokio::task::JoinHandle<Result<(), Trouble>>,
    records: u64,
}

impl Settling {
    fn begin(log: &Arc<dyn Log>, queue: CursorId) -> Self {
        let (done, mut waiting) = mpsc::channel::<Progress>(UNSETTLED);
        let log = log.clone();
        let settler = tokio::spawn(async move {
            while let Some(mut progress) = waiting.recv().await {
                while let Ok(more) = waiting.try_recv() {
                    progress.below = more.below;
                    progress.records += more.records;
                    progress.bytes += more.bytes;
                }
                match log.advance(queue, progress).await {
                    // Where there is no room it counts, and is written when there is.
                    Ok(()) | Err(CursorError::Full(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        });
        Self { done, settler, records: 0 }
    }

    async fn settle(&mut self, page: Page) -> Result<(), Trouble> {
        if !page.lost.is_empty() {
            return Err(format!("the log lost records: {:?}", page.lost).into());
        }
        std::hint::black_box(&page.records);
        let records = page.records.len() as u64;
        let bytes = page.records.iter().map(|record| (record.headers.len() + record.payload.len()) as u64);
        // As edge queues settle by default: after a power cut some come again.
        let (bytes, durability) = (bytes.sum(), Durability::Written);
        let progress = Progress { below: page.next, records, bytes, durability, ..Progress::default() };
        self.records += records;
        self.done.send(progress).await.map_err(|_| "a settlement failed")?;
        Ok(())
    }

    /// Waits for the last one.
    async fn end(self) -> Result<(), Trouble> {
        drop(self.done);
        self.settler.await?
    }
}
