//! A log whose writer is a thread of its own, in time that stands still while it works: the tests' time goes on
//! only when nobody has anything to do, and does not see that thread.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use skerry_store::documents::Answer;
use skerry_store::log::{
    Batch, Cursor, CursorError, CursorId, Extent, Figures, Follower, Log, Outcomes, Page, Partition,
    Progress, ReadError, Reading, Sequence, Start,
};

/// Of the machine's own time.
const AFTERWARDS: Duration = Duration::from_millis(2);

pub struct Patient(pub Arc<dyn Log>);

/// A blocking task, while which time stands still.
struct Still(mpsc::Sender<()>);

impl Still {
    fn new() -> Self {
        let (over, waits) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || waits.recv());
        Self(over)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        // It waits for nothing else.
        self.0.send(()).ok();
    }
}

impl Log for Patient {
    fn append(&self, batch: Batch) -> Outcomes<'_> {
        let appended = self.0.append(batch);
        Box::pin(async {
            let _still = Still::new();
            appended.await
        })
    }

    fn read(&self, reading: Reading) -> Answer<'_, Page, ReadError> {
        self.0.read(reading)
    }

    fn follow(&self, reading: Reading) -> Box<dyn Follower> {
        self.0.follow(reading)
    }

    fn extent(&self, partition: Partition) -> Answer<'_, Extent, ReadError> {
        self.0.extent(partition)
    }

    fn trim(&self, partition: Partition, before: Sequence) -> Answer<'_, (), CursorError> {
        self.0.trim(partition, before)
    }

    fn cursor<'a>(&'a self, name: &'a str, start: Start) -> Answer<'a, Cursor, CursorError> {
        Box::pin(async move {
            let _still = Still::new();
            self.0.cursor(name, start).await
        })
    }

    fn advance(&self, cursor: CursorId, progress: Progress) -> Answer<'_, (), CursorError> {
        let advanced = self.0.advance(cursor, progress);
        Box::pin(async {
            let _still = Still::new();
            let outcome = advanced.await;
            // Files that nobody wants any more go after the answer.
            tokio::task::spawn_blocking(|| std::thread::sleep(AFTERWARDS)).await.unwrap();
            outcome
        })
    }

    fn drop_cursor(&self, cursor: CursorId) -> Answer<'_, (), CursorError> {
        Box::pin(async move {
            let _still = Still::new();
            self.0.drop_cursor(cursor).await
        })
    }

    fn cursors(&self) -> Vec<Cursor> {
        self.0.cursors()
    }

    fn cursor_bytes(&self, cursor: CursorId) -> Option<u64> {
        self.0.cursor_bytes(cursor)
    }

    fn figures(&self) -> Figures {
        self.0.figures()
    }
}
