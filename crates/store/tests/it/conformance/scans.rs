//! Promises 6, 7 and 9: pages, narrowing, bounds.

use std::sync::Arc;

use serde_json::json;
use skerry_store::documents::{
    Action, Body, Commit, CommitError, Comparison, Documents, Expect, Field, Literal, Narrow, Part,
    ReadError, Revision, Scan, Step,
};

use crate::samples::{DEVICES, Dice, MODULES, change, create, key, remove, settle, site, walk};

fn tag(name: &str) -> Field {
    Field::In(Part::Tags, vec![Step::Name(name.into())])
}

fn equal(field: Field, literal: impl Into<String>) -> Narrow {
    Narrow::Compare { field, comparison: Comparison::Equal, literal: Literal::Text(literal.into()) }
}

pub(super) async fn pages_go_in_key_order(store: Arc<dyn Documents>) {
    let mut groups: Vec<String> = (0..57).map(|n| format!("d{n}")).collect();
    groups.extend(["".into(), "Z".into(), "é".into(), "d\u{0}".into()]);
    for group in &groups {
        create(&*store, group, &site("x")).await;
    }
    groups.sort();
    for limit in [1, 7, 61, 100] {
        assert_eq!(walk(&*store, Scan { limit, ..Scan::all(DEVICES) }).await, groups, "limit {limit}");
    }
    assert!(walk(&*store, Scan::all(MODULES)).await.is_empty());
    let at_least = Some(store.latest().await.unwrap());
    assert_eq!(store.count(Scan { at_least, ..Scan::all(DEVICES) }).await.unwrap(), 61);
}

pub(super) async fn survivors_appear_once(store: Arc<dyn Documents>) {
    let mut dice = Dice(11);
    let survivors: Vec<String> = (0..60).map(|n| format!("s{n:03}")).collect();
    for group in &survivors {
        create(&*store, group, &site("x")).await;
        create(&*store, &format!("{group}-gone"), &site("x")).await;
    }
    let mut scan = Scan { limit: 7, ..Scan::all(DEVICES) };
    let mut seen = Vec::new();
    loop {
        scan.at_least = Some(store.latest().await.unwrap());
        let page = store.scan(scan.clone()).await.unwrap();
        seen.extend(page.documents.into_iter().map(|document| document.key.group));
        let Some(next) = page.next else { break };
        // The document that the walk stands on goes away, others come and go around it.
        if next.group.ends_with("-gone") {
            remove(&*store, &next.group).await;
        }
        remove(&*store, &format!("s{:03}-gone", dice.roll(60))).await;
        create(&*store, &format!("s{:03}-new", dice.roll(60)), &site("x")).await;
        scan.after = Some(next);
    }
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
    seen.retain(|group| group.len() == 4);
    assert_eq!(seen, survivors);
}

pub(super) async fn bounds_are_kept(store: Arc<dyn Documents>) {
    for n in 0..40 {
        let body = Body { sealed: vec![0; 1000], ..Body::default() };
        let group = format!("d{n:02}");
        let commit = Commit::new(&*group, vec![change(key(&group), Expect::Anything, Action::Put(body))]);
        settle(&*store, commit, |found| found[0].is_some()).await.unwrap();
    }
    let at_least = Some(store.latest().await.unwrap());
    let page = |scan: Scan| {
        let store = store.clone();
        async move { store.scan(Scan { at_least, ..scan }).await.unwrap() }
    };
    let few = page(Scan { bytes_max: 3500, ..Scan::all(DEVICES) }).await;
    assert_eq!(few.documents.len(), 3);
    assert_eq!(few.next.unwrap().group, "d02");
    let one = page(Scan { bytes_max: 1, ..Scan::all(DEVICES) }).await;
    assert_eq!(one.documents.len(), 1);
    let none = page(Scan { examine_max: 5, accept: Some(Arc::new(|_| false)), ..Scan::all(DEVICES) }).await;
    assert_eq!((none.documents.len(), none.next.unwrap().group.as_str()), (0, "d04"));
    for scan in [
        Scan { bytes_max: 1, ..Scan::all(DEVICES) },
        Scan { examine_max: 3, ..Scan::all(DEVICES) },
        Scan { examine_max: 1, limit: 1, bytes_max: 0, ..Scan::all(DEVICES) },
    ] {
        assert_eq!(walk(&*store, scan).await.len(), 40);
    }
}

