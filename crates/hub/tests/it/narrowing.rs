//! What the store narrows and the evaluator decides is what the evaluator alone decides over whole
//! twins: one difference fails.
//!
//! Every pair of JSON kinds under every operator; the conditions of `tests/narrowing/*.json`; and
//! random twins under random conditions. Each with no index, and with indexes on the paths asked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use skerry_hub::search::QueryRequest;
use skerry_hub::spaces::DEVICES;
use skerry_query::Query;
use skerry_store::documents::{Documents, Field, Part, Step};
use skerry_store::{EmbeddedDocuments, EmbeddedOptions};

use crate::world::World;

struct Fleet {
    world: World,
    documents: Arc<EmbeddedDocuments>,
    /// Every twin as the wire shows it.
    twins: Vec<Value>,
    _folder: tempfile::TempDir,
}

impl Fleet {
    async fn of(tags: Vec<Value>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = EmbeddedOptions::new(folder.path().join("documents.db"));
        let documents = Arc::new(EmbeddedDocuments::open(options).unwrap());
        let world = World::over(Arc::clone(&documents) as Arc<dyn Documents>);
        for (number, batch) in tags.chunks(100).enumerate() {
            let at = |n: usize| format!("d{number}-{n:04}");
            let items: Vec<Value> = batch
                .iter()
                .enumerate()
                .map(|(n, tags)| json!({"id": at(n), "importMode": "create", "tags": tags, "properties": {"desired": tags}}))
                .collect();
            world.post("/devices", json!(items)).await.expect(200);
        }
        let mut fleet = Self { world, documents, twins: Vec::new(), _folder: folder };
        fleet.twins = fleet.rows("SELECT * FROM devices").await;
        assert_eq!(fleet.twins.len(), tags.len());
        fleet
    }

    async fn rows(&self, text: &str) -> Vec<Value> {
        let mut request = QueryRequest { text: text.into(), page_size: Some(1000), continuation: None };
        let mut rows = Vec::new();
        loop {
            let page = self
                .world
                .hub
                .searcher()
                .run(&request)
                .await
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            rows.extend(page.rows.into_iter().map(Value::Object));
            match page.continuation {
                Some(token) => request.continuation = Some(token),
                None => return rows,
            }
        }
    }

    /// Declares indexes and waits until they are built.
    async fn index(&self, paths: &[&[&str]]) {
        for names in paths {
            let field = |name: &&str| Field::In(Part::Tags, vec![Step::Name((*name).to_owned())]);
            let fields: Vec<Field> = names.iter().map(field).collect();
            self.documents.declare_index(DEVICES, &fields).await.unwrap();
        }
        while !self.documents.indexes().iter().all(|index| index.complete) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Compares for one condition; answers how many twins it matches.
    async fn compare(&self, condition: &str) -> usize {
        let text = format!("SELECT deviceId FROM devices WHERE {condition}");
        let id = |row: &Value| row["deviceId"].as_str().unwrap().to_owned();
        let found: BTreeSet<String> = self.rows(&text).await.iter().map(id).collect();
        let query = Query::parse(&text).unwrap();
        let wanted: BTreeSet<String> =
            self.twins.iter().filter(|twin| query.matches(*twin)).map(id).collect();
        let odd: Vec<&Value> = self
            .twins
            .iter()
            .filter(|twin| found.contains(&id(twin)) != wanted.contains(&id(twin)))
            .map(|twin| &twin["tags"])
            .collect();
        assert!(odd.is_empty(), "{condition}: narrowing and evaluator differ over {odd:?}");
        // Counting takes another way through the store.
        let counted = self.rows(&format!("SELECT COUNT() AS n FROM devices WHERE {condition}")).await;
        assert_eq!(counted[0]["n"], wanted.len(), "{condition}");
        wanted.len()
    }
}

/// One of every kind, and neighbours that a careless comparison would take for each other.
fn values() -> Vec<Value> {
    let texts =
        ["", "a", "A", "ab", "1", "true", "null", "ü", "z'z", "a\"b", "é\u{1F600}", "2024-01-01T00:00:00Z"];
    let mut values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    values.extend([json!(null), json!(true), json!(false)]);
    values.extend([
        json!(0),
        json!(1),
        json!(-1),
        json!(1.0),
        json!(1.5),
        json!(-0.0),
        json!(1e300),
        json!(4503599627370495_i64),
        json!(0.1),
    ]);
    values.extend([
        json!([]),
        json!([1]),
        json!(["a"]),
        json!([true, null]),
        json!({}),
        json!({"w": 1}),
        json!([[1]]),
    ]);
    values
}

fn literals() -> Vec<&'static str> {
    vec![
        "''",
        "'a'",
        "'A'",
        "'ab'",
        "'1'",
        "'true'",
        "'null'",
        "'ü'",
        "'z\\'z'",
        "'a\"b'",
        "'\\u0000'",
        "true",
        "false",
        "null",
        "undefined",
        "0",
        "1",
        "-1",
        "1.0",
        "1.5",
        "1e300",
        "4503599627370495",
        "9007199254740993",
        "0x1",
        "0.1",
    ]
}

