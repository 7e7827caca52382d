//! A disk without room, and a disk that fails.

use std::sync::atomic::Ordering::SeqCst;

use skerry_store::documents::{Action, Body, Commit, CommitError, Documents, Expect, Scan};
use skerry_store::{EmbeddedDocuments, EmbeddedOptions};

use super::vfs::register;
use crate::samples::{DEVICES, change, create, fresh, key, options, put, site};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_changes_nothing_and_it_goes_on_by_itself() {
    let recorder = register("full");
    let directory = tempfile::tempdir().unwrap();
    let options = || EmbeddedOptions {
        vfs: Some("full".into()),
        checkpoint_bytes: 256 << 10,
        ..options(directory.path())
    };
    let store = EmbeddedDocuments::open(options()).unwrap();
    let large = |n: usize| {
        let group = format!("d{n:04}");
        let body = Body { sealed: vec![1; 10_000], ..Body::default() };
        Commit::new(&*group, vec![change(key(&group), Expect::Absent, Action::Put(body))])
    };
    let mut there = 0;
    for room in [3_000, 40_000, 100_000, 777_777, 1_000_000] {
        recorder.room.store(room, SeqCst);
        recorder.limited.store(true, SeqCst);
        let mut refused = 0;
        while refused < 3 {
            match store.commit(large(there)).await {
                Ok(_) => there += 1,
                Err(CommitError::Full(_)) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(store.count(Scan::all(DEVICES)).await.unwrap(), there as u64, "reads go on");
        assert_eq!(fresh(&store, &key(&format!("d{there:04}"))).await, None);
        recorder.limited.store(false, SeqCst);
        store.commit(large(there)).await.unwrap();
        there += 1;
    }
    drop(store);
    let store = EmbeddedDocuments::open(options()).unwrap();
    assert_eq!(store.count(Scan::all(DEVICES)).await.unwrap(), there as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_is_unknown_and_ends_all_writing() {
    let recorder = register("failing");
    let directory = tempfile::tempdir().unwrap();
    let options = || EmbeddedOptions { vfs: Some("failing".into()), ..options(directory.path()) };
    let store = EmbeddedDocuments::open(options()).unwrap();
    // Twice: the checkpoint that follows the first commit is over when the second is answered.
    create(&store, "before", &site("x")).await;
    create(&store, "before", &site("x")).await;
    recorder.failing_sync.store(true, SeqCst);
    let outcome = store.commit(put("during", Expect::Absent, &site("x"))).await;
    assert_eq!(outcome, Err(CommitError::Unknown));
    recorder.failing_sync.store(false, SeqCst);
    let after = store.commit(put("after", Expect::Absent, &site("x"))).await;
    assert!(matches!(after, Err(CommitError::Damaged(_))), "{after:?}");
    assert!(fresh(&store, &key("before")).await.is_some(), "reads go on");
    drop(store);
    let store = EmbeddedDocuments::open(options()).unwrap();
    assert!(fresh(&store, &key("before")).await.is_some());
    assert!(fresh(&store, &key("after")).await.is_none());
    create(&store, "after", &site("x")).await;
}
