//! Runs every file of `tests/cases`. A new case is a new entry or a new file.
//!
//! A file is `{"about": …, "rows": […], "cases": […], "matrices": […]}`. A case is one of
//! - `{"query", "result"}`: the rows of the result, in order, and optionally their `"kind"`;
//! - `{"condition", "is"}`: true, false or "undefined" for the first row;
//! - `{"value", "gives"}`: an expression's value for the first row, no `gives` for undefined;
//! - `{"query" or "condition", "error"}`: the message, position included;
//! - `{"same": [texts]}` and `{"different": [texts]}`: queries by their hash.
//!
//! A matrix puts every pair of `operands` into `template` and compares the condition's answers
//! with `table`: `T`, `F`, `.` for undefined; one row per left operand, one column per right
//! one, or a single row if the template has no `{r}`.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value as Json, json};
use skerry_query::{Aggregation, Condition, Dialect, Expr, Query, evaluate};

const CASES_AT_LEAST: usize = 600;

#[test]
fn every_case_gives_what_its_file_says() {
    let mut count = 0;
    let mut failures = Vec::new();
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        let file: Json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let rows = file["rows"].as_array().cloned().unwrap_or_default();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for case in file["cases"].as_array().unwrap_or(&Vec::new()) {
            count += 1;
            if let Err(problem) = run(case, &rows) {
                failures.push(format!("{name}: {case}\n    {problem}"));
            }
        }
        for matrix in file["matrices"].as_array().unwrap_or(&Vec::new()) {
            run_matrix(matrix, &rows, &name, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    assert!(count >= CASES_AT_LEAST, "only {count} cases: is the folder complete?");
}

fn files() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn expect(wanted: &Json, got: &Json) -> Result<(), String> {
    // Compared as text: between JSON values the order of members would not count.
    let (wanted, got) = (wanted.to_string(), got.to_string());
    if wanted == got { Ok(()) } else { Err(format!("gives {got}")) }
}

fn run(case: &Json, rows: &[Json]) -> Result<(), String> {
    let row = rows.first().unwrap_or(&Json::Null);
    if let Some(wanted) = case["error"].as_str() {
        let message = match (case["query"].as_str(), case["condition"].as_str()) {
            (Some(text), _) => Query::parse(text).err().map(|e| e.to_string()),
            (_, Some(text)) => Condition::parse(text, Dialect::Twin).err().map(|e| e.to_string()),
            _ => return Err("has neither query nor condition".into()),
        };
        let message = message.ok_or("is accepted")?;
        return if message == wanted { Ok(()) } else { Err(format!("says {message:?}")) };
    }
    if let Some(text) = case["query"].as_str() {
        let query = Query::parse(text).map_err(|e| e.to_string())?;
        if let Some(kind) = case["kind"].as_str()
            && kind != query.result_kind().name()
        {
            return Err(format!("is {}", query.result_kind().name()));
        }
        return expect(&case["result"], &result(&query, rows));
    }
    if let Some(text) = case["condition"].as_str() {
        return expect(&case["is"], &answer(text, row)?);
    }
    if let Some(text) = case["value"].as_str() {
        let wrapped = Condition::parse(&format!("IS_DEFINED({text})"), Dialect::Twin);
        let wrapped = wrapped.map_err(|e| e.to_string())?;
        let Expr::Call { arguments, .. } = wrapped.expr() else { return Err("is not one value".into()) };
        let got = evaluate(&arguments[0], row).into_json();
        return match (case.get("gives"), got) {
            (None, None) => Ok(()),
            (None, Some(got)) => Err(format!("gives {got}")),
            (Some(_), None) => Err("is undefined".into()),
            (Some(wanted), Some(got)) => expect(wanted, &got),
        };
    }
    for (key, same) in [("same", true), ("different", false)] {
        if let Some(texts) = case[key].as_array() {
            return compare_hashes(texts, same);
        }
    }
    Err("is no known kind of case".into())
}

fn compare_hashes(texts: &[Json], same: bool) -> Result<(), String> {
    let hash =
        |text: &Json| Query::parse(text.as_str().unwrap()).map(|q| q.hash()).map_err(|e| e.to_string());
    let mut hashes = texts.iter().map(hash).collect::<Result<Vec<_>, _>>()?;
    hashes.sort_unstable();
    hashes.dedup();
    let wanted = if same { 1 } else { texts.len() };
    if hashes.len() == wanted { Ok(()) } else { Err(format!("has {} hashes", hashes.len())) }
}

fn result(query: &Query, rows: &[Json]) -> Json {
    if query.is_aggregated() {
        let mut aggregation = Aggregation::new(query, 1000);
        for row in rows {
            aggregation.push(row).unwrap();
        }
        return json!(aggregation.finish());
    }
    let top = query.select.top.unwrap_or(u64::MAX) as usize;
    let kept = rows.iter().filter(|row| query.matches(*row)).take(top);
    kept.map(|row| Json::Object(query.project(row))).collect()
}

fn answer(text: &str, row: &Json) -> Result<Json, String> {
    let condition = Condition::parse(text, Dialect::Twin).map_err(|e| format!("{text}: {e}"))?;
    Ok(condition.truth(row).map_or(json!("undefined"), Json::Bool))
}

fn run_matrix(matrix: &Json, rows: &[Json], name: &str, failures: &mut Vec<String>) {
    let template = matrix["template"].as_str().unwrap();
    let operands: Vec<&str> =
        matrix["operands"].as_array().unwrap().iter().map(|operand| operand.as_str().unwrap()).collect();
    let table: Vec<&str> = match &matrix["table"] {
        Json::String(only) => vec![only],
        rows => rows.as_array().unwrap().iter().map(|row| row.as_str().unwrap()).collect(),
    };
    let binary = template.contains("{r}");
    assert_eq!(table.len(), if binary { operands.len() } else { 1 }, "{name}: {template}");
    for (line, cells) in table.iter().enumerate() {
        assert_eq!(cells.chars().count(), operands.len(), "{name}: {template}, row {line}");
        for (cell, right) in cells.chars().zip(&operands) {
            let (left, right) = if binary { (operands[line], *right) } else { (*right, "") };
            let text = template.replace("{l}", left).replace("{r}", right);
            let got = match answer(&text, &rows[0]) {
                Ok(Json::Bool(true)) => 'T',
                Ok(Json::Bool(false)) => 'F',
                Ok(_) => '.',
                Err(error) => {
                    failures.push(format!("{name}: {error}"));
                    continue;
                }
            };
            if got != cell {
                failures.push(format!("{name}: {text} gives {got}, not {cell}"));
            }
        }
    }
}
