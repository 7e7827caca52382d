//! The examples of `docs/routes.md`: every row of a table about conditions is true, every route reads.

use std::fs;

use skerry_query::Dialect;
use skerry_query::route::{Message, Route, RouteCondition};

fn page() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/routes.md")).unwrap()
}

/// What stands between a line of three backquotes with this word and the next one.
fn block<'p>(page: &'p str, word: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("```{word}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

/// The cells of a row; `\|` is no border.
fn cells(row: &str) -> Vec<String> {
    let row = row.replace("\\|", "\u{1}");
    let inner = row.trim_start_matches("| ").trim_end_matches(" |");
    inner.split(" | ").map(|cell| cell.replace('\u{1}', "|").trim().to_owned()).collect()
}

#[test]
fn every_condition_gives_what_the_page_says() {
    let page = page();
    let message = serde_json::from_str(block(&page, "json message.json")).unwrap();
    let message = Message::from_json(&message).unwrap();
    let mut count = 0;
    let mut in_table = false;
    for line in page.lines() {
        in_table = line.starts_with("| condition | hub | edge |") || (in_table && line.starts_with('|'));
        let cells = cells(line);
        let [condition, hub, edge, ..] = cells.as_slice() else { continue };
        let Some(condition) = condition.strip_prefix('`').and_then(|c| c.strip_suffix('`')) else { continue };
        if !in_table {
            continue;
        }
        for (dialect, wanted) in [(Dialect::HubRoute, hub), (Dialect::EdgeRoute, edge)] {
            let got = RouteCondition::parse(condition, dialect);
            let got = got.map_or("error".to_owned(), |condition| condition.evaluate(&message).to_string());
            assert_eq!(&got, wanted, "{condition}, {dialect:?}");
            count += 1;
        }
    }
    assert!(count > 60, "only {count} answers: is the page read as it is written?");
}

#[test]
fn every_route_of_the_page_reads() {
    let page = page();
    let routes = block(&page, "text not run: routes, which stand in manifests");
    assert_eq!(routes.lines().count(), 3, "{routes}");
    for text in routes.lines() {
        assert!(Route::parse(text).unwrap().source.is_known(), "{text}");
    }
    for line in page.lines().skip_while(|line| *line != "## Routes of an edge") {
        let Some(source) = line.strip_prefix("| `/").and_then(|rest| rest.split_once('`')) else { continue };
        let source = source.0.replace(['{', '}'], "");
        assert!(Route::parse(&format!("FROM /{source} INTO $upstream")).unwrap().source.is_known(), "{line}");
    }
}
