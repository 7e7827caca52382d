//! Random documents, random conditions: SQLite's narrowing must never lose a document, and both
//! engines must give one answer.

use serde_json::{Value, json};
use skerry_store::documents::{Comparison, Documents, Field, Literal, Narrow, Part, Scan, Step};

use crate::samples::{DEVICES, Dice, create, embedded, strong, walk};

const FLOATS: [f64; 12] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    0.30000000000000004,
    1e300,
    9_007_199_254_740_992.0,
    9_007_199_254_740_993.0,
    9_223_372_036_854_775_808.0,
    1.7976931348623157e308,
    5e-324,
];
const TEXTS: [&str; 14] =
    ["", "0", "1", "true", "null", "a", "A", "ab", "a\u{0}", "a\u{0}b", "é", "\u{10ffff}", "[1]", "\"q\"\\"];

fn primitive(dice: &mut Dice) -> Value {
    match dice.roll(7) {
        0 => Value::Null,
        1 => json!(dice.roll(2) == 0),
        2 => json!(FLOATS[dice.roll(FLOATS.len())]),
        3 => json!([0, 1, -1, 2, i64::MAX, i64::MIN, 9_007_199_254_740_993][dice.roll(7)]),
        4 => json!([u64::MAX, 1 << 63, 1][dice.roll(3)]),
        _ => json!(TEXTS[dice.roll(TEXTS.len())]),
    }
}

fn value(dice: &mut Dice) -> Value {
    match dice.roll(8) {
        0 => json!({ "b": primitive(dice), "a": primitive(dice) }),
        1 => (0..dice.roll(4)).map(|_| primitive(dice)).collect(),
        2 => json!([{ "b": primitive(dice) }, [primitive(dice)]]),
        _ => primitive(dice),
    }
}

fn field(dice: &mut Dice) -> Field {
    let name = |name: &str| Step::Name(name.into());
    let path = match dice.roll(8) {
        0 => vec![name("a"), name("b")],
        1 => vec![name("a"), Step::Index(0)],
        2 => vec![name("a"), Step::Index(0), name("b")],
        3 => vec![name("o'dd \"$.")],
        4 => vec![],
        5 => return [Field::Group, Field::Name][dice.roll(2)].clone(),
        _ => vec![name(["a", "c"][dice.roll(2)])],
    };
    Field::In(Part::Tags, path)
}

fn literal(dice: &mut Dice) -> Literal {
    match dice.roll(4) {
        0 => Literal::Bool(dice.roll(2) == 0),
        1 => Literal::Number(
            [1.0, 2.0, f64::NAN, f64::INFINITY, FLOATS[dice.roll(FLOATS.len())]][dice.roll(5)],
        ),
        2 => Literal::Text(format!("d{}", dice.roll(300))),
        _ => Literal::Text(TEXTS[dice.roll(TEXTS.len())].into()),
    }
}

fn narrow(dice: &mut Dice, depth: usize) -> Narrow {
    const COMPARISONS: [Comparison; 5] = [
        Comparison::Equal,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];
    match dice.roll(if depth == 0 { 4 } else { 7 }) {
        0 => Narrow::Prefix { field: field(dice), start: TEXTS[dice.roll(TEXTS.len())].into() },
        1 => {
            let literals = (0..dice.roll(4)).map(|_| literal(dice)).collect();
            Narrow::OneOf { field: field(dice), literals }
        }
        2 => Narrow::Holds { field: field(dice), literal: literal(dice) },
        3 => {
            let comparison = COMPARISONS[dice.roll(5)];
            Narrow::Compare { field: field(dice), comparison, literal: literal(dice) }
        }
        4 => Narrow::And((0..dice.roll(3)).map(|_| narrow(dice, depth - 1)).collect()),
        5 => Narrow::Or((0..dice.roll(4)).map(|_| narrow(dice, depth - 1)).collect()),
        _ => [Narrow::All, Narrow::Nothing][dice.roll(2)].clone(),
    }
}

#[tokio::test]
async fn narrowing_loses_nothing_and_both_engines_agree() {
    let mut dice = Dice(20_260_101);
    let directory = tempfile::tempdir().unwrap();
    let (file, memory) = (embedded(directory.path()), strong());
    for n in 0..300 {
        let tags = json!({ "a": value(&mut dice), "c": value(&mut dice), "o'dd \"$.": primitive(&mut dice) });
        let tags = if n % 20 == 0 { primitive(&mut dice) } else { tags };
        create(&file, &format!("d{n}"), &tags).await;
        create(&*memory, &format!("d{n}"), &tags).await;
    }
    let c = Field::In(Part::Tags, vec![Step::Name("c".into())]);
    let a = Field::In(Part::Tags, vec![Step::Name("a".into())]);
    for round in 0..3000 {
        if round == 1000 {
            file.declare_index(DEVICES, std::slice::from_ref(&a)).await.unwrap();
            file.declare_index(DEVICES, &[c.clone(), a.clone()]).await.unwrap();
        }
        let mut narrow = narrow(&mut dice, 2);
        if round % 3 == 0 {
            // The shape that an index serves.
            let equal = |field: &Field, literal| Narrow::Compare {
                field: field.clone(),
                comparison: Comparison::Equal,
                literal,
            };
            narrow = Narrow::And(vec![equal(&a, literal(&mut dice)), equal(&c, literal(&mut dice)), narrow]);
        }
        let accept: skerry_store::documents::Accept = {
            let narrow = narrow.clone();
            std::sync::Arc::new(move |document| narrow.meets(document))
        };
        let scan = Scan { narrow: narrow.clone(), limit: 100, ..Scan::all(DEVICES) };
        let by_accept = walk(&file, Scan { accept: Some(accept.clone()), ..scan.clone() }).await;
        let wanted = walk(&*memory, Scan { accept: Some(accept), ..scan.clone() }).await;
        assert_eq!(by_accept, wanted, "{narrow:?}");
        assert_eq!(walk(&file, scan.clone()).await, wanted, "{narrow:?}");
        assert_eq!(file.count(scan).await.unwrap(), wanted.len() as u64, "{narrow:?}");
    }
}
