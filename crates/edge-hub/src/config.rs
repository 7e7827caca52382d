//! The desired properties of `$edgeHub`: routes, and how long and how much is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::endpoint::PRIORITY_DEFAULT;

/// What the manifest wants of the hub, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Config {
    pub routes: BTreeMap<String, WantedRoute>,
    /// For letters whose route says nothing; `None` for as long as it takes.
    pub lasts: Option<Duration>,
    /// Of everything that is stored.
    pub bytes_max: Option<u64>,
    /// Of what waits in one queue: before one endpoint, with one priority.
    pub queue_bytes_max: Option<u64>,
    pub when_full: WhenFull,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WantedRoute {
    pub text: String,
    pub priority: u32,
    pub lasts: Option<Duration>,
}

/// What gives way when the store is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// New letters: their senders hear of it and keep them.
    #[default]
    Refuse,
    /// The oldest letters: those of the last priority, or those of the queue that is full.
    DropOldest,
}

impl WhenFull {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "refuse" => Some(Self::Refuse),
            "dropOldest" => Some(Self::DropOldest),
            _ => None,
        }
    }
}

/// Properties that cannot be used at all; what was configured before stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Error while parsing desired properties: {what}")]
pub(crate) struct ConfigError {
    pub what: String,
}

/// What was read, and which routes could not be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parsed {
    pub config: Config,
    /// By the route's name.
    pub faults: BTreeMap<String, String>,
}

const PRIORITY_LAST: u64 = 9;

impl Config {
    pub(crate) fn parse(desired: &Map<String, Value>) -> Result<Parsed, ConfigError> {
        let error = |what: String| ConfigError { what };
        let minor = schema_minor(desired)?;
        let store = desired.get("storeAndForwardConfiguration").filter(|value| !value.is_null());
        let routes = desired.get("routes").filter(|value| !value.is_null());
        if minor >= 1 && (store.is_none() || routes.is_none()) {
            let missing = if store.is_none() { "storeAndForwardConfiguration" } else { "routes" };
            return Err(error(format!("{missing} is missing, it is required since schema version 1.1")));
        }
        let mut parsed = Parsed::default();
        read_store(&mut parsed.config, store)?;
        let routes = match routes {
            None => return Ok(parsed),
            Some(Value::Object(routes)) => routes,
            Some(_) => return Err(error("routes must be an object".to_owned())),
        };
        for (name, value) in routes {
            match read_route(value, minor) {
                Ok(None) => {}
                Ok(Some(route)) => {
                    parsed.config.routes.insert(name.clone(), route);
                }
                Err(what) => {
                    parsed.faults.insert(name.clone(), what);
                }
            }
        }
        Ok(parsed)
    }
}

/// The second number of a version 1.x that is known.
fn schema_minor(desired: &Map<String, Value>) -> Result<u64, ConfigError> {
    let error = |what: String| ConfigError { what };
    let text = match desired.get("schemaVersion") {
        Some(Value::String(text)) => text,
        Some(_) => return Err(error("schemaVersion must be a string".to_owned())),
        None => return Err(error("schemaVersion is missing".to_owned())),
    };
    let unknown = || error(format!("schemaVersion {text:?} is not known, 1.0 to 1.3 are"));
    let mut numbers = text.split('.').map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(1)), Some(Ok(minor))) if minor <= 3 && numbers.all(|number| number.is_ok()) => Ok(minor),
        _ => Err(unknown()),
    }
}

fn read_store(config: &mut Config, store: Option<&Value>) -> Result<(), ConfigError> {
    let error = |what: &str| ConfigError { what: format!("storeAndForwardConfiguration{what}") };
    let store = match store {
        None => return Ok(()),
        Some(Value::Object(store)) => store,
        Some(_) => return Err(error(" must be an object")),
    };
    if let Some(lasts) = store.get("timeToLiveSecs").filter(|value| !value.is_null()) {
        let seconds = lasts.as_i64().filter(|seconds| i32::try_from(*seconds).is_ok());
        let seconds = seconds.ok_or_else(|| error(".timeToLiveSecs must be a whole number of 32 bits"))?;
        config.lasts = u64::try_from(seconds).ok().map(Duration::from_secs);
    }
    let limits = store.get("storeLimits").filter(|value| !value.is_null());
    let limit = |name: &str| {
        let max = limits.and_then(|limits| limits.get(name)).filter(|value| !value.is_null());
        let positive = |max: &Value| max.as_u64().filter(|max| *max > 0);
        let unusable = || error(&format!(".storeLimits.{name} must be a positive number"));
        max.map(|max| positive(max).ok_or_else(unusable)).transpose()
    };
    config.bytes_max = limit("maxSizeBytes")?;
    config.queue_bytes_max = limit("maxQueueSizeBytes")?;
    if let Some(word) = store.get("whenFull").filter(|value| !value.is_null()) {
        let when_full = word.as_str().and_then(WhenFull::from_word);
        config.when_full =
            when_full.ok_or_else(|| error(".whenFull must be \"refuse\" or \"dropOldest\""))?;
    }
    Ok(())
}

