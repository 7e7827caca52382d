//! Indexes: built aside, resumed, dropped, bounded.

use std::time::Duration;

use serde_json::json;
use skerry_store::documents::{Comparison, Documents, Field, Literal, Narrow, Part, Scan, Step};

use crate::samples::{DEVICES, create, embedded, remove, walk};

fn tag(name: &str) -> Field {
    Field::In(Part::Tags, vec![Step::Name(name.into())])
}

fn site_is(name: &str) -> Scan {
    let literal = Literal::Text(name.into());
    let narrow = Narrow::Compare { field: tag("site"), comparison: Comparison::Equal, literal };
    Scan { narrow, ..Scan::all(DEVICES) }
}

async fn complete(store: &skerry_store::EmbeddedDocuments) {
    while !store.indexes().iter().all(|index| index.complete) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn an_index_is_filled_over_restarts_and_then_used() {
    let directory = tempfile::tempdir().unwrap();
    let store = embedded(directory.path());
    for n in 0..3000 {
        create(&store, &format!("d{n:04}"), &json!({"site": format!("s{}", n % 50)})).await;
    }
    store.declare_index(DEVICES, &[tag("site")]).await.unwrap();
    drop(store);
    for _ in 0..3 {
        let store = embedded(directory.path());
        assert_eq!(store.indexes().len(), 1);
        assert_eq!(walk(&store, site_is("s7")).await.len(), 60);
        create(&store, "d0007", &json!({"site": "s7"})).await;
    }
    let store = embedded(directory.path());
    complete(&store).await;
    let before = store.figures().examined;
    assert_eq!(walk(&store, site_is("s7")).await.len(), 60);
    assert_eq!(store.figures().examined - before, 60, "only what the index names is looked at");
    create(&store, "d0007", &json!({"site": {"no": "primitive"}})).await;
    create(&store, "d0057", &json!({"site": "x".repeat(5000)})).await;
    remove(&store, "d0107").await;
    create(&store, "new", &json!({"site": "s7"})).await;
    assert_eq!(walk(&store, site_is("s7")).await.len(), 58);
    assert_eq!(walk(&store, site_is(&"x".repeat(5000))).await, ["d0057"]);
    assert!(walk(&store, site_is(&"x".repeat(300))).await.is_empty());
}

#[tokio::test]
async fn a_dropped_index_can_be_declared_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = embedded(directory.path());
    for n in 0..1500 {
        create(&store, &format!("d{n:04}"), &json!({"f0": n % 5})).await;
    }
    for n in 0..16 {
        store.declare_index(DEVICES, &[tag(&format!("f{n}"))]).await.unwrap();
    }
    complete(&store).await;
    store.drop_index(DEVICES, &[tag("f0")]).await.unwrap();
    assert_eq!(store.indexes().len(), 15);
    store.declare_index(DEVICES, &[tag("f0")]).await.unwrap();
    complete(&store).await;
    let literal = Literal::Number(3.0);
    let narrow = Narrow::Compare { field: tag("f0"), comparison: Comparison::Equal, literal };
    let before = store.figures().examined;
    assert_eq!(walk(&store, Scan { narrow, ..Scan::all(DEVICES) }).await.len(), 300);
    assert_eq!(store.figures().examined - before, 300);
    create(&store, "after", &json!({"f0": 3})).await;
    drop(store);
    let file = rusqlite::Connection::open(directory.path().join("documents.db")).unwrap();
    let tables: i64 = file
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name GLOB 'index_*'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(tables <= 17, "{tables}");
}
