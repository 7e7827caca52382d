//! What a request says about a module.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use skerry_runtime::{CreateRequest, Credentials, PullRequest};

use super::binds;
use crate::api::{Call, Problem};
use crate::sockets::ModuleSockets;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModuleSpec {
    pub(super) name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    image_pull_policy: Option<String>,
    config: Config,
}

#[derive(Clone, Debug, Deserialize)]
struct Config {
    settings: Settings,
    #[serde(default)]
    env: Option<Vec<Variable>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    image: String,
    /// An object; a text, as manifests have it, is refused.
    #[serde(default, deserialize_with = "object")]
    create_options: Map<String, Value>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    auth: Option<Auth>,
}

#[derive(Clone, Debug, Deserialize)]
struct Variable {
    key: String,
    value: String,
}

#[derive(Clone, Deserialize)]
struct Auth {
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default, alias = "serverAddress")]
    serveraddress: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth(***)")
    }
}

fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    Ok(Option::<Map<String, Value>>::deserialize(deserializer)?.unwrap_or_default())
}

impl ModuleSpec {
    pub(super) fn read(call: &Call) -> Result<Self, Problem> {
        let spec: Self = call.json()?;
        if spec.kind != "docker" {
            return Err(Problem::new(400, format!("invalid module type: {}", spec.kind)));
        }
        if spec.config.settings.image.trim().is_empty() {
            return Err(Problem::new(400, "invalid image: it is empty"));
        }
        spec.pulls()?;
        let mut seen = BTreeSet::new();
        for variable in spec.config.env.iter().flatten() {
            if !seen.insert(&variable.key) {
                return Err(Problem::new(400, format!("duplicate env var key: {}", variable.key)));
            }
        }
        Ok(spec)
    }

    /// Whether the image is fetched before the container is made.
    pub(super) fn pulls(&self) -> Result<bool, Problem> {
        let policy = self.image_pull_policy.as_deref().unwrap_or("on-create");
        match policy.to_ascii_lowercase().as_str() {
            "on-create" => Ok(true),
            "never" => Ok(false),
            _ => Err(Problem::new(400, "invalid imagePullPolicy")),
        }
    }

    pub(super) fn pull_request(&self) -> PullRequest {
        let settings = &self.config.settings;
        let credentials = settings.auth.clone().and_then(|auth| {
            Some(Credentials {
                address: auth.serveraddress.unwrap_or_default(),
                username: auth.username?,
                password: auth.password.unwrap_or_default(),
                email: auth.email,
            })
        });
        PullRequest { image: settings.image.clone(), credentials }
    }

    /// The container, its workload socket mounted by directory.
    pub(super) fn create_request(&self, sockets: &ModuleSockets) -> CreateRequest {
        let mut options = self.config.settings.create_options.clone();
        binds::mount_directories(&mut options, sockets.directory(), sockets.file());
        let env = self.config.env.iter().flatten();
        CreateRequest {
            name: self.name.clone(),
            image: self.config.settings.image.clone(),
            env: env.map(|variable| (variable.key.clone(), variable.value.clone())).collect(),
            options,
        }
    }

    /// What is echoed: the request's own configuration, without its passwords.
    pub(super) fn echo(&self, status: &str) -> Value {
        let Settings { image, create_options, digest, .. } = &self.config.settings;
        let mut settings = json!({ "image": image, "createOptions": create_options });
        if let Some(digest) = digest {
            settings["digest"] = digest.as_str().into();
        }
        let env = self.config.env.iter().flatten();
        let env: Vec<Value> = env.map(|one| json!({ "key": one.key, "value": one.value })).collect();
        json!({
            "id": "id",
            "name": self.name,
            "type": self.kind,
            "config": { "settings": settings, "env": env },
            "status": { "runtimeStatus": { "status": status } },
        })
    }
}
