//! What the agent says of its deployment, in lines for people.

use serde_json::Value;

/// Of an answer to `/skerry/v1/agent`.
pub fn troubles(agent: &Value) -> Vec<String> {
    let mut told = Vec::new();
    let text = |of: &Value| of.as_str().map(one_line).filter(|text| !text.is_empty());
    told.extend(text(&agent["clock"]));
    told.extend(text(&agent["hubTrouble"]).map(|reason| format!("the hub is out of reach: {reason}")));
    told.extend(text(&agent["trouble"]));
    let (last, update) = (&agent["last"], &agent["update"]);
    if last["code"].as_u64().is_some_and(|code| code != 200)
        && let Some(reason) = text(&last["description"])
    {
        told.push(format!("version {} of the deployment was not carried out: {reason}", last["version"]));
    }
    // What was just taken back is told already.
    if update["version"] != last["version"]
        && let (Some(phase), Some(reason)) = (update["phase"].as_str(), text(&update["text"]))
    {
        told.push(format!("version {} of the deployment is {phase}: {reason}", update["version"]));
    }
    for module in agent["modules"].as_array().into_iter().flatten() {
        if let (Some(name), Some(trouble)) = (module["name"].as_str(), text(&module["trouble"])) {
            told.push(format!("{name}: {trouble}"));
        }
    }
    told
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reasons_are_told_one_by_one() {
        let last =
            |version: u64, code: u64| json!({ "version": version, "code": code, "description": "it\nfell" });
        let update = json!({ "version": 8, "phase": "waiting", "text": "no image" });
        let sensor = |trouble: Value| json!([{ "name": "sensor", "trouble": trouble }]);
        for (agent, expected) in [
            (json!({}), vec![]),
            (json!({ "hub": false, "last": last(7, 200), "modules": sensor(Value::Null) }), vec![]),
            (json!({ "trouble": "the engine is down" }), vec!["the engine is down"]),
            (
                json!({ "hubTrouble": "no\nroute", "clock": "it is late" }),
                vec!["it is late", "the hub is out of reach: no route"],
            ),
            (
                json!({ "last": last(7, 400) }),
                vec!["version 7 of the deployment was not carried out: it fell"],
            ),
            (
                json!({ "last": last(8, 400), "update": update }),
                vec!["version 8 of the deployment was not carried out: it fell"],
            ),
            (
                json!({ "last": last(7, 200), "update": update }),
                vec!["version 8 of the deployment is waiting: no image"],
            ),
            (json!({ "modules": sensor(json!("it broke")) }), vec!["sensor: it broke"]),
        ] {
            assert_eq!(troubles(&agent), expected, "{agent}");
        }
    }
}
