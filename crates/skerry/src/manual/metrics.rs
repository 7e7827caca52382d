//! The page of the manual that lists every figure, made of the tables that the figures are told from.

use std::fmt::Write as _;

use skerry_model::Metric;

const HEAD: &str = "# Figures

Every figure that Skerry tells of itself, as Prometheus reads them. `cargo xtask docs` makes this page of the tables in
the code; a test fails when it is older than they are.

Counters begin with the process. A histogram has `…_bucket` with the label `le`, `…_sum` and `…_count`; a summary has
the label `quantile`, `…_sum` and `…_count`.
";

const HUB: &str = "The hub tells them at `GET /skerry/v1/metrics` on its HTTPS port, to policies that hold all rights. `skerry policy \
sas-token iothubowner` prints a token for a scraper.";
const EDGE_HUB: &str = "`http://127.0.0.1:9600/metrics` on an edge device, and `/metrics` on the edge hub's HTTPS port. Names and \
labels are the original's where it has them.";
const EDGE_AGENT: &str =
    "`http://127.0.0.1:9600/metrics` on an edge device. Names and labels are the original's.";

pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    section(&mut page, "The hub", HUB, &[], &skerry_hub::rest::metrics());
    section(
        &mut page,
        "The edge hub",
        EDGE_HUB,
        &skerry_edge_hub::COMMON_LABELS,
        &skerry_edge_hub::metrics(),
    );
    section(
        &mut page,
        "The agent",
        EDGE_AGENT,
        &skerry_edge_agent::COMMON_LABELS,
        &skerry_edge_agent::metrics(),
    );
    page
}

fn section(page: &mut String, heading: &str, where_: &str, common: &[&str], metrics: &[Metric]) {
    // Writing to a text cannot fail.
    let _ = write!(page, "\n## {heading}\n\n{where_}\n\n");
    if !common.is_empty() {
        let _ = write!(
            page,
            "Every series has the labels {} too, and most have `ms_telemetry`.\n\n",
            list(common)
        );
    }
    page.push_str("| name | type | labels | meaning |\n|---|---|---|---|\n");
    for Metric { name, kind, labels, help } in metrics {
        let _ = writeln!(page, "| `{name}` | {} | {} | {help} |", kind.word(), list(labels));
    }
}

fn list(labels: &[&str]) -> String {
    labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ")
}
