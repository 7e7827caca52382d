//! What happens at the bounds: records, room, callers' own panics.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use skerry_store::documents::{
    Action, Body, Busy, Commit, CommitError, Document, Documents, Expect, FollowError, Revision, Scan,
};
use skerry_store::{EmbeddedDocuments, EmbeddedOptions};

use crate::samples::{DEVICES, change, create, fresh, key, options, remove, site, walk};

#[tokio::test]
async fn old_records_go_and_followers_lag() {
    let directory = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { change_records_max: 50, ..options(directory.path()) };
    let store = EmbeddedDocuments::open(options).unwrap();
    let mut follower = store.follow(Revision::ZERO);
    create(&store, "a", &site("x")).await;
    assert_eq!(follower.next().await.unwrap().len(), 1);
    for n in 0..500 {
        create(&store, &format!("d{}", n % 20), &json!({ "n": n })).await;
    }
    let Err(FollowError::Lagged(lagged)) = follower.next().await else { panic!("it must lag") };
    assert_eq!(lagged.resume, store.revision());
    let next = create(&store, "z", &site("x")).await;
    let records = follower.next().await.unwrap();
    assert_eq!((records.len(), records[0].revision), (1, next));
    let recent = Revision::from_number(next.number() - 40);
    assert_eq!(store.follow(recent).next().await.unwrap().len(), 40);
    drop(store);
    let file = rusqlite::Connection::open(directory.path().join("documents.db")).unwrap();
    let kept: i64 = file.query_row("SELECT count(*) FROM changes", [], |row| row.get(0)).unwrap();
    assert!((45..=50).contains(&kept), "{kept}");
    let (counted, there): (i64, i64) = file
        .query_row(
            "SELECT change_bytes, (SELECT sum(length(grp) + length(name) + length(note) + 32) FROM changes) FROM state",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(counted, there);
}

#[tokio::test]
async fn records_are_bounded_by_bytes_too() {
    let directory = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { change_bytes_max: 20_000, ..options(directory.path()) };
    let store = EmbeddedDocuments::open(options).unwrap();
    for _ in 0..100 {
        let mut noted = change(key("a"), Expect::Anything, Action::Put(Body::default()));
        noted.note = vec![1; 1000];
        store.commit(Commit::new("a", vec![noted])).await.unwrap();
    }
    let newest = store.revision().number();
    assert!(matches!(
        store.follow(Revision::from_number(newest - 30)).next().await,
        Err(FollowError::Lagged(_))
    ));
    assert_eq!(store.follow(Revision::from_number(newest - 15)).next().await.unwrap().len(), 15);
}

#[tokio::test]
async fn a_full_file_refuses_and_goes_on_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { file_bytes_max: Some(1 << 20), ..options(directory.path()) };
    let store = EmbeddedDocuments::open(options).unwrap();
    let large = |n: usize| {
        let group = format!("d{n:04}");
        let body = Body { sealed: vec![1; 20_000], ..Body::default() };
        Commit::new(&*group, vec![change(key(&group), Expect::Absent, Action::Put(body))])
    };
    let mut there = 0;
    let full = loop {
        match store.commit(large(there)).await {
            Ok(_) => there += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, CommitError::Full(_)), "{full}");
    assert!((20..60).contains(&there), "{there}");
    assert_eq!(store.count(Scan::all(DEVICES)).await.unwrap(), there as u64);
    assert_eq!(fresh(&store, &key(&format!("d{there:04}"))).await, None);
    for n in 0..5 {
        remove(&store, &format!("d{n:04}")).await;
    }
    store.commit(large(there)).await.unwrap();
    assert!(fresh(&store, &key(&format!("d{there:04}"))).await.is_some());
}

#[tokio::test]
async fn a_panic_in_accept_ends_only_its_own_question() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedDocuments::open(options(directory.path())).unwrap();
    create(&store, "a", &site("x")).await;
    for _ in 0..5 {
        let scan = Scan { accept: Some(Arc::new(|_| panic!("on purpose"))), ..Scan::all(DEVICES) };
        assert!(store.scan(scan).await.is_err());
    }
    assert_eq!(walk(&store, Scan::all(DEVICES)).await, ["a"]);
    for _ in 0..10 {
        assert!(fresh(&store, &key("a")).await.is_some());
    }
}

#[tokio::test]
async fn the_log_stays_short() {
    let directory = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { checkpoint_bytes: 1 << 20, ..options(directory.path()) };
    let store = EmbeddedDocuments::open(options).unwrap();
    let mut longest = 0;
    for round in 0..40 {
        let puts = (0..100).map(|n| {
            let body = Body { sealed: vec![round; 2000], ..Body::default() };
            let key = skerry_store::documents::Key::new(DEVICES, "a", format!("m{n}"));
            change(key, Expect::Anything, Action::Put(body))
        });
        store.commit(Commit::new("a", puts.collect())).await.unwrap();
        let log = std::fs::metadata(directory.path().join("documents.db-wal")).unwrap().len();
        longest = longest.max(log);
    }
    assert!(longest < 4 << 20, "{longest}");
}

#[tokio::test]
async fn reads_that_find_no_room_are_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        readers: 1,
        reads_queued_max: 2,
        wait_max: Duration::from_millis(30),
        ..options(directory.path())
    };
    let store = Arc::new(EmbeddedDocuments::open(options).unwrap());
    create(&*store, "a", &site("x")).await;
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let (begun, begins) = tokio::sync::oneshot::channel();
    let begun = std::sync::Mutex::new(Some(begun));
    let accept = move |_: &Document| {
        begun.lock().unwrap().take().into_iter().for_each(|begun| begun.send(()).unwrap());
        held.lock().unwrap().recv().is_ok()
    };
    let slow = {
        let scan = Scan { accept: Some(Arc::new(accept)), ..Scan::all(DEVICES) };
        let store = store.clone();
        tokio::spawn(async move { store.scan(scan).await })
    };
    begins.await.unwrap();
    let second = {
        let store = store.clone();
        tokio::spawn(async move { store.get(&key("a"), None).await })
    };
    while store.figures().reads_queued < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.get(&key("a"), None).await, Err(Busy { queued: 2 }.into()));
    assert_eq!(store.figures().reads_turned_away, 1);
    create(&*store, "b", &site("x")).await;
    let_go.send(()).unwrap();
    let_go.send(()).unwrap();
    assert_eq!(slow.await.unwrap().unwrap().documents.len(), 1, "its state is older than the second commit");
    assert!(second.await.unwrap().unwrap().is_some());
    assert!(store.get(&key("b"), None).await.unwrap().is_some());
}
