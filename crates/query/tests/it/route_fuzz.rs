//! Mutates the conditions and routes of `tests/routes` with a fixed seed.
//!
//! Whatever comes out, reading ends, the error lies inside the text and reads safely, and what is
//! accepted survives printing and has an answer for messages. For a long night:
//! `SKERRY_TEST_FUZZ_RUNS=10000000`.

use std::fs;

use serde_json::Value as Json;
use skerry_query::route::{Message, Origin, Route, RouteCondition};
use skerry_query::{Dialect, Error};

use crate::fuzz::{XorShift, check_error, mutate};

const RUNS: usize = 20_000;
const SEED: u64 = 0x2545_F491_4F6C_DD1D;

/// Pieces that matter to the grammar.
const PIECES: [&str; 48] = [
    "FROM ",
    "SELECT * ",
    "/messages/*",
    "/messages/modules/m/outputs/o",
    "/twinChangeNotifications",
    "/*",
    "*/",
    " WHERE ",
    " INTO ",
    "$upstream",
    "BrokeredEndpoint(\"/modules/m/inputs/i\")",
    " AND ",
    " OR ",
    "NOT ",
    " ?? ",
    " || ",
    " IN [",
    "]",
    "(",
    ")",
    "{",
    "}",
    "$",
    "$body.a",
    "{$body.b}",
    "$twin.tags.a",
    "[0]",
    ".",
    "..",
    ",",
    "=",
    "!=",
    "<",
    ">=",
    " + ",
    "-",
    " / ",
    " % ",
    "'",
    "\"",
    "\\",
    "null",
    "undefined",
    "true",
    "1e999",
    "AS_NUMBER(",
    "TWIN_CHANGE_INCLUDES(",
    "\u{1F600}",
];

#[test]
fn mutated_routes_are_answered_inside_their_bounds() {
    let (corpus, messages) = corpus();
    let often = often();
    let mut random = XorShift(SEED);
    let mut accepted = 0;
    for _ in 0..often {
        let mut text: Vec<char> = corpus[random.below(corpus.len())].chars().collect();
        for _ in 0..=random.below(4) {
            mutate(&mut text, &corpus, &PIECES, &mut random);
        }
        let text: String = text.into_iter().collect();
        for dialect in [Dialect::HubRoute, Dialect::EdgeRoute] {
            accepted += usize::from(check_condition(&text, dialect, &messages));
        }
        accepted += usize::from(check_route(&text));
    }
    // Otherwise the mutations would only ever test the lexer.
    assert!(accepted > often / 10, "only {accepted} texts were accepted");
}

#[expect(clippy::disallowed_methods, reason = "a test's own switch")]
fn often() -> usize {
    std::env::var("SKERRY_TEST_FUZZ_RUNS").map_or(RUNS, |often| often.parse().expect("a number"))
}

/// Every text and every message of the cases.
fn corpus() -> (Vec<String>, Vec<Message>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/routes");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut texts = Vec::new();
    let mut messages = vec![Message::default()];
    for path in paths {
        let file: Json = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        messages.extend(file.get("message").map(|message| Message::from_json(message).unwrap()));
        for case in file["cases"].as_array().unwrap() {
            texts.extend(
                ["condition", "route"].iter().filter_map(|key| case[key].as_str()).map(str::to_owned),
            );
        }
    }
    assert!(texts.len() > 400 && messages.len() > 5);
    (texts, messages)
}

fn check_condition(text: &str, dialect: Dialect, messages: &[Message]) -> bool {
    let condition = match RouteCondition::parse(text, dialect) {
        Ok(condition) => condition,
        Err(error) => return refused(&error, text),
    };
    let printed = condition.to_string();
    if printed.chars().count() <= 8192 {
        let again = RouteCondition::parse(&printed, dialect);
        let again = again.unwrap_or_else(|e| panic!("{text}\n{printed}\n{e}"));
        assert_eq!(again, condition, "{text}");
        for message in messages {
            assert_eq!(again.evaluate(message), condition.evaluate(message), "{text}");
        }
    }
    true
}

fn check_route(text: &str) -> bool {
    let route = match Route::parse(text) {
        Ok(route) => route,
        Err(error) => return refused(&error, text),
    };
    let printed = route.to_string();
    if printed.chars().count() <= 8192 {
        let again = Route::parse(&printed).unwrap_or_else(|e| panic!("{text}\n{printed}\n{e}"));
        assert_eq!(again, route, "{text}");
    }
    // Nothing comes from an unknown source.
    let taken =
        [Origin::TwinChange, Origin::telemetry(Some("m"), Some("o"))].iter().any(|o| route.source.matches(o));
    assert!(route.source.is_known() || !taken, "{text}");
    true
}

fn refused(error: &Error, text: &str) -> bool {
    check_error(error, text);
    false
}
