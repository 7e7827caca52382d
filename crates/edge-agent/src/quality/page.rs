//! Our own page of figures, taken apart again.

use serde_json::{Map, Value};

/// Says of whom the figures are, which the message says already, or is the same for all.
const LEFT_OUT: [&str; 3] = ["ms_telemetry", "iothub", "edge_device"];

/// Name, labels as JSON, and value of each figure that may be sent.
pub(super) fn figures(page: &str) -> impl Iterator<Item = (&str, String, f64)> {
    page.lines().filter_map(figure)
}

fn figure(line: &str) -> Option<(&str, String, f64)> {
    let (name, rest) = line.split_once('{')?;
    let (labels, value) = rest.rsplit_once("} ")?;
    let labels = read_labels(labels)?;
    if labels.get("ms_telemetry").and_then(Value::as_str) != Some("True") {
        return None;
    }
    let kept = labels.into_iter().filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()));
    Some((name, Value::Object(kept.collect()).to_string(), value.parse().ok()?))
}

/// `key="value",…`, with `\\`, `\"` and `\n` in values.
fn read_labels(text: &str) -> Option<Map<String, Value>> {
    let mut labels = Map::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (key, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => value.push(other),
            }
        };
        labels.insert(key.to_owned(), Value::String(value));
        rest = after[end + 1..].trim_start_matches(',');
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_they_were_written() {
        let page = "# HELP edgeAgent_a Text\n# TYPE edgeAgent_a gauge\n\
            edgeAgent_a{iothub=\"h\",edge_device=\"d\",instance_number=\"1\",of=\"a\\\\\\\"b,c=}\\n\",ms_telemetry=\"True\"} 1.5\n\
            edgeAgent_b{iothub=\"h\",ms_telemetry=\"False\"} 1\n\
            edgeagent_c{method_name=\"ping\"} 2\nedgeAgent_d 3\nedgeAgent_e{ms_telemetry=\"True\"} x\n";
        let found: Vec<_> = figures(page).collect();
        let labels = r#"{"instance_number":"1","of":"a\\\"b,c=}\n"}"#;
        assert_eq!(found, [("edgeAgent_a", labels.to_owned(), 1.5)]);
    }
}