pub(super) async fn accept_decides(store: Arc<dyn Documents>) {
    for n in 0..30 {
        create(&*store, &format!("d{n:02}"), &json!({"site": if n % 3 == 0 { "x" } else { "y" }, "n": n}))
            .await;
    }
    let accept: skerry_store::documents::Accept =
        Arc::new(|document| document.body.tags.decode().unwrap()["n"].as_i64().unwrap() % 2 == 0);
    let scan = Scan { narrow: equal(tag("site"), "x"), limit: 2, ..Scan::all(DEVICES) };
    // An engine may ignore the narrowing, so `accept` has to look at both.
    let both: skerry_store::documents::Accept = {
        let accept = accept.clone();
        Arc::new(move |document| accept(document) && document.body.tags.decode().unwrap()["site"] == "x")
    };
    let found = walk(&*store, Scan { accept: Some(both.clone()), ..scan.clone() }).await;
    assert_eq!(found, ["d00", "d06", "d12", "d18", "d24"]);
    let at_least = Some(store.latest().await.unwrap());
    let count = store.count(Scan { accept: Some(both), at_least, after: None, ..scan }).await.unwrap();
    assert_eq!(count, 5);
}

pub(super) async fn narrow_alone_is_exact(store: Arc<dyn Documents>) {
    let values =
        [json!(1), json!(true), json!("1"), json!(null), json!([1]), json!({"a": 1}), json!(1.0), json!(0)];
    for (n, value) in values.iter().enumerate() {
        create(&*store, &format!("d{n}"), &json!({ "v": value })).await;
    }
    create(&*store, "none", &json!({})).await;
    let compare = |comparison, literal| Narrow::Compare { field: tag("v"), comparison, literal };
    let table = [
        (compare(Comparison::Equal, Literal::Number(1.0)), vec!["d0", "d6"]),
        (compare(Comparison::Equal, Literal::Bool(true)), vec!["d1"]),
        (compare(Comparison::Equal, Literal::Text("1".into())), vec!["d2"]),
        (compare(Comparison::Less, Literal::Number(1.0)), vec!["d7"]),
        (compare(Comparison::GreaterOrEqual, Literal::Number(0.0)), vec!["d0", "d6", "d7"]),
        (Narrow::Holds { field: tag("v"), literal: Literal::Number(1.0) }, vec!["d4"]),
        (Narrow::Prefix { field: tag("v"), start: "".into() }, vec!["d2"]),
        (Narrow::Prefix { field: Field::Group, start: "no".into() }, vec!["none"]),
        (equal(Field::Group, "d3"), vec!["d3"]),
        (
            Narrow::OneOf {
                field: Field::Group,
                literals: ["d5", "d1", "zz", "d5"].map(|text| Literal::Text(text.into())).to_vec(),
            },
            vec!["d1", "d5"],
        ),
        (Narrow::And(vec![]), vec!["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "none"]),
        (Narrow::Or(vec![]), vec![]),
        (Narrow::Nothing, vec![]),
    ];
    for (narrow, wanted) in table {
        let scan = Scan { narrow: narrow.clone(), limit: 1, ..Scan::all(DEVICES) };
        assert_eq!(walk(&*store, scan.clone()).await, wanted, "{narrow:?}");
        let at_least = Some(store.latest().await.unwrap());
        assert_eq!(store.count(Scan { at_least, ..scan }).await.unwrap(), wanted.len() as u64, "{narrow:?}");
    }
}

pub(super) async fn a_group_alone(store: Arc<dyn Documents>) {
    for group in ["a", "b", "c"] {
        create(&*store, group, &site(group)).await;
    }
    let scan = Scan { group: Some("b".into()), ..Scan::all(DEVICES) };
    assert_eq!(walk(&*store, scan.clone()).await, ["b"]);
    let at_least = Some(store.latest().await.unwrap());
    assert_eq!(store.count(Scan { at_least, ..scan.clone() }).await.unwrap(), 1);
    let other = Scan { narrow: equal(tag("site"), "a"), ..scan };
    assert!(walk(&*store, other).await.is_empty());
}

pub(super) async fn an_index_changes_no_answer(store: Arc<dyn Documents>) {
    for n in 0..1200 {
        let (site, kind) = (format!("s{}", n % 4), format!("k{}", n % 3));
        create(&*store, &format!("d{n:04}"), &json!({"site": site, "kind": kind})).await;
    }
    let question = Narrow::And(vec![equal(tag("site"), "s1"), equal(tag("kind"), "k2")]);
    let scan = Scan { narrow: question, limit: 30, ..Scan::all(DEVICES) };
    let wanted: Vec<String> =
        (0..1200).filter(|n| n % 4 == 1 && n % 3 == 2).map(|n| format!("d{n:04}")).collect();
    assert_eq!(walk(&*store, scan.clone()).await, wanted);
    let fields = [tag("site"), tag("kind")];
    store.declare_index(DEVICES, &fields).await.unwrap();
    store.declare_index(DEVICES, &fields).await.unwrap();
    for round in 0..20 {
        assert_eq!(walk(&*store, scan.clone()).await, wanted, "round {round}");
    }
    create(&*store, "d0005", &site("s1")).await;
    create(&*store, "new", &json!({"kind": "k2", "site": "s1"})).await;
    remove(&*store, "d0017").await;
    let mut after: Vec<&str> =
        wanted.iter().map(String::as_str).filter(|d| !["d0005", "d0017"].contains(d)).collect();
    after.push("new");
    assert_eq!(walk(&*store, scan).await, after);
}

pub(super) async fn the_future_is_late(store: Arc<dyn Documents>) {
    let revision = create(&*store, "a", &site("x")).await;
    let future = Some(Revision::from_number(revision.number() + 1_000_000));
    let late = |outcome: Result<(), ReadError>| matches!(outcome, Err(ReadError::Late(_)));
    assert!(late(store.get(&key("a"), future).await.map(drop)));
    assert!(late(store.get_many(&[key("a")], future).await.map(drop)));
    assert!(late(store.scan(Scan { at_least: future, ..Scan::all(DEVICES) }).await.map(drop)));
    assert!(late(store.count(Scan { at_least: future, ..Scan::all(DEVICES) }).await.map(drop)));
}

pub(super) async fn indexes_are_listed_bounded_and_dropped(store: Arc<dyn Documents>) {
    for n in 0..16 {
        store.declare_index(DEVICES, &[tag(&format!("f{n}"))]).await.unwrap();
    }
    store.declare_index(DEVICES, &[tag("f3")]).await.unwrap();
    assert_eq!(store.indexes().len(), 16);
    let more = store.declare_index(MODULES, &[tag("f0")]).await;
    assert!(matches!(more, Err(CommitError::Misuse(_))), "{more:?}");
    store.drop_index(DEVICES, &[tag("f3")]).await.unwrap();
    store.drop_index(DEVICES, &[tag("unknown")]).await.unwrap();
    assert!(!store.indexes().iter().any(|index| index.fields == [tag("f3")]));
    for wrong in [vec![], vec![Field::Group], vec![tag("o'dd")], vec![tag("a"); 5]] {
        let refused = store.declare_index(DEVICES, &wrong).await;
        assert!(matches!(refused, Err(CommitError::Misuse(_))), "{wrong:?}");
    }
    store.declare_index(MODULES, &[tag("f0"), tag("f1")]).await.unwrap();
    assert_eq!(store.indexes().len(), 16);
}
