//! `iotedge list`.

use serde_json::Value;
use skerry_model::{Clock as _, Timestamp};

use super::socket::Local;
use super::time::roughly;
use super::troubles::troubles;
use crate::failure::Failure;
use crate::output;
use crate::world::MachineClock;

const HEADINGS: [&str; 4] = ["NAME", "STATUS", "DESCRIPTION", "Config"];
/// Columns are this wide at least, with two spaces between.
const WIDTH_MIN: usize = 15;

pub async fn run(management: &Local) -> Result<(), Failure> {
    let listed = management.get("/modules").await;
    if let Ok(listed) = &listed {
        for line in table(&rows(listed, MachineClock.now())) {
            output::line(&line)?;
        }
    }
    // Why something is not as it should be is beside the table, which programs read.
    let agent = management.get("/skerry/v1/agent").await.unwrap_or_default();
    troubles(&agent).iter().for_each(|trouble| eprintln!("warn: {trouble}"));
    listed.map(drop)
}

type Row = [String; 4];

fn rows(listed: &Value, now: Timestamp) -> Vec<Row> {
    let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let modules = listed["modules"].as_array().into_iter().flatten();
    let mut rows: Vec<Row> = modules
        .map(|module| {
            let status = &module["status"];
            let word = text(&status["runtimeStatus"]["status"]);
            let described = description(&word, status, now);
            [text(&module["name"]), word, described, text(&module["config"]["settings"]["image"])]
        })
        .collect();
    rows.sort();
    rows
}

fn description(word: &str, status: &Value, now: Timestamp) -> String {
    let ago = |of: &Value| {
        let moment: Timestamp = of.as_str()?.parse().ok()?;
        Some(roughly(now.since(moment)))
    };
    let ended = ago(&status["exitStatus"]["exitTime"]);
    let code = status["exitStatus"]["statusCode"].as_str().unwrap_or("unknown");
    match (word, ended) {
        ("running", _) => match ago(&status["startTime"]) {
            Some(time) => format!("Up {time}"),
            None => "Up".to_owned(),
        },
        ("stopped" | "dead", Some(time)) => format!("Stopped {time} ago"),
        ("stopped" | "dead", None) => "Stopped".to_owned(),
        ("failed", Some(time)) => format!("Failed ({code}) {time} ago"),
        ("failed", None) => format!("Failed ({code})"),
        _ => "Unknown".to_owned(),
    }
}

fn table(rows: &[Row]) -> Vec<String> {
    let headings = HEADINGS.map(str::to_owned);
    let all = || std::iter::once(&headings).chain(rows);
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|at| all().map(|row| row[at].chars().count()).max().unwrap_or(0).max(WIDTH_MIN))
        .collect();
    all()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<0$}", width + 2));
            cells.collect::<String>().trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn modules_are_listed_as_the_original_lists_them() {
        let module = |name: &str, status: Value| {
            let settings = json!({"image": format!("registry.example/{name}:1")});
            json!({"name": name, "status": status, "config": {"settings": settings}})
        };
        let ended = |word: &str, code: &str| {
            json!({"runtimeStatus": {"status": word},
                   "exitStatus": {"exitTime": "2026-01-01T00:59:45Z", "statusCode": code}})
        };
        let up = json!({"runtimeStatus": {"status": "running"}, "startTime": "2026-01-01T00:57:00Z"});
        let listed = json!({"modules": [
            module("sensor", ended("failed", "139")),
            module("edgeAgent", up),
            module("a-module-with-a-long-name", ended("stopped", "0")),
            module("gone", json!({"runtimeStatus": {"status": "unknown"}})),
            module("new", json!({"runtimeStatus": {"status": "stopped"}})),
            module("late", ended("dead", "0")),
        ]});
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        assert_eq!(
            table(&rows(&listed, now)),
            [
                "NAME                       STATUS           DESCRIPTION                  Config",
                "a-module-with-a-long-name  stopped          Stopped 15 seconds ago       registry.example/a-module-with-a-long-name:1",
                "edgeAgent                  running          Up 3 minutes                 registry.example/edgeAgent:1",
                "gone                       unknown          Unknown                      registry.example/gone:1",
                "late                       dead             Stopped 15 seconds ago       registry.example/late:1",
                "new                        stopped          Stopped                      registry.example/new:1",
                "sensor                     failed           Failed (139) 15 seconds ago  registry.example/sensor:1",
            ]
        );
    }
}
