//! Promise 8: complete, in order, or `Lagged`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use skerry_store::documents::{
    Action, Body, Change, ChangeKind, ChangeRecord, Commit, Documents, Expect, FollowError, Follower, Key,
    Revision, Scan,
};

use crate::samples::{DEVICES, Dice, MODULES, change, create, key, remove, settle, site};

/// Folds what a follower hears into a map, resyncing when it lags, until `end` is reached.
async fn fold(
    store: &dyn Documents,
    follower: &mut dyn Follower,
    state: &mut BTreeMap<Key, Revision>,
    end: Revision,
) {
    let mut at = Revision::ZERO;
    while at < end {
        match follower.next().await {
            Ok(records) => {
                assert!(!records.is_empty());
                for record in records {
                    at = at.max(record.revision);
                    match record.kind {
                        ChangeKind::Delete => drop(state.remove(&record.key)),
                        _ => drop(state.insert(record.key, record.revision)),
                    }
                }
            }
            Err(FollowError::Lagged(lagged)) => {
                at = lagged.resume;
                *state = snapshot(store, lagged.resume).await;
            }
            Err(other) => panic!("{other}"),
        }
    }
}

async fn snapshot(store: &dyn Documents, at_least: Revision) -> BTreeMap<Key, Revision> {
    let mut all = BTreeMap::new();
    for space in [DEVICES, MODULES] {
        let scan = Scan { at_least: Some(at_least), limit: 100_000, ..Scan::all(space) };
        let page = store.scan(scan).await.unwrap();
        assert_eq!(page.next, None);
        all.extend(page.documents.into_iter().map(|document| (document.key, document.revision)));
    }
    all
}

pub(super) async fn followers_see_everything(store: Arc<dyn Documents>) {
    let mut follower = store.follow(Revision::ZERO);
    let mut dice = Dice(3);
    for round in 0..120 {
        let group = format!("d{}", dice.roll(15));
        match dice.roll(4) {
            0 => drop(remove(&*store, &group).await),
            1 => {
                let module = Key::new(MODULES, &*group, "m");
                let body = Body { packed: vec![round], ..Body::default() };
                let changes = [module, key(&group)];
                let changes = changes.map(|key| change(key, Expect::Anything, Action::Put(body.clone())));
                let happened = |found: &[Option<skerry_store::documents::Document>]| {
                    found.iter().all(|d| d.as_ref().is_some_and(|d| d.body.packed == [round]))
                };
                settle(&*store, Commit::new(&*group, changes.to_vec()), happened).await.unwrap();
            }
            2 => {
                let all =
                    Commit::new(&*group, vec![change(key(&group), Expect::Anything, Action::DeleteGroup)]);
                settle(&*store, all, |found| found[0].is_none()).await.unwrap();
            }
            _ => drop(create(&*store, &group, &json!({ "round": round })).await),
        }
    }
    create(&*store, "last", &site("x")).await;
    let end = store.latest().await.unwrap();
    let mut state = BTreeMap::new();
    fold(&*store, &mut *follower, &mut state, end).await;
    assert_eq!(state, snapshot(&*store, end).await);
}

async fn collect(follower: &mut dyn Follower, end: Revision) -> Result<Vec<ChangeRecord>, FollowError> {
    let mut all: Vec<ChangeRecord> = Vec::new();
    while all.last().is_none_or(|last| last.revision < end) {
        let batch = follower.next().await?;
        // Repeats are allowed; records of one commit are never torn apart.
        all.extend(batch);
    }
    all.sort_by_key(|record| record.revision);
    all.dedup();
    Ok(all)
}

pub(super) async fn followers_continue_where_they_were(store: Arc<dyn Documents>) {
    for round in 0..30u8 {
        let mut changes: Vec<Change> = ["", "m", "n"]
            .map(|name| change(Key::new(MODULES, "a", name), Expect::Anything, Action::Put(Body::default())))
            .to_vec();
        for (n, change) in changes.iter_mut().enumerate() {
            change.note = vec![round, n as u8];
        }
        // Repeating a commit is harmless here, so an unknown outcome is simply tried again.
        while store.commit(Commit::new("a", changes.clone())).await.is_err() {}
    }
    let end = store.latest().await.unwrap();
    let everything = loop {
        if let Ok(all) = collect(&mut *store.follow(Revision::ZERO), end).await {
            break all;
        }
    };
    assert!(everything.len() >= 90 && everything.len().is_multiple_of(3));
    assert_eq!(everything[0].note, [0, 0]);
    assert_eq!(everything.last().unwrap().note, [29, 2]);
    for commit in everything.chunks(3) {
        assert!(commit.iter().all(|record| record.revision == commit[0].revision));
        assert_eq!([0, 1, 2].map(|n| commit[n].note[1]), [0, 1, 2]);
    }
    for start in [2, 50, 89] {
        let from = everything[start].revision;
        let rest: Vec<ChangeRecord> =
            everything.iter().filter(|record| record.revision > from).cloned().collect();
        if rest.is_empty() {
            continue;
        }
        let found = loop {
            if let Ok(all) = collect(&mut *store.follow(from), end).await {
                break all;
            }
        };
        let fresh: Vec<ChangeRecord> = found.into_iter().filter(|record| record.revision > from).collect();
        assert_eq!(fresh, rest);
    }
}

pub(super) async fn a_follower_waits(store: Arc<dyn Documents>) {
    let now = create(&*store, "a", &site("x")).await;
    let now = now.max(store.latest().await.unwrap());
    let mut follower = store.follow(now);
    let waiting = tokio::spawn(async move { follower.next().await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiting.is_finished());
    let next = create(&*store, "b", &site("x")).await;
    match waiting.await.unwrap() {
        Ok(records) => assert_eq!(records[0].key, key("b")),
        Err(FollowError::Lagged(lagged)) => assert!(lagged.resume >= now && lagged.resume <= next),
        Err(other) => panic!("{other}"),
    }
}

pub(super) async fn a_follower_from_the_future_lags(store: Arc<dyn Documents>) {
    create(&*store, "a", &site("x")).await;
    let future = Revision::from_number(store.latest().await.unwrap().number() + 1000);
    let mut follower = store.follow(future);
    assert!(matches!(follower.next().await, Err(FollowError::Lagged(_))));
}