/// `None` for a route that is blank, and so does nothing.
fn read_route(value: &Value, minor: u64) -> Result<Option<WantedRoute>, String> {
    let (text, priority, lasts) = match value {
        Value::String(text) => (text, None, None),
        Value::Null => return Ok(None),
        Value::Object(_) if minor == 0 => {
            return Err("schema version 1.0 knows routes as strings only".to_owned());
        }
        Value::Object(route) => {
            let text = match route.get("route") {
                Some(Value::String(text)) if !text.trim().is_empty() => text,
                _ => return Err("\"route\" must be a text that is not blank".to_owned()),
            };
            let present = |key| route.get(key).filter(|value: &&Value| !value.is_null());
            (text, present("priority"), present("timeToLiveSecs"))
        }
        _ => return Err("a route must be a string or an object".to_owned()),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let priority = match priority {
        None => PRIORITY_DEFAULT,
        Some(priority) => match priority.as_u64() {
            Some(number) if number <= PRIORITY_LAST => number as u32,
            _ => return Err(format!("priority must be 0 to {PRIORITY_LAST}")),
        },
    };
    let lasts = match lasts.map(Value::as_u64) {
        None | Some(Some(0)) => None,
        Some(Some(seconds)) if u32::try_from(seconds).is_ok() => Some(Duration::from_secs(seconds)),
        Some(_) => return Err("timeToLiveSecs must be a whole number of 32 bits".to_owned()),
    };
    Ok(Some(WantedRoute { text: text.clone(), priority, lasts }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<Parsed, ConfigError> {
        Config::parse(value.as_object().unwrap())
    }

    #[test]
    fn both_forms_of_routes_are_read() {
        let parsed = parse(&json!({
            "schemaVersion": "1.1",
            "routes": {
                "up": "FROM /messages/* INTO $upstream",
                "first": {"route": "FROM /* INTO $upstream", "priority": 0, "timeToLiveSecs": 60},
                "blank": " ", "gone": null, "zero": {"route": "r", "timeToLiveSecs": 0},
            },
            "storeAndForwardConfiguration": {"timeToLiveSecs": 7200, "storeLimits": {"maxSizeBytes": 1000, "maxQueueSizeBytes": 10}},
            "mqttBroker": {"bridges": []},
        }))
        .unwrap();
        assert_eq!(parsed.faults, BTreeMap::new());
        let config = parsed.config;
        assert_eq!(config.lasts, Some(Duration::from_secs(7200)));
        assert_eq!((config.bytes_max, config.queue_bytes_max), (Some(1000), Some(10)));
        assert_eq!(config.when_full, WhenFull::Refuse);
        let routes: Vec<_> =
            config.routes.iter().map(|(name, route)| (name.as_str(), route.priority, route.lasts)).collect();
        let minute = Some(Duration::from_secs(60));
        assert_eq!(
            routes,
            [("first", 0, minute), ("up", PRIORITY_DEFAULT, None), ("zero", PRIORITY_DEFAULT, None)]
        );
    }

    #[test]
    fn one_bad_route_is_told_and_the_others_are_read() {
        let parsed = parse(&json!({
            "schemaVersion": "1.2",
            "routes": {
                "good": "FROM /* INTO $upstream",
                "a": {"route": "FROM /* INTO $upstream", "priority": 10},
                "b": {"route": ""},
                "c": 7,
                "d": {"route": "x", "timeToLiveSecs": -1},
            },
            "storeAndForwardConfiguration": {"timeToLiveSecs": -1, "whenFull": "dropOldest"},
        }))
        .unwrap();
        assert_eq!(parsed.config.routes.keys().collect::<Vec<_>>(), ["good"]);
        assert_eq!((parsed.config.lasts, parsed.config.when_full), (None, WhenFull::DropOldest));
        let faults: Vec<&str> = parsed.faults.values().map(String::as_str).collect();
        assert_eq!(
            faults,
            [
                "priority must be 0 to 9",
                "\"route\" must be a text that is not blank",
                "a route must be a string or an object",
                "timeToLiveSecs must be a whole number of 32 bits",
            ]
        );
    }

    #[test]
    fn what_cannot_be_used_at_all_says_why() {
        let whole =
            |schema: &str| json!({"schemaVersion": schema, "routes": {}, "storeAndForwardConfiguration": {}});
        for schema in ["1.0", "1.1.0", "1.3"] {
            parse(&whole(schema)).unwrap();
        }
        assert!(parse(&json!({"schemaVersion": "1.0"})).is_ok());
        for (desired, what) in [
            (json!({}), "schemaVersion is missing"),
            (json!({"schemaVersion": 1}), "schemaVersion must be a string"),
            (whole("2.0"), "schemaVersion \"2.0\" is not known, 1.0 to 1.3 are"),
            (whole("1"), "schemaVersion \"1\" is not known, 1.0 to 1.3 are"),
            (
                json!({"schemaVersion": "1.1", "routes": {}}),
                "storeAndForwardConfiguration is missing, it is required since schema version 1.1",
            ),
            (
                json!({"schemaVersion": "1.0", "storeAndForwardConfiguration": {"timeToLiveSecs": "7200"}}),
                "storeAndForwardConfiguration.timeToLiveSecs must be a whole number of 32 bits",
            ),
            (
                json!({"schemaVersion": "1.0", "storeAndForwardConfiguration": {"storeLimits": {"maxQueueSizeBytes": 0}}}),
                "storeAndForwardConfiguration.storeLimits.maxQueueSizeBytes must be a positive number",
            ),
        ] {
            assert_eq!(parse(&desired).unwrap_err().what, what);
        }
    }
}
