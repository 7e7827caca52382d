//! What a container is made of: the manifest's `createOptions`, and what is merged into them.
//!
//! The options are the body of the engine's own create call. Whoever wrote them may know of members
//! that we do not, so they stay a JSON object, and only the members below are touched.

use serde_json::{Map, Value, json};

use crate::labels;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRequest {
    pub name: String,
    pub image: String,
    /// Where the options set the same name, the options win.
    pub env: Vec<(String, String)>,
    pub options: Map<String, Value>,
}

/// What the owner of the machine allows, for every container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRules {
    /// Whether containers may be privileged and add capabilities.
    pub allow_elevated: bool,
    /// For containers that do not choose how their output is kept, on engines that would keep all of
    /// it. `None`: all of it is kept.
    pub log_limits: Option<LogLimits>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Of one file.
    pub bytes_max: u64,
    pub files_max: u32,
}

impl Default for CreateRules {
    fn default() -> Self {
        Self {
            allow_elevated: true,
            log_limits: Some(LogLimits { bytes_max: 10 * 1024 * 1024, files_max: 3 }),
        }
    }
}

/// Options into which nothing can be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("createOptions.{member} is no {wanted}, correct it in the manifest")]
    Member { member: &'static str, wanted: &'static str },
    #[error(
        "the name {name:?} cannot be that of a container: it takes two or more letters, digits, `_`, `.` and `-`"
    )]
    Name { name: String },
    #[error("the image is empty, name one")]
    NoImage,
}

/// What every container loses where elevated permissions are not allowed.
const DROPPED: [&str; 2] = ["CHOWN", "SETUID"];

impl CreateRequest {
    /// The body of the engine's call: the options with
    /// - `Image` as asked,
    /// - `Env` joined, sorted by name,
    /// - the labels that say whose it is, and its image as asked (where no label says so already),
    /// - less rights, where `rules` say so,
    /// - limits for logs, where the options and `log_driver` (the engine's default) set none.
    pub fn body(&self, rules: &CreateRules, log_driver: &str) -> Result<Map<String, Value>, BodyError> {
        if !is_container_name(&self.name) {
            return Err(BodyError::Name { name: self.name.chars().take(128).collect() });
        }
        if self.image.trim().is_empty() {
            return Err(BodyError::NoImage);
        }
        let mut body = self.options.clone();
        body.insert("Image".to_owned(), json!(self.image));
        self.merge_env(&mut body)?;
        let labels = object(&mut body, "Labels", "Labels")?;
        labels.insert(labels::OWNER.to_owned(), json!(labels::OWNER_AGENT));
        labels.entry(labels::ORIGINAL_IMAGE).or_insert_with(|| json!(self.image));
        if !rules.allow_elevated {
            lower(object(&mut body, "HostConfig", "HostConfig")?)?;
        }
        if let Some(limits) = rules.log_limits.filter(|_| log_driver == "json-file") {
            limit_logs(object(&mut body, "HostConfig", "HostConfig")?, limits)?;
        }
        Ok(body)
    }

    fn merge_env(&self, body: &mut Map<String, Value>) -> Result<(), BodyError> {
        let wanted = BodyError::Member { member: "Env", wanted: "list of NAME=value texts" };
        let given = match body.get("Env") {
            None | Some(Value::Null) => &[],
            Some(Value::Array(given)) => given.as_slice(),
            Some(_) => return Err(wanted),
        };
        let given: Option<Vec<&str>> = given.iter().map(Value::as_str).collect();
        let mut env: Vec<String> = given.ok_or(wanted)?.into_iter().map(str::to_owned).collect();
        for (name, value) in &self.env {
            if !env.iter().any(|line| env_name(line) == name) {
                env.push(format!("{name}={value}"));
            }
        }
        env.sort_by(|a, b| env_name(a).cmp(env_name(b)));
        body.insert("Env".to_owned(), json!(env));
        Ok(())
    }
}

/// The engine's own rule, here because the name becomes part of a path.
pub fn is_container_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(good)
}

fn env_name(line: &str) -> &str {
    line.split_once('=').map_or(line, |(name, _)| name)
}

fn object<'a>(
    body: &'a mut Map<String, Value>,
    key: &str,
    member: &'static str,
) -> Result<&'a mut Map<String, Value>, BodyError> {
    let value = body.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut().ok_or(BodyError::Member { member, wanted: "object" })
}

fn lower(host: &mut Map<String, Value>) -> Result<(), BodyError> {
    if host.contains_key("Privileged") {
        host.insert("Privileged".to_owned(), json!(false));
    }
    host.remove("CapAdd");
    let wanted = BodyError::Member { member: "HostConfig.CapDrop", wanted: "list of texts" };
    let given = match host.get("CapDrop") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(given)) => given.clone(),
        Some(_) => return Err(wanted),
    };
    let has = |name: &str| {
        given.iter().filter_map(Value::as_str).any(|given| given.trim_start_matches("CAP_") == name)
    };
    let added: Vec<Value> = DROPPED.iter().filter(|name| !has(name)).map(|name| json!(name)).collect();
    host.insert("CapDrop".to_owned(), Value::Array([given, added].concat()));
    Ok(())
}

