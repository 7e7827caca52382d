//! Hostile texts end in an error with a position, quickly and without overflowing the stack.

use serde_json::json;
use skerry_query::limits::{DEPTH_MAX, LIST_VALUES_MAX, TEXT_CHARS_MAX};
use skerry_query::route::{Message, Route, RouteCondition, Truth};
use skerry_query::{AggregateError, Aggregation, Condition, Dialect, Query};

fn condition(text: &str) -> Result<Condition, String> {
    Condition::parse(text, Dialect::Twin).map_err(|e| e.to_string())
}

/// Half of what the threads of a server have, and without the compiler's optimisations.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(work).unwrap();
    thread.join().unwrap();
}

#[test]
fn a_text_of_8192_characters_is_read_and_one_more_is_refused() {
    let filler = |chars: usize| format!("true{}", " ".repeat(chars - 4));
    assert!(condition(&filler(TEXT_CHARS_MAX)).is_ok());
    let error = condition(&filler(TEXT_CHARS_MAX + 1)).unwrap_err();
    assert_eq!(error, "line 1, column 8193: expected at most 8192 characters, found more");
    // Characters, not bytes.
    assert!(condition(&format!("a = '{}'", "é".repeat(8000))).is_ok());
}

#[test]
fn long_chains_are_flat() {
    on_a_small_stack(|| {
        for joint in [" AND ", " OR "] {
            let text = vec!["a=1"; 1000].join(joint);
            let parsed = condition(&text).unwrap();
            assert_eq!(parsed.truth(&json!({"a": 1})), Some(true));
            assert_eq!(parsed.to_string(), vec!["a = 1"; 1000].join(joint));
        }
    });
}

#[test]
fn deep_texts_are_refused() {
    on_a_small_stack(|| {
        let deep = [
            "NOT ".repeat(2000) + "a",
            "(".repeat(4000) + "a" + &")".repeat(4000),
            "(".repeat(8000),
            "-".repeat(8000) + "a",
            "a + ".repeat(2000) + "a = 1",
            "a * ".repeat(2000) + "a = 1",
            "ABS(".repeat(2000),
            "NOT (".repeat(1600),
            "a=(".repeat(2000),
            "a IN [".repeat(1300),
            "a AND (a OR (".repeat(600),
        ];
        for text in deep {
            condition(&text).unwrap_err();
        }
    });
}

#[test]
fn the_deepest_allowed_texts_evaluate() {
    on_a_small_stack(|| {
        let row = json!({"a": true, "n": 1});
        let nested = "(".repeat(DEPTH_MAX) + "a" + &")".repeat(DEPTH_MAX);
        assert_eq!(condition(&nested).unwrap().truth(&row), Some(true));
        let nots = "NOT ".repeat(DEPTH_MAX - 1) + "a";
        assert_eq!(condition(&nots).unwrap().truth(&row), Some(false));
        assert!(condition(&format!("NOT {nots}")).unwrap_err().contains("at most 64 levels"));
        let sum = format!("{} = 63", vec!["n"; DEPTH_MAX - 1].join(" + "));
        assert_eq!(condition(&sum).unwrap().truth(&row), Some(true));
        let calls = "ABS(".repeat(DEPTH_MAX - 2) + "n" + &")".repeat(DEPTH_MAX - 2) + " = 1";
        let parsed = condition(&calls).unwrap();
        assert_eq!(parsed.truth(&row), Some(true));
        assert_eq!(condition(&parsed.to_string()).unwrap(), parsed);
        let zigzag = "NOT (a AND (".repeat(DEPTH_MAX / 4) + "a" + &"))".repeat(DEPTH_MAX / 4);
        assert!(condition(&zigzag).is_ok());
    });
}

#[test]
fn lists_and_columns_have_an_end() {
    let list = |count: usize| format!("a IN [{}]", vec!["1"; count].join(","));
    assert!(condition(&list(LIST_VALUES_MAX)).is_ok());
    assert!(condition(&list(LIST_VALUES_MAX + 1)).unwrap_err().contains("at most 1000 values"));
    let items = |count: usize| (0..count).map(|n| format!("a AS x{n}")).collect::<Vec<_>>().join(",");
    assert!(Query::parse(&format!("SELECT {} FROM devices", items(64))).is_ok());
    assert!(Query::parse(&format!("SELECT {} FROM devices", items(65))).is_err());
    let paths = |count: usize| vec!["a"; count].join(",");
    assert!(Query::parse(&format!("SELECT a FROM devices GROUP BY {}", paths(16))).is_ok());
    assert!(Query::parse(&format!("SELECT a FROM devices GROUP BY {}", paths(17))).is_err());
}

