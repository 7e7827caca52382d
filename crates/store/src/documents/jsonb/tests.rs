//! SQLite is the oracle: what it writes we read, what we write it reads.

use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Map, Number, Value, json};

use super::*;

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 _-]{0,20}",
        proptest::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter),
        "[\"\\\\/\u{0}-\u{1f}a\u{e9}\u{1f600}]{0,14}",
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1000i64..1000).prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |f| Number::from_f64(f).map(Value::Number)),
        (-100i32..100).prop_map(|n| Value::from(f64::from(n) / 4.0)),
        any_text().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 48, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            proptest::collection::vec((any_text(), inner), 0..8)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// Reads numbers exactly, which `serde_json` without its `float_roundtrip` does not.
fn parse(text: &str) -> Value {
    fn exact(value: Value) -> Value {
        match value {
            Value::Number(number) => match number.as_f64() {
                Some(float) if number.is_f64() => json!(format!("float {float:.14e}")),
                _ => Value::Number(number),
            },
            Value::Array(items) => items.into_iter().map(exact).collect(),
            Value::Object(members) => members.into_iter().map(|(k, v)| (k, exact(v))).collect(),
            other => other,
        }
    }
    exact(serde_json::from_str(text).unwrap())
}

thread_local!(static SQLITE: Connection = Connection::open_in_memory().unwrap());

fn sqlite_text(json: &Json) -> String {
    let one = |c: &Connection| c.query_row("SELECT json(?1)", [json.as_bytes()], |row| row.get(0));
    SQLITE.with(one).unwrap()
}

fn sqlite_blob(text: &str) -> Json {
    let one = |c: &Connection| c.query_row("SELECT jsonb(?1)", [text], |row| row.get::<_, Vec<u8>>(0));
    Json::from_bytes(SQLITE.with(one).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_encoded_is_decoded(value in any_value()) {
        prop_assert_eq!(Json::encode(&value).decode().unwrap(), value);
    }

    #[test]
    fn sqlite_reads_what_we_write(value in any_value()) {
        prop_assert_eq!(parse(&sqlite_text(&Json::encode(&value))), parse(&value.to_string()));
    }

    #[test]
    fn we_read_what_sqlite_writes(value in any_value()) {
        prop_assert_eq!(sqlite_blob(&value.to_string()).decode().unwrap(), value);
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let json = Json::from_bytes(bytes);
        let _ = json.decode();
        let _ = json.get(&[Step::Name("a".into()), Step::Index(1)]);
    }

    #[test]
    fn damaged_bytes_are_refused_or_read(value in any_value(), at in any::<usize>(), byte in any::<u8>()) {
        let mut bytes = Json::encode(&value).as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Json::from_bytes(bytes.clone()).decode();
        bytes.truncate(at);
        prop_assert!(Json::from_bytes(bytes).decode().is_err());
    }

    #[test]
    fn a_place_is_what_it_is_in_the_whole(value in any_value()) {
        fn walk(json: &Json, path: &mut Vec<Step>, value: &Value) {
            assert_eq!(json.get(path).as_ref(), Some(value));
            let children: Vec<(Step, &Value)> = match value {
                Value::Array(items) => items.iter().enumerate().map(|(i, v)| (Step::Index(i), v)).collect(),
                Value::Object(members) => members.iter().map(|(k, v)| (Step::Name(k.clone()), v)).collect(),
                _ => return,
            };
            for (step, child) in children {
                path.push(step);
                walk(json, path, child);
                path.pop();
            }
        }
        walk(&Json::encode(&value), &mut Vec::new(), &value);
    }
}

#[test]
fn the_json5_forms_that_sqlite_keeps_are_read() {
    let table = [
        ("0x1F", json!(31)),
        ("-0x10", json!(-16)),
        ("+5", json!(5)),
        (".5", json!(0.5)),
        ("5.", json!(5.0)),
        ("-.25", json!(-0.25)),
        ("'it\\'s'", json!("it's")),
        ("'a\\x41\\v\\0b'", json!("aA\u{b}\0b")),
        ("'one\\\ntwo'", json!("onetwo")),
        ("\"\\u00e9\\ud83d\\ude00\\n\"", json!("\u{e9}\u{1f600}\n")),
        ("{unquoted: [1, 2,],}", json!({"unquoted": [1, 2]})),
    ];
    for (text, value) in table {
        assert_eq!(sqlite_blob(text).decode(), Ok(value), "{text}");
    }
}

#[test]
fn nonsense_is_refused_before_anything_is_allocated() {
    let deep: Vec<u8> = {
        let mut value = json!(1);
        for _ in 0..=JSON_DEPTH_MAX {
            value = json!([value]);
        }
        Json::encode(&value).as_bytes().to_vec()
    };
    let table: [&[u8]; 10] = [
        b"",
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xeb, 0x7f, 0xff, 0xff, 0xff],
        &[0x00, 0x00],
        &[0x0d],
        &[0x13, b'x'],
        &[0x03],
        &[0x17, 0xff],
        &[0x2c, 0x17, b'a'],
        &deep,
    ];
    for bytes in table {
        assert!(Json::from_bytes(bytes.to_vec()).decode().is_err(), "{bytes:02x?}");
    }
    assert_eq!(Json::default().decode(), Ok(json!({})));
    assert_eq!(Json::null().decode(), Ok(Value::Null));
}