fn limit_logs(host: &mut Map<String, Value>, limits: LogLimits) -> Result<(), BodyError> {
    let log = object(host, "LogConfig", "HostConfig.LogConfig")?;
    let driver = log.get("Type").and_then(Value::as_str).unwrap_or_default();
    if !matches!(driver, "" | "json-file") {
        return Ok(());
    }
    log.insert("Type".to_owned(), json!("json-file"));
    let config = object(log, "Config", "HostConfig.LogConfig.Config")?;
    // Whoever says anything about size has thought of all of it.
    if !config.contains_key("max-size") {
        config.insert("max-size".to_owned(), json!(limits.bytes_max.to_string()));
        config.entry("max-file").or_insert_with(|| json!(limits.files_max.to_string()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(options: &Value, rules: &CreateRules) -> Result<Value, BodyError> {
        let request = CreateRequest {
            name: "sensor".to_owned(),
            image: "registry:5000/sensor:1.0".to_owned(),
            env: vec![("B".to_owned(), "mine".to_owned()), ("A".to_owned(), "1=2".to_owned())],
            options: options.as_object().unwrap().clone(),
        };
        request.body(rules, "json-file").map(Value::Object)
    }

    fn unlimited() -> CreateRules {
        CreateRules { log_limits: None, ..CreateRules::default() }
    }

    #[test]
    fn unknown_members_stay_and_the_options_env_wins() {
        let options = json!({
            "Image": "other", "Env": ["B=theirs", "C"], "Labels": {"x": "y"}, "Tty": null,
            "HostConfig": {"NewThing": {"Deep": [1, 2.50, null]}, "Privileged": true}
        });
        assert_eq!(
            body(&options, &unlimited()).unwrap(),
            json!({
                "Image": "registry:5000/sensor:1.0", "Env": ["A=1=2", "B=theirs", "C"],
                "Labels": {
                    "x": "y",
                    "net.azure-devices.edge.owner": "Microsoft.Azure.Devices.Edge.Agent",
                    "net.azure-devices.edge.original-image": "registry:5000/sensor:1.0"
                },
                "Tty": null,
                "HostConfig": {"NewThing": {"Deep": [1, 2.50, null]}, "Privileged": true}
            })
        );
    }

    #[test]
    fn rights_are_taken_where_the_owner_says_so() {
        let rules = CreateRules { allow_elevated: false, log_limits: None };
        let host = |options| body(&json!({ "HostConfig": options }), &rules).unwrap()["HostConfig"].clone();
        assert_eq!(
            host(json!({"Privileged": true, "CapAdd": ["NET_ADMIN"], "CapDrop": ["CAP_SETUID", "KILL"]})),
            json!({"Privileged": false, "CapDrop": ["CAP_SETUID", "KILL", "CHOWN"]})
        );
        assert_eq!(host(Value::Null), json!({"CapDrop": ["CHOWN", "SETUID"]}));
    }

    #[test]
    fn logs_are_limited_unless_somebody_chose() {
        let log = |log: Value| {
            let options = json!({"HostConfig": {"LogConfig": log}});
            body(&options, &CreateRules::default()).unwrap()["HostConfig"]["LogConfig"].clone()
        };
        let limited = json!({"Type": "json-file", "Config": {"max-size": "10485760", "max-file": "3"}});
        assert_eq!(log(Value::Null), limited);
        assert_eq!(log(json!({"Type": "", "Config": {}})), limited);
        assert_eq!(
            log(json!({"Config": {"max-size": "1g"}})),
            json!({"Config": {"max-size": "1g"}, "Type": "json-file"})
        );
        assert_eq!(log(json!({"Type": "journald"})), json!({"Type": "journald"}));
        let request = CreateRequest {
            name: "sensor".to_owned(),
            image: "b".to_owned(),
            env: Vec::new(),
            options: Map::new(),
        };
        assert!(!request.body(&CreateRules::default(), "journald").unwrap().contains_key("HostConfig"));
    }

    #[test]
    fn what_cannot_be_merged_is_named() {
        for (options, member) in [
            (json!({"Env": "A=1"}), "Env"),
            (json!({"Env": [1]}), "Env"),
            (json!({"Labels": []}), "Labels"),
            (json!({"HostConfig": 3}), "HostConfig"),
            (json!({"HostConfig": {"LogConfig": "x"}}), "HostConfig.LogConfig"),
        ] {
            let error = body(&options, &CreateRules::default()).unwrap_err();
            assert!(
                matches!(error, BodyError::Member { member: found, .. } if found == member),
                "{options} {error}"
            );
        }
        for name in ["", "a", "../x", "a b", "$edgeAgent", "-a"] {
            let request = CreateRequest {
                name: name.to_owned(),
                image: "b".to_owned(),
                env: Vec::new(),
                options: Map::new(),
            };
            assert!(request.body(&CreateRules::default(), "").is_err(), "{name}");
        }
    }
}
