//! A report that is too long for a twin would be lost whole. So it gives up, one after the other and
//! for all modules alike, what the desired properties say anyway, and says what it left out.

use serde_json::{Map, Value, json};
use skerry_model::twin::section_bytes;

/// What the note of it takes at most.
const NOTE_BYTES: usize = 200;

type Cut = fn(&mut Map<String, Value>);

/// In this order.
const CUTS: [(&str, Cut); 4] = [
    ("env", |module| drop(module.insert("env".to_owned(), json!({})))),
    ("createOptions", |module| {
        if let Some(Value::Object(settings)) = module.get_mut("settings") {
            settings.retain(|key, _| !key.starts_with("createOptions"));
        }
    }),
    ("statusDescription", |module| {
        let status = module.get("runtimeStatus").cloned().unwrap_or_default();
        module.insert("statusDescription".to_owned(), status);
    }),
    ("all but the state", |module| {
        module.retain(|key, _| matches!(key.as_str(), "runtimeStatus" | "exitCode" | "restartCount"));
    }),
];

pub fn trim(mut section: Map<String, Value>, bytes_max: usize) -> Map<String, Value> {
    let mut left_out = Vec::new();
    for (name, cut) in CUTS {
        if section_bytes(&section) + NOTE_BYTES <= bytes_max {
            break;
        }
        for group in ["systemModules", "modules"] {
            if let Some(Value::Object(modules)) = section.get_mut(group) {
                modules.values_mut().filter_map(Value::as_object_mut).for_each(cut);
            }
        }
        left_out.push(name);
    }
    if !left_out.is_empty() {
        let own = section.entry("skerry").or_insert_with(|| json!({}));
        own["leftOut"] = json!(left_out.join(", "));
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(modules: usize, env: usize, options: usize, words: usize) -> Map<String, Value> {
        let module = json!({
            "runtimeStatus": "running", "exitCode": 0, "restartCount": 0, "statusDescription": "z".repeat(words),
            "env": {"A": {"value": "x".repeat(env)}},
            "settings": {"image": "a:1", "createOptions": "y".repeat(options)}
        });
        let modules: Map<String, Value> =
            (0..modules).map(|n| (format!("module-{n}"), module.clone())).collect();
        json!({"lastDesiredVersion": 1, "modules": modules}).as_object().unwrap().clone()
    }

    #[test]
    fn what_fits_stays_whole() {
        let whole = report(10, 100, 100, 7);
        assert_eq!(trim(whole.clone(), 32 << 10), whole);
    }

    #[test]
    fn the_least_that_helps_is_left_out() {
        for (modules, env, options, words, left_out) in [
            (50, 1000, 100, 7, "env"),
            (50, 10, 1000, 7, "env, createOptions"),
            (200, 1000, 1000, 500, "env, createOptions, statusDescription"),
            (400, 10, 10, 7, "env, createOptions, statusDescription, all but the state"),
        ] {
            let trimmed = trim(report(modules, env, options, words), 32 << 10);
            assert_eq!(trimmed["skerry"]["leftOut"], left_out);
            assert!(section_bytes(&trimmed) <= 32 << 10, "{}", section_bytes(&trimmed));
            assert_eq!(trimmed["modules"]["module-7"]["runtimeStatus"], "running");
        }
    }
}
