//! Whom new records wake.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};

use skerry_store::journal::{Journal, JournalOptions};
use skerry_store::log::{
    Batch, CursorId, CursorKind, Draft, Durability, From, Log, Partition, Reading, Sequence, Start, Winner,
};

use super::disk::Disk;
use super::world::options;

#[derive(Default)]
struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

async fn append(log: &Journal, cursor: CursorId, count: usize) {
    let draft = Draft { payload: vec![0; 10].into(), wanted_by: [cursor].into(), ..Draft::default() };
    let outcomes = log.append(Batch::new(vec![draft; count], Durability::Written)).await;
    assert!(outcomes.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_queue_is_woken_for_what_it_wants_and_to_pass_much_that_it_does_not() {
    let options = options(&Disk::new(), Winner::Cursors, 0);
    // What is read from files comes from another thread, with wakes of its own.
    let settings = JournalOptions { recent_bytes_max: 1 << 20, recent_groups_max: 1024, ..options };
    let log = Journal::open(settings).unwrap();
    let start = Start { kind: CursorKind::Wanted, ..Start::default() };
    let mut cursors = Vec::new();
    for name in ["busy", "quiet"] {
        cursors.push(log.cursor(name, start).await.unwrap().id);
    }
    let (busy, quiet) = (cursors[0], cursors[1]);
    let from = From::Sequence(Sequence::ZERO);
    let mut pages = log.follow(Reading::new(Partition::default(), from).wanted_by(quiet));
    let wakes = Arc::new(Counting::default());
    let waker = Waker::from(wakes.clone());
    let mut context = Context::from_waker(&waker);
    {
        let mut next = pin!(pages.next());
        assert!(next.as_mut().poll(&mut context).is_pending());
        for _ in 0..10 {
            append(&log, busy, 1).await;
        }
        assert_eq!(wakes.0.load(SeqCst), 0, "nothing was for it");
        append(&log, quiet, 1).await;
        assert_eq!(wakes.0.load(SeqCst), 1);
        let page = next.await.unwrap();
        assert_eq!(page.records.iter().map(|record| record.sequence.number()).collect::<Vec<_>>(), [10]);
    }
    {
        let mut next = pin!(pages.next());
        assert!(next.as_mut().poll(&mut context).is_pending());
        for _ in 0..12 {
            append(&log, busy, 100).await;
        }
        assert_eq!(wakes.0.load(SeqCst), 2, "its place is far behind");
        assert!(next.as_mut().poll(&mut context).is_pending());
    }
    assert!(pages.position().unwrap().number() > 1000);
}
