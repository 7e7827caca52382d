//! Mutates the texts of `tests/corpus` a fixed number of times with a fixed seed.
//!
//! Whatever comes out, parsing ends, the error lies inside the text and reads safely, and what
//! is accepted survives printing and evaluation. A text that once broke something belongs into
//! the corpus.

use std::fs;

use serde_json::{Value as Json, json};
use skerry_query::{Aggregation, Condition, Dialect, Error, Query};

const RUNS: usize = 20_000;
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Pieces that matter to the grammar.
const PIECES: [&str; 48] = [
    "SELECT ",
    "TOP 1",
    "*",
    " FROM devices",
    ".modules",
    ".jobs",
    " WHERE ",
    " GROUP BY ",
    " AS ",
    " AND ",
    " OR ",
    "NOT ",
    " IN [",
    " NIN [",
    "]",
    "(",
    ")",
    ",",
    ".",
    "=",
    "!=",
    "<>",
    "<",
    ">=",
    "+",
    "-",
    "/",
    "%",
    "'",
    "\"",
    "\\",
    "\\u00e9",
    "\\ud83d\\ude00",
    "[[",
    "]]",
    "[0]",
    "/*",
    "*/",
    "null",
    "undefined",
    "true",
    "1e308",
    "0xFF",
    "COUNT()",
    "AVG(",
    "IS_DEFINED(",
    "SUBSTRING(",
    "\u{1F600}",
];

pub(crate) struct XorShift(pub(crate) u64);

impl XorShift {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

#[test]
fn mutated_texts_are_answered_inside_their_bounds() {
    let corpus = corpus();
    let rows = [json!({}), json!({"deviceId": "d", "tags": {"a": 1, "b": [1, "x", null], "c": "text"}})];
    let mut random = XorShift(SEED);
    let mut accepted = 0;
    for _ in 0..RUNS {
        let mut text: Vec<char> = corpus[random.below(corpus.len())].chars().collect();
        for _ in 0..=random.below(4) {
            mutate(&mut text, &corpus, &PIECES, &mut random);
        }
        let text: String = text.into_iter().collect();
        accepted += usize::from(check_query(&text, &rows)) + usize::from(check_condition(&text, &rows));
    }
    // Otherwise the mutations would only ever test the lexer.
    assert!(accepted > RUNS / 20, "only {accepted} texts were accepted");
}

fn corpus() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

pub(crate) fn mutate(text: &mut Vec<char>, corpus: &[String], pieces: &[&str], random: &mut XorShift) {
    let at = random.below(text.len() + 1);
    let end = (at + random.below(12)).min(text.len());
    match random.below(6) {
        0 => drop(text.drain(at..end)),
        1 => {
            let piece = pieces[random.below(pieces.len())];
            text.splice(at..at, piece.chars());
        }
        2 => {
            let piece = pieces[random.below(pieces.len())];
            text.splice(at..end, piece.chars());
        }
        3 => {
            let copy: Vec<char> = text[at..end].to_vec();
            let to = random.below(text.len() + 1);
            text.splice(to..to, copy);
        }
        4 => {
            let c = char::from_u32(random.below(0x300) as u32).unwrap_or('?');
            text.insert(at, c);
        }
        _ => {
            let other: Vec<char> = corpus[random.below(corpus.len())].chars().collect();
            let from = random.below(other.len() + 1);
            text.truncate(at);
            text.extend_from_slice(&other[from..]);
        }
    }
}

fn check_query(text: &str, rows: &[Json]) -> bool {
    let query = match Query::parse(text) {
        Ok(query) => query,
        Err(error) => {
            check_error(&error, text);
            return false;
        }
    };
    let printed = query.to_string();
    if printed.chars().count() <= 8192 {
        let again = Query::parse(&printed).unwrap_or_else(|e| panic!("{text}\n{printed}\n{e}"));
        assert_eq!(again, query, "{text}");
    }
    let mut aggregation = Aggregation::new(&query, 10);
    for row in rows {
        aggregation.push(row).unwrap();
        query.project(row);
    }
    aggregation.finish();
    true
}

fn check_condition(text: &str, rows: &[Json]) -> bool {
    match Condition::parse(text, Dialect::Twin) {
        Ok(condition) => {
            for row in rows {
                assert_eq!(condition.matches(row), condition.truth(row) == Some(true));
            }
            true
        }
        Err(error) => {
            check_error(&error, text);
            false
        }
    }
}

pub(crate) fn check_error(error: &Error, text: &str) {
    let (start, end) = (error.span.start, error.span.end);
    assert!(start <= end, "{error}: {text}");
    for place in [start, end] {
        let line = text.split('\n').nth(place.line as usize - 1);
        let line = line.unwrap_or_else(|| panic!("{error}: no such line in {text:?}"));
        assert!(place.column >= 1 && place.column as usize <= line.chars().count() + 1, "{error}: {text:?}");
    }
    let message = error.to_string();
    assert!(!message.contains(';') && !message.to_lowercase().contains("errorcode"), "{message}");
    assert!(message.chars().count() < 400 && !message.chars().any(char::is_control), "{message:?}");
}