async fn pairs(fleet: &Fleet) {
    let mut matched = 0;
    for literal in literals() {
        for op in ["=", "!=", "<", "<=", ">", ">="] {
            matched += fleet.compare(&format!("tags.v {op} {literal}")).await;
            matched += fleet.compare(&format!("{literal} {op} tags.v")).await;
        }
        fleet.compare(&format!("properties.desired.v = {literal}")).await;
        fleet.compare(&format!("array_contains(tags.v, {literal})")).await;
        fleet.compare(&format!("NOT tags.v = {literal}")).await;
        fleet.compare(&format!("tags.v IN [{literal}, 'ab']")).await;
        fleet.compare(&format!("tags.v NIN [{literal}, 'ab']")).await;
    }
    assert!(matched > 100, "the conditions match something");
}

#[test]
fn every_pair_of_kinds_agrees_with_the_evaluator() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut tags: Vec<Value> =
            values().into_iter().filter(|value| !value.is_null()).map(|value| json!({"v": value})).collect();
        // Null only survives inside arrays; missing is a kind of its own.
        tags.extend([json!({}), json!({"other": 1}), json!({"v": {"v": "a"}})]);
        let fleet = Fleet::of(tags).await;
        pairs(&fleet).await;
        fleet.index(&[&["v"], &["v", "other"]]).await;
        pairs(&fleet).await;
    });
}

#[test]
fn the_case_files_agree_with_the_evaluator() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut seen = 0;
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/narrowing");
        for entry in std::fs::read_dir(folder).unwrap() {
            let case: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
            let fleet = Fleet::of(case["tags"].as_array().unwrap().clone()).await;
            for round in 0..2 {
                for condition in case["conditions"].as_array().unwrap() {
                    fleet.compare(condition.as_str().unwrap()).await;
                    seen += 1;
                }
                if round == 0 {
                    fleet.index(&[&["site"], &["site", "kind"], &["n"]]).await;
                }
            }
        }
        assert!(seen > 100, "only {seen} conditions were tried");
    });
}

/// splitmix64: the same twins and conditions in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }

    fn value(&mut self, depth: usize) -> Value {
        let all = values();
        match self.below(8) {
            0 if depth > 0 => json!({"x": self.value(depth - 1), "y": self.value(depth - 1)}),
            1 if depth > 0 => json!([self.value(depth - 1), self.value(depth - 1)]),
            _ => all[self.below(all.len())].clone(),
        }
    }

    fn path(&mut self) -> &'static str {
        let paths = [
            "tags.v",
            "tags.w",
            "tags.v.x",
            "tags.v[0]",
            "tags.v[1].x",
            "properties.desired.w",
            "properties.desired.v.y",
            "tags.[[odd \"key]]",
            "tags",
            "deviceId",
            "status",
        ];
        paths[self.below(paths.len())]
    }

    fn condition(&mut self, depth: usize) -> String {
        let literal = |dice: &mut Self| literals()[dice.below(literals().len())];
        match self.below(if depth == 0 { 5 } else { 8 }) {
            0..=2 => {
                let op = ["=", "!=", "<", "<=", ">", ">="][self.below(6)];
                format!("{} {op} {}", self.path(), literal(self))
            }
            3 => format!(
                "{} {} [{}, {}]",
                self.path(),
                ["IN", "NIN"][self.below(2)],
                literal(self),
                literal(self)
            ),
            4 => match self.below(4) {
                0 => format!("is_defined({})", self.path()),
                1 => format!("STARTSWITH({}, 'a')", self.path()),
                2 => format!("array_contains({}, {})", self.path(), literal(self)),
                _ => format!("STARTS_WITH({}, '')", self.path()),
            },
            5 => format!("NOT ({})", self.condition(depth - 1)),
            6 => format!("({} AND {})", self.condition(depth - 1), self.condition(depth - 1)),
            _ => format!("({} OR {})", self.condition(depth - 1), self.condition(depth - 1)),
        }
    }
}

#[test]
fn random_twins_agree_with_the_evaluator() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut dice = Dice(2026);
        let twins = (0..150)
            .map(|_| json!({"v": dice.value(2), "w": dice.value(1), "odd\"key": dice.value(0)}))
            .collect();
        let fleet = Fleet::of(twins).await;
        let path = format!("/devices/{}", fleet.twins[0]["deviceId"].as_str().unwrap());
        fleet.world.call_with(Method::PUT, &path, Some(json!({})), &[("if-match", "*")]).await.expect(200);
        let fleet = Fleet { twins: fleet.rows("SELECT * FROM devices").await, ..fleet };
        let mut matched = 0;
        for round in 0..600 {
            if round == 300 {
                fleet.index(&[&["v"], &["w"], &["v", "w"]]).await;
            }
            matched += fleet.compare(&dice.condition(3)).await;
        }
        assert!(matched > 1000, "random conditions match {matched} twins altogether");
    });
}
