//! Runs every file of `tests/routes`. A new case is a new entry or a new file.
//!
//! A file is `{"about": …, "dialect": "hub" or "edge", none for both, "message": …, "cases": […]}`.
//! A case is one of
//! - `{"condition", "is"}`: true, false or "undefined" for the file's message, or for the case's
//!   own `"message"`;
//! - `{"condition", "prints"}`: its normal form;
//! - `{"condition", "error"}`: what is wrong, position included;
//! - `{"route", "source", "sink"}`: what a route was read as, in its normal form, and with
//!   `"takes"` a list of origins that it matches of [`ORIGINS`];
//! - `{"route", "error"}`.
//!
//! A condition that is read must read the same again in its normal form.

use std::fs;

use serde_json::{Value as Json, json};
use skerry_query::Dialect;
use skerry_query::route::{Message, Origin, Route, RouteCondition};

const CASES_AT_LEAST: usize = 1300;

/// What a route can be tried with, by name.
const ORIGINS: [(&str, Origin<'static>); 6] = [
    ("device", Origin::Telemetry { module: None, output: None }),
    ("m", Origin::Telemetry { module: Some("m"), output: None }),
    ("m/o", Origin::Telemetry { module: Some("m"), output: Some("o") }),
    ("m/p", Origin::Telemetry { module: Some("m"), output: Some("p") }),
    ("n/o", Origin::Telemetry { module: Some("n"), output: Some("o") }),
    ("twin", Origin::TwinChange),
];

#[test]
fn every_case_gives_what_its_file_says() {
    let mut count = 0;
    let mut failures = Vec::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/routes");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let file: Json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let dialects = match file["dialect"].as_str() {
            Some("hub") => vec![Dialect::HubRoute],
            Some("edge") => vec![Dialect::EdgeRoute],
            _ => vec![Dialect::HubRoute, Dialect::EdgeRoute],
        };
        for case in file["cases"].as_array().unwrap() {
            for dialect in &dialects {
                count += 1;
                if let Err(problem) = run(case, &file["message"], *dialect) {
                    failures.push(format!("{name}, {dialect:?}: {case}\n    {problem}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    assert!(count >= CASES_AT_LEAST, "only {count} cases: is the folder complete?");
}

fn run(case: &Json, message: &Json, dialect: Dialect) -> Result<(), String> {
    if let Some(text) = case["route"].as_str() {
        return run_route(case, text);
    }
    let text = case["condition"].as_str().ok_or("has neither condition nor route")?;
    let condition = RouteCondition::parse(text, dialect).map_err(|e| e.to_string());
    if let Some(wanted) = case["error"].as_str() {
        return refused(wanted, condition);
    }
    let condition = condition?;
    if let Some(wanted) = case["prints"].as_str() {
        let printed = condition.to_string();
        return if printed == wanted { reads_again(&condition) } else { Err(format!("prints as {printed}")) };
    }
    let message = Message::from_json(case.get("message").unwrap_or(message)).map_err(|e| e.to_string())?;
    let truth = condition.evaluate(&message);
    let wanted = case["is"].as_str().map_or_else(|| case["is"].to_string(), str::to_owned);
    if truth.to_string() != wanted {
        return Err(format!("is {truth}"));
    }
    reads_again(&condition)
}

fn reads_again(condition: &RouteCondition) -> Result<(), String> {
    let again = RouteCondition::parse(&condition.to_string(), condition.dialect());
    let again = again.map_err(|e| format!("{condition}: {e}"))?;
    if again == *condition { Ok(()) } else { Err(format!("prints as {condition}, which reads as {again}")) }
}

fn run_route(case: &Json, text: &str) -> Result<(), String> {
    let route = Route::parse(text).map_err(|e| e.to_string());
    if let Some(wanted) = case["error"].as_str() {
        return refused(wanted, route);
    }
    let route = route?;
    let got = json!([route.source.to_string(), route.sink.to_string()]);
    if got != json!([case["source"], case["sink"]]) {
        return Err(format!("gives {got}"));
    }
    if let Some(condition) = case["where"].as_str()
        && condition != route.condition.to_string()
    {
        return Err(format!("has the condition {}", route.condition));
    }
    if let Some(wanted) = case.get("takes") {
        let taken = ORIGINS.iter().filter(|(_, origin)| route.source.matches(origin));
        let taken: Json = taken.map(|(name, _)| *name).collect();
        if taken != *wanted {
            return Err(format!("takes {taken}"));
        }
    }
    let again = Route::parse(&route.to_string()).map_err(|e| format!("{route}: {e}"))?;
    if again == route { Ok(()) } else { Err(format!("prints as {route}, which reads as {again}")) }
}

fn refused<T>(wanted: &str, got: Result<T, String>) -> Result<(), String> {
    match got {
        Ok(_) => Err("is accepted".into()),
        Err(message) if message == wanted => Ok(()),
        Err(message) => Err(format!("says {message:?}")),
    }
}
