//! Promises 1 to 5: whole, durable, three outcomes, revisions, reads.

use std::sync::Arc;

use serde_json::json;
use skerry_store::documents::{
    Action, Body, Commit, CommitError, Documents, Expect, Json, Key, Revision, Update,
};

use crate::samples::{DEVICES, MODULES, body, change, create, fresh, key, put, remove, settle, site};

pub(super) async fn every_piece_comes_back(store: Arc<dyn Documents>) {
    let body = Body {
        identity: Json::encode(&json!({"id": "a", "n": 1.5})),
        tags: Json::encode(&json!({"site": "é\u{0}\"x"})),
        desired: Json::encode(&json!([1, null, true])),
        reported: Json::null(),
        packed: vec![0, 1, 255],
        sealed: vec![9; 5000],
    };
    let commit = Commit::new("a", vec![change(key("a"), Expect::Anything, Action::Put(body.clone()))]);
    let revision = settle(&*store, commit, |found| found[0].is_some()).await.unwrap();
    let found = store.get(&key("a"), Some(revision)).await.unwrap().unwrap();
    assert_eq!((found.key, found.body), (key("a"), body));
    assert!(found.revision <= revision && found.revision > Revision::ZERO);
    assert_eq!(store.get(&key("b"), Some(revision)).await.unwrap(), None);
    let both = store.get_many(&[key("b"), key("a"), key("b")], Some(revision)).await.unwrap();
    assert_eq!(both.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
}

pub(super) async fn expectations_decide(store: Arc<dyn Documents>) {
    let one = create(&*store, "a", &site("x")).await;
    let one = store.get(&key("a"), Some(one)).await.unwrap().unwrap().revision;
    create(&*store, "a", &site("y")).await;
    let two = fresh(&*store, &key("a")).await.unwrap().revision;
    assert!(two > one);
    let refused = |expect, found: Option<Revision>, group: &'static str| {
        let store = store.clone();
        async move {
            let outcome = settle(&*store, put(group, expect, &site("z")), |_| false).await;
            let Err(CommitError::Conflict(conflict)) = outcome else { panic!("{outcome:?}") };
            assert_eq!((conflict.key, conflict.found), (key(group), found));
        }
    };
    refused(Expect::Absent, Some(two), "a").await;
    refused(Expect::Revision(one), Some(two), "a").await;
    refused(Expect::Present, None, "b").await;
    refused(Expect::Revision(two), None, "b").await;
    assert_eq!(fresh(&*store, &key("a")).await.unwrap().body, body(&site("y")));
    for (expect, group) in [(Expect::Present, "a"), (Expect::Absent, "b"), (Expect::Anything, "b")] {
        let tags = json!({ "by": format!("{expect:?}") });
        let wanted = body(&tags);
        let happened = |found: &[Option<_>]| {
            found[0].as_ref().is_some_and(|d: &skerry_store::documents::Document| d.body == wanted)
        };
        settle(&*store, put(group, expect, &tags), happened).await.unwrap();
        assert_eq!(fresh(&*store, &key(group)).await.unwrap().body, wanted);
    }
}

pub(super) async fn a_commit_is_whole(store: Arc<dyn Documents>) {
    create(&*store, "a", &site("x")).await;
    let module = Key::new(MODULES, "a", "m");
    let commit = Commit::new(
        "a",
        vec![
            change(module.clone(), Expect::Absent, Action::Put(body(&site("m")))),
            change(key("a"), Expect::Absent, Action::Put(body(&site("never")))),
        ],
    );
    let outcome = settle(&*store, commit, |_| false).await;
    assert!(matches!(outcome, Err(CommitError::Conflict(_))), "{outcome:?}");
    assert_eq!(fresh(&*store, &module).await, None);
    assert_eq!(fresh(&*store, &key("a")).await.unwrap().body, body(&site("x")));
    let commit = Commit::new(
        "a",
        vec![
            change(module.clone(), Expect::Anything, Action::Put(body(&site("m")))),
            change(key("a"), Expect::Present, Action::Put(body(&site("m")))),
        ],
    );
    let wanted = body(&site("m"));
    let happened = |found: &[Option<skerry_store::documents::Document>]| {
        found.iter().all(|document| document.as_ref().is_some_and(|d| d.body == wanted))
    };
    settle(&*store, commit, happened).await.unwrap();
    let (one, other) = (fresh(&*store, &module).await.unwrap(), fresh(&*store, &key("a")).await.unwrap());
    assert_eq!((one.revision, one.body), (other.revision, other.body));
}

