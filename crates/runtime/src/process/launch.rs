//! What a module's process is begun with: the program of its image, and what of `createOptions` there is to
//! do for a process.

use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::ProcessImage;

/// As engines give it to containers.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Members of `HostConfig` that a process follows, or that are about a network that it does not have.
const FOLLOWED: [&str; 5] = ["Binds", "ExtraHosts", "LogConfig", "NetworkMode", "PortBindings"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) env: Vec<(String, String)>,
}

impl Launch {
    /// `Err` says which of the options choose another program: which ones run here says the table alone.
    pub(super) fn new(image: &ProcessImage, body: &Map<String, Value>) -> Result<Self, String> {
        if body.get("Entrypoint").is_some_and(|entry| !is_empty(entry)) {
            return Err(
                "createOptions.Entrypoint chooses a program, and without a container engine modules \
                        are programs of this machine that the manifest cannot choose; leave it out"
                    .to_owned(),
            );
        }
        let more: Vec<OsString> = match body.get("Cmd") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(words)) if words.iter().all(Value::is_string) => {
                words.iter().filter_map(Value::as_str).map(OsString::from).collect()
            }
            Some(_) => return Err("createOptions.Cmd is no list of texts, correct it".to_owned()),
        };
        Ok(Self {
            program: image.program.clone(),
            arguments: image.arguments.iter().cloned().chain(more).collect(),
            env: env(image, body),
        })
    }
}

/// What somebody has asked for and a process does not have.
pub(super) fn without_effect(body: &Map<String, Value>) -> Vec<&str> {
    let host = body.get("HostConfig").and_then(Value::as_object).into_iter().flatten();
    let of_host = host.filter(|(key, value)| !FOLLOWED.contains(&key.as_str()) && !is_empty(value));
    let own = ["User", "WorkingDir", "Healthcheck"].into_iter();
    let own = own.filter(|key| body.get(*key).is_some_and(|value| !is_empty(value)));
    of_host.map(|(key, _)| key.as_str()).chain(own).collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(is_set) => !is_set,
        Value::Number(number) => number.as_f64() == Some(0.0),
    }
}

/// The image's, and above it that of the options. A name without a value takes the image's away.
fn env(image: &ProcessImage, body: &Map<String, Value>) -> Vec<(String, String)> {
    let mounts = mounts(body);
    let mut env = vec![("PATH".to_owned(), PATH.to_owned())];
    let mut put = |name: &str, value: Option<String>| {
        env.retain(|(known, _)| known != name);
        env.extend(value.map(|value| (name.to_owned(), value)));
    };
    for (name, value) in &image.env {
        put(name, Some(value.clone()));
    }
    let given = body.get("Env").and_then(Value::as_array).into_iter().flatten();
    for line in given.filter_map(Value::as_str) {
        match line.split_once('=') {
            Some((name, value)) => put(name, Some(outside(value, &mounts))),
            None => put(line, None),
        }
    }
    env
}

/// Nothing is mounted for a process. A socket that a variable names inside of a bind is where the bind's
/// source is.
fn outside(value: &str, mounts: &[(&str, &str)]) -> String {
    let found = mounts.iter().find_map(|(source, target)| {
        let below = value.strip_prefix("unix://")?.strip_prefix(target)?;
        below.starts_with('/').then(|| format!("unix://{source}{below}"))
    });
    found.unwrap_or_else(|| value.to_owned())
}

/// Source and target of each bind. A mode has no slash, so the target begins at the last `:/`.
fn mounts(body: &Map<String, Value>) -> Vec<(&str, &str)> {
    let binds = body.get("HostConfig").and_then(|host| host.get("Binds")).and_then(Value::as_array);
    let texts = binds.into_iter().flatten().filter_map(Value::as_str);
    texts
        .filter_map(|text| {
            let (source, target) = text.split_at(text.rfind(":/")?);
            let target = target[1..].split(':').next()?.trim_end_matches('/');
            source.starts_with('/').then_some((source, target))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image() -> ProcessImage {
        ProcessImage {
            reference: "sensor:1".to_owned(),
            id: "sha256:1".to_owned(),
            program: PathBuf::from("/bin/sensor"),
            arguments: vec!["first".into()],
            env: vec![("A".to_owned(), "image".to_owned()), ("B".to_owned(), "image".to_owned())],
            check: None,
        }
    }

    fn launch(body: &Value) -> Result<Launch, String> {
        Launch::new(&image(), body.as_object().unwrap())
    }

    #[test]
    fn a_process_gets_what_a_container_would() {
        let body = json!({
            "Cmd": ["second"], "Env": ["A=options=1", "B", "URI=unix:///run/edge/w.sock", "OTHER=/run/edge/w.sock"],
            "HostConfig": {"Binds": ["/data: 1/mnt/a b:/run/edge/:ro", "volume:/run"]}
        });
        let found = launch(&body).unwrap();
        assert_eq!(found.arguments, ["first", "second"]);
        let env: Vec<(&str, &str)> =
            found.env.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            env,
            [
                ("PATH", PATH),
                ("A", "options=1"),
                ("URI", "unix:///data: 1/mnt/a b/w.sock"),
                ("OTHER", "/run/edge/w.sock")
            ]
        );
    }

    #[test]
    fn no_manifest_chooses_the_program() {
        assert!(launch(&json!({"Entrypoint": ["/bin/sh"]})).unwrap_err().contains("Entrypoint"));
        assert!(launch(&json!({"Entrypoint": [], "Cmd": null})).is_ok());
        assert!(launch(&json!({"Cmd": "second"})).unwrap_err().contains("Cmd"));
    }

    #[test]
    fn what_has_no_effect_is_named() {
        let body = json!({
            "User": "me", "Healthcheck": {},
            "HostConfig": {"Binds": ["/a:/b"], "Memory": 1, "Privileged": false, "CapAdd": ["X"]}
        });
        assert_eq!(without_effect(body.as_object().unwrap()), ["Memory", "CapAdd", "User"]);
    }
}
