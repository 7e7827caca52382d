//! Opening, closing, restarting, copying.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use skerry_store::documents::{CommitError, Documents, FollowError, ReadError, Revision, Scan};
use skerry_store::{BackupError, EmbeddedDocuments, EmbeddedOptions, OpenError};

use crate::samples::{DEVICES, create, embedded, fresh, key, options, put, site, walk};

#[test]
fn files_of_others_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("documents.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE theirs (x); PRAGMA application_id = 7").unwrap();
    drop(other);
    let refused = EmbeddedDocuments::open(options(directory.path())).map(drop).unwrap_err();
    assert!(matches!(&refused, OpenError::Foreign { found: 7, .. }), "{refused}");
    std::fs::write(&path, [b'x'; 8192]).unwrap();
    let refused = EmbeddedDocuments::open(options(directory.path())).map(drop).unwrap_err();
    assert!(matches!(&refused, OpenError::Foreign { .. }), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), [b'x'; 8192]);
    let nowhere = EmbeddedOptions::new(directory.path().join("no/such/place.db"));
    assert!(matches!(EmbeddedDocuments::open(nowhere).map(drop), Err(OpenError::Unusable { .. })));
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = embedded(directory.path());
    create(&store, "a", &site("x")).await;
    drop(store);
    let path = directory.path().join("documents.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let refused = EmbeddedDocuments::open(options(directory.path())).map(drop).unwrap_err();
    assert!(matches!(&refused, OpenError::Newer { found: 99, known: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("newer program"), "{refused}");
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = embedded(directory.path());
    for n in 0..50 {
        create(&store, &format!("d{n:02}"), &json!({ "n": n })).await;
    }
    let twice = EmbeddedDocuments::open(options(directory.path())).map(drop);
    assert!(matches!(twice, Err(OpenError::InUse { .. })));
    let (before, revision) = (fresh(&store, &key("d07")).await, store.revision());
    drop(store);
    let log = directory.path().join("documents.db-wal");
    assert!(!log.exists(), "a clean end leaves no log behind");
    let store = embedded(directory.path());
    assert_eq!(store.revision(), revision);
    assert_eq!(fresh(&store, &key("d07")).await, before);
    assert!(create(&store, "d07", &site("later")).await > revision);
    let mut follower = store.follow(revision);
    assert_eq!(follower.next().await.unwrap()[0].key, key("d07"));
}

#[tokio::test]
async fn a_walk_goes_on_after_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let groups: Vec<String> = (0..40).map(|n| format!("d{n:02}")).collect();
    let store = embedded(directory.path());
    for group in &groups {
        create(&store, group, &site("x")).await;
    }
    drop(store);
    let mut scan = Scan { limit: 9, ..Scan::all(DEVICES) };
    let mut seen = Vec::new();
    loop {
        let store = embedded(directory.path());
        let page = store.scan(scan.clone()).await.unwrap();
        seen.extend(page.documents.into_iter().map(|document| document.key.group));
        match page.next {
            Some(next) => scan.after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, groups);
}

#[tokio::test]
async fn closing_ends_what_was_queued() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(embedded(directory.path()));
    create(&*store, "first", &site("x")).await;
    let mut follower = store.follow(store.revision());
    let waiting = tokio::spawn(async move {
        loop {
            if let Err(error) = follower.next().await {
                return error;
            }
        }
    });
    let commits: Vec<_> = (0..500)
        .map(|n| {
            let store = store.clone();
            let commit = put(&format!("d{n}"), skerry_store::documents::Expect::Anything, &site("x"));
            tokio::spawn(async move { store.commit(commit).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let closing = store.clone();
    tokio::task::spawn_blocking(move || closing.close()).await.unwrap();
    let mut answered = 0;
    for commit in commits {
        match commit.await.unwrap() {
            Ok(_) => answered += 1,
            Err(CommitError::Closed) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(store.get(&key("first"), None).await, Err(ReadError::Closed));
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap(),
        FollowError::Closed
    );
    drop(store);
    let store = embedded(directory.path());
    assert_eq!(store.count(Scan::all(DEVICES)).await.unwrap(), answered + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_one_moment_of_a_busy_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(embedded(directory.path()));
    for n in 0..300 {
        create(&*store, &format!("d{n:03}"), &json!({ "fill": "x".repeat(500) })).await;
    }
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..400 {
                create(&*store, "d000", &json!({ "n": n })).await;
                create(&*store, "d001", &json!({ "n": n })).await;
            }
        })
    };
    let copy = directory.path().join("copy").join("documents.db");
    assert!(matches!(store.backup_to(&copy).await, Err(BackupError::Failed { .. })));
    std::fs::create_dir(copy.parent().unwrap()).unwrap();
    store.backup_to(&copy).await.unwrap();
    assert!(matches!(store.backup_to(&copy).await, Err(BackupError::Exists { .. })));
    writer.await.unwrap();
    let restored = embedded(copy.parent().unwrap());
    assert_eq!(walk(&restored, Scan::all(DEVICES)).await.len(), 300);
    let n = async |group| {
        let tags = fresh(&restored, &key(group)).await.unwrap().body.tags.decode().unwrap();
        tags["n"].as_i64().unwrap_or(-1)
    };
    let behind = n("d000").await - n("d001").await;
    assert!((0..=1).contains(&behind), "{behind}");
    assert!(restored.revision() > Revision::ZERO && restored.revision() < store.revision());
    let mut follower = restored.follow(store.revision());
    assert!(matches!(follower.next().await, Err(FollowError::Lagged(_))));
}