#[test]
fn built_strings_do_not_explode() {
    let double = (0..9).fold("a".to_owned(), |inner, _| format!("CONCAT({inner}, {inner})"));
    let row = json!({"a": "x".repeat(4096)});
    let parsed = condition(&format!("IS_DEFINED({double})")).unwrap();
    assert_eq!(parsed.truth(&row), Some(false));
}

#[test]
fn the_number_of_groups_is_bounded() {
    let query = Query::parse("SELECT a, COUNT() AS n FROM devices GROUP BY a").unwrap();
    let mut aggregation = Aggregation::new(&query, 2);
    for a in [1, 2, 1] {
        aggregation.push(&json!({"a": a})).unwrap();
    }
    let error = aggregation.push(&json!({"a": 3})).unwrap_err();
    assert_eq!(error, AggregateError::TooManyGroups { groups_max: 2 });
    // What was grouped so far is still there, and known groups still take rows.
    aggregation.push(&json!({"a": 2})).unwrap();
    assert_eq!(json!(aggregation.finish()), json!([{"a": 1, "n": 2}, {"a": 2, "n": 2}]));
}

#[test]
fn group_keys_have_a_bound_in_bytes() {
    let query = Query::parse("SELECT a FROM devices GROUP BY a").unwrap();
    let mut aggregation = Aggregation::new(&query, usize::MAX);
    let text = "x".repeat(1 << 20);
    let overflow = (0..80).find_map(|n| aggregation.push(&json!({"a": format!("{n}{text}")})).err());
    assert!(matches!(overflow, Some(AggregateError::TooManyBytes { .. })));
}

#[test]
fn deep_routes_are_refused_and_the_deepest_allowed_evaluate() {
    on_a_small_stack(|| {
        let read = |text: &str| RouteCondition::parse(text, Dialect::EdgeRoute);
        let deep = [
            "NOT ".repeat(2000) + "true",
            "-".repeat(8000) + "1 = 1",
            "(".repeat(4000) + "true" + &")".repeat(4000),
            "a ?? ".repeat(1600) + "a",
            "a || ".repeat(1600) + "a = 'a'",
            "true = ".repeat(1100) + "true",
            "LOWER(".repeat(1300),
            "{".repeat(8000),
            "{$body.a} = (".repeat(600),
        ];
        for text in deep {
            read(&text).unwrap_err();
            Route::parse(&format!("FROM /* WHERE {text} INTO $upstream")).unwrap_err();
        }
        let message = Message::from_json(&json!({"appProperties": {"a": "x"}})).unwrap();
        let nots = "NOT ".repeat(DEPTH_MAX - 1) + "true";
        assert_eq!(read(&nots).unwrap().evaluate(&message), Truth::False);
        assert!(read(&format!("NOT {nots}")).unwrap_err().to_string().contains("at most 64 levels"));
        let joined = format!("LENGTH({}) = 62", vec!["a"; DEPTH_MAX - 2].join(" || "));
        assert_eq!(read(&joined).unwrap().evaluate(&message), Truth::True);
        let either = format!("({}) = 'x'", vec!["missing"; DEPTH_MAX - 3].join(" ?? ") + " ?? a");
        assert_eq!(read(&either).unwrap().evaluate(&message), Truth::True);
        let chain = vec!["a = 'x'"; 500].join(" AND ");
        assert_eq!(read(&chain).unwrap().evaluate(&message), Truth::True);
    });
}

#[test]
fn a_route_has_the_length_of_a_query_and_long_paths_are_short() {
    let route = |chars: usize| format!("FROM /* INTO $upstream{}", " ".repeat(chars - 22));
    assert!(Route::parse(&route(TEXT_CHARS_MAX)).is_ok());
    assert!(Route::parse(&route(TEXT_CHARS_MAX + 1)).is_err());
    let path = format!("$body{}", ".a".repeat(4000));
    let condition = RouteCondition::parse(&format!("{path} = 1"), Dialect::EdgeRoute).unwrap();
    assert_eq!(condition.evaluate(&Message::default()), Truth::Undefined);
}