pub(super) async fn an_update_leaves_the_rest(store: Arc<dyn Documents>) {
    create(&*store, "a", &site("x")).await;
    let reported = Json::encode(&json!({"t": 21}));
    let update = Update { reported: Some(reported.clone()), packed: Some(vec![1]), ..Update::default() };
    let commit = |group: &str| {
        Commit::new(group, vec![change(key(group), Expect::Anything, Action::Update(update.clone()))])
    };
    settle(&*store, commit("a"), |found| found[0].as_ref().is_some_and(|d| d.body.packed == [1]))
        .await
        .unwrap();
    let found = fresh(&*store, &key("a")).await.unwrap();
    assert_eq!(found.body, Body { reported, packed: vec![1], ..body(&site("x")) });
    let outcome = settle(&*store, commit("b"), |_| false).await;
    assert!(matches!(&outcome, Err(CommitError::Conflict(c)) if c.found.is_none()), "{outcome:?}");
}

pub(super) async fn a_touch_changes_only_the_revision(store: Arc<dyn Documents>) {
    create(&*store, "a", &site("x")).await;
    let before = fresh(&*store, &key("a")).await.unwrap();
    let touch = |group: &str| Commit::new(group, vec![change(key(group), Expect::Anything, Action::Touch)]);
    let moved = |found: &[Option<skerry_store::documents::Document>]| {
        found[0].as_ref().is_some_and(|document| document.revision > before.revision)
    };
    settle(&*store, touch("a"), moved).await.unwrap();
    let after = fresh(&*store, &key("a")).await.unwrap();
    assert!(after.revision > before.revision);
    assert_eq!(after.body, before.body);
    let check = Commit::new("a", vec![change(key("a"), Expect::Revision(after.revision), Action::Check)]);
    settle(&*store, check, |_| false).await.unwrap();
    assert_eq!(fresh(&*store, &key("a")).await.unwrap().revision, after.revision);
    let outcome = settle(&*store, touch("b"), |_| false).await;
    assert!(matches!(outcome, Err(CommitError::Conflict(_))), "{outcome:?}");
}

pub(super) async fn a_group_is_deleted_in_all_spaces(store: Arc<dyn Documents>) {
    let members =
        [key("a"), Key::new(DEVICES, "a", "x"), Key::new(MODULES, "a", "m"), Key::new(MODULES, "a", "")];
    let neighbours = ["a ", "A", "", "b"];
    for group in neighbours {
        create(&*store, group, &site("x")).await;
    }
    let puts = members.iter().map(|key| change(key.clone(), Expect::Anything, Action::Put(Body::default())));
    settle(&*store, Commit::new("a", puts.collect()), |found| found.iter().all(Option::is_some))
        .await
        .unwrap();
    let all = Commit::new("a", vec![change(key("a"), Expect::Anything, Action::DeleteGroup)]);
    settle(&*store, all, |found| found[0].is_none()).await.unwrap();
    for member in members {
        assert_eq!(fresh(&*store, &member).await, None);
    }
    for group in neighbours {
        assert!(fresh(&*store, &key(group)).await.is_some(), "{group:?}");
    }
}

pub(super) async fn actions_happen_in_order(store: Arc<dyn Documents>) {
    create(&*store, "a", &site("old")).await;
    let module = Key::new(MODULES, "a", "m");
    let reported = Json::encode(&json!(1));
    let update = Update { reported: Some(reported.clone()), ..Update::default() };
    let again = Commit::new(
        "a",
        vec![
            change(key("a"), Expect::Present, Action::DeleteGroup),
            change(key("a"), Expect::Present, Action::Put(body(&site("new")))),
            change(key("a"), Expect::Present, Action::Update(update.clone())),
            change(module.clone(), Expect::Absent, Action::Put(Body::default())),
        ],
    );
    settle(&*store, again, |found| found[3].is_some()).await.unwrap();
    assert_eq!(fresh(&*store, &key("a")).await.unwrap().body, Body { reported, ..body(&site("new")) });
    assert!(fresh(&*store, &module).await.is_some());
    let gone = Commit::new(
        "a",
        vec![
            change(key("a"), Expect::Present, Action::Delete),
            change(key("a"), Expect::Present, Action::Update(update)),
        ],
    );
    let outcome = settle(&*store, gone, |_| false).await;
    assert!(matches!(outcome, Err(CommitError::Conflict(_))), "{outcome:?}");
    assert!(fresh(&*store, &key("a")).await.is_some());
}

pub(super) async fn one_of_many_rivals_wins(store: Arc<dyn Documents>) {
    create(&*store, "a", &json!({"n": 0})).await;
    let rivals = (0..8).map(|rival| {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..20 {
                loop {
                    let found = fresh(&*store, &key("a")).await.unwrap();
                    let n = found.body.tags.decode().unwrap()["n"].as_i64().unwrap();
                    let tags = json!({"n": n + 1, "by": [rival, round]});
                    let wanted = Json::encode(&tags);
                    let mine = |found: &[Option<skerry_store::documents::Document>]| {
                        found[0].as_ref().is_some_and(|d| d.body.tags == wanted)
                    };
                    match settle(&*store, put("a", Expect::Revision(found.revision), &tags), mine).await {
                        Ok(_) => break,
                        // After an unknown outcome the commit may have been overtaken already:
                        // then this count has an extra one, which the sum below allows.
                        Err(CommitError::Conflict(_)) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        })
    });
    for rival in rivals.collect::<Vec<_>>() {
        rival.await.unwrap();
    }
    let count = fresh(&*store, &key("a")).await.unwrap().body.tags.decode().unwrap()["n"].as_i64().unwrap();
    assert!(count >= 160, "{count}");
}

pub(super) async fn strange_keys_are_kept_apart(store: Arc<dyn Documents>) {
    let names = [
        "",
        " ",
        "a",
        "A",
        "a\u{0}",
        "a\u{0}b",
        "*",
        "%",
        "a'b\"c",
        "\u{10ffff}",
        "é",
        "e\u{301}",
        "$.x",
        "a/b",
    ];
    for name in names {
        let tags = json!({ "name": name });
        create(&*store, name, &tags).await;
    }
    for name in names {
        let found = fresh(&*store, &key(name)).await.unwrap();
        assert_eq!(found.body.tags.decode().unwrap()["name"], name);
        assert_eq!(found.key.group, name);
    }
    remove(&*store, "a\u{0}").await;
    assert!(fresh(&*store, &key("a")).await.is_some());
    assert!(fresh(&*store, &key("a\u{0}b")).await.is_some());
    assert!(fresh(&*store, &key("a\u{0}")).await.is_none());
}

pub(super) async fn misuse_is_refused(store: Arc<dyn Documents>) {
    let stray = Commit::new("a", vec![change(key("b"), Expect::Anything, Action::Delete)]);
    assert!(matches!(store.commit(stray).await, Err(CommitError::Misuse(_))));
    let broken = Body { tags: Json::from_bytes(vec![0xff, 1]), ..Body::default() };
    let broken = Commit::new("a", vec![change(key("a"), Expect::Anything, Action::Put(broken))]);
    assert!(matches!(store.commit(broken).await, Err(CommitError::Misuse(_))));
    let large = Body { sealed: vec![0; (16 << 20) + 1], ..Body::default() };
    let large = Commit::new("a", vec![change(key("a"), Expect::Anything, Action::Put(large))]);
    assert!(matches!(store.commit(large).await, Err(CommitError::TooLarge(_))));
    assert_eq!(fresh(&*store, &key("a")).await, None);
}

pub(super) async fn revisions_grow(store: Arc<dyn Documents>) {
    let mut last = Revision::ZERO;
    for round in 0..30 {
        let outcome = match round % 3 {
            0 => store.commit(put("a", Expect::Anything, &json!(round))).await,
            1 => {
                store
                    .commit(Commit::new(
                        "a",
                        vec![change(Key::new(MODULES, "a", "x"), Expect::Absent, Action::Check)],
                    ))
                    .await
            }
            _ => {
                store.commit(Commit::new("a", vec![change(key("a"), Expect::Anything, Action::Check)])).await
            }
        };
        if let Ok(revision) = outcome {
            assert!(revision > last);
            assert!(store.revision() >= revision && store.latest().await.unwrap() >= revision);
            last = revision;
        }
    }
}
