//! The engine's own API, on its Unix socket.
//!
//! Paths carry no version: what `createOptions` mean is what they mean to the engine that is there,
//! and an engine refuses versions that are too old or too new for it.

mod call;
mod pull;
mod read;
mod reference;
mod streams;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    Answer, Container, CreateError, CreateRequest, CreateRules, EngineError, EngineInfo, Events, LogQuery,
    LogStream, NetworkOptions, OnProgress, PullError, PullRequest, Runtime, labels,
};
use call::{Call, segment};

#[derive(Clone, Debug)]
pub struct DockerOptions {
    pub socket: PathBuf,
    pub rules: CreateRules,
    /// Containers get this label, and only those with it are ours: several edge devices can share an engine then,
    /// as long as their modules have other names.
    pub place: Option<String>,
    /// For each quick call.
    pub call_timeout: Duration,
    /// A pull of which nothing has come for so long is given up.
    pub pull_stall: Duration,
}

impl DockerOptions {
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            rules: CreateRules::default(),
            place: None,
            call_timeout: Duration::from_secs(60),
            pull_stall: Duration::from_secs(300),
        }
    }
}

impl DockerOptions {
    /// On every container of ours, as the engine filters by them.
    fn labels(&self) -> Vec<String> {
        let owner = format!("{}={}", labels::OWNER, labels::OWNER_AGENT);
        let place = self.place.as_ref().map(|place| format!("{}={place}", labels::PLACE));
        std::iter::once(owner).chain(place).collect()
    }
}

/// Opens a connection for each call, and holds nothing between them.
#[derive(Clone, Debug)]
pub struct DockerRuntime {
    options: DockerOptions,
}

/// What the engine itself waits, where nobody says how long a container may take to end.
const GRACE_DEFAULT: Duration = Duration::from_secs(10);
/// Archives are unpacked before the answer.
const LOAD_LIMIT: Duration = Duration::from_secs(240);

impl DockerRuntime {
    pub fn new(options: DockerOptions) -> Self {
        Self { options }
    }

    /// Gives the engine images as `docker save` writes them.
    pub async fn load(&self, archive: Bytes) -> Result<(), EngineError> {
        let call = self.post("load", "/images/load?quiet=true".to_owned());
        let told = call.bytes("application/x-tar", archive).later(LOAD_LIMIT).text().await?;
        // The engine says that all is well before it knows; what went wrong is in its words.
        let error = told.lines().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["error"].as_str().map(str::to_owned)
        });
        error.map_or(Ok(()), |text| Err(EngineError::Refused { call: "load", status: 500, text }))
    }

    fn call(&self, name: &'static str, method: Method, path: String) -> Call<'_> {
        Call::new(&self.options, name, method, path)
    }

    fn get(&self, name: &'static str, path: String) -> Call<'_> {
        self.call(name, Method::GET, path)
    }

    fn post(&self, name: &'static str, path: String) -> Call<'_> {
        self.call(name, Method::POST, path)
    }

    async fn names(&self) -> Result<Vec<String>, EngineError> {
        let filters = json!({"label": self.options.labels()});
        let path = format!("/containers/json?all=true&filters={}", segment(&filters.to_string()));
        let listed = self.get("list", path).json().await?;
        Ok(read::names(&listed))
    }

    /// A container or image that is not there is no failure here.
    async fn found(call: Call<'_>) -> Result<Option<Value>, EngineError> {
        match call.json().await {
            Ok(document) => Ok(Some(document)),
            Err(EngineError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Runtime for DockerRuntime {
    fn list(&self) -> Answer<'_, Vec<Container>, EngineError> {
        Box::pin(async {
            let mut containers = Vec::new();
            for name in self.names().await? {
                let call = self.get("inspect", format!("/containers/{}/json", segment(&name)));
                // One that has gone since then is none.
                if let Some(document) = Self::found(call).await? {
                    containers.push(read::container(&document)?);
                }
            }
            containers.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(containers)
        })
    }

    fn inspect<'a>(&'a self, name: &'a str) -> Answer<'a, Container, EngineError> {
        Box::pin(async move { read::container(&self.document(name).await?) })
    }

    fn document<'a>(&'a self, name: &'a str) -> Answer<'a, Value, EngineError> {
        Box::pin(
            async move { self.get("inspect", format!("/containers/{}/json", segment(name))).json().await },
        )
    }

    fn pull<'a>(
        &'a self,
        request: &'a PullRequest,
        progress: OnProgress<'a>,
    ) -> Answer<'a, String, PullError> {
        Box::pin(async move {
            pull::pull(&self.options, request, progress).await?;
            let gone = || PullError::Refused {
                image: request.image.clone(),
                text: "it was pulled, and is not there".to_owned(),
            };
            self.image(&request.image).await?.ok_or_else(gone)
        })
    }

    fn image<'a>(&'a self, reference: &'a str) -> Answer<'a, Option<String>, EngineError> {
        Box::pin(async move {
            let call = self.get("image", format!("/images/{}/json", segment(reference)));
            let document = Self::found(call).await?;
            Ok(document.and_then(|document| Some(document.get("Id")?.as_str()?.to_owned())))
        })
    }

    fn remove_image<'a>(&'a self, id: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            let path = format!("/images/{}?force=true", segment(id));
            match self.call("remove image", Method::DELETE, path).done().await {
                Err(EngineError::NotFound { .. }) => Ok(()),
                other => other,
            }
        })
    }

    fn create<'a>(&'a self, request: &'a CreateRequest) -> Answer<'a, (), CreateError> {
        Box::pin(async move {
            let info = self.info().await?;
            let mut body = request.body(&self.options.rules, &info.log_driver)?;
            if let (Some(place), Some(Value::Object(labels))) = (&self.options.place, body.get_mut("Labels"))
            {
                labels.insert(labels::PLACE.to_owned(), json!(place));
            }
            let path = format!("/containers/create?name={}", segment(&request.name));
            let call = self.post("create", path).body(&Value::Object(body));
            call.done().await.map_err(|error| not_created(error, request))
        })
    }

    fn start<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(
            async move { self.post("start", format!("/containers/{}/start", segment(name))).done().await },
        )
    }

    fn stop<'a>(&'a self, name: &'a str, grace: Option<Duration>) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            let query = grace.map_or_else(String::new, |grace| format!("?t={}", grace.as_secs()));
            let path = format!("/containers/{}/stop{query}", segment(name));
            self.post("stop", path).later(grace.unwrap_or(GRACE_DEFAULT)).done().await
        })
    }

    fn restart<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            let path = format!("/containers/{}/restart", segment(name));
            self.post("restart", path).later(GRACE_DEFAULT).done().await
        })
    }

    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            let path = format!("/containers/{}?force=true", segment(name));
            match self.call("remove", Method::DELETE, path).done().await {
                Err(EngineError::NotFound { .. }) => Ok(()),
                other => other,
            }
        })
    }

    fn logs<'a>(&'a self, name: &'a str, query: &'a LogQuery) -> Answer<'a, LogStream, EngineError> {
        Box::pin(async move { streams::logs(&self.options, name, query).await })
    }

    fn stats<'a>(&'a self, name: &'a str) -> Answer<'a, Value, EngineError> {
        Box::pin(async move {
            let running = self.inspect(name).await?.pid.is_some();
            if !running {
                return Err(EngineError::Conflict { text: format!("container {name} is not running") });
            }
            let path = format!("/containers/{}/stats?stream=false&one-shot=true", segment(name));
            self.get("stats", path).json().await
        })
    }

    fn processes<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<u32>, EngineError> {
        Box::pin(async move {
            // Without arguments the engine runs `ps -ef`; the process ids are what it looks for itself.
            let path = format!("/containers/{}/top", segment(name));
            read::processes(&self.get("top", path).json().await?)
        })
    }

    fn ensure_network<'a>(&'a self, options: &'a NetworkOptions) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            let call = self.get("network", format!("/networks/{}", segment(&options.name)));
            if Self::found(call).await?.is_some() {
                return Ok(());
            }
            let call = self.post("make network", "/networks/create".to_owned()).body(&network(options));
            match call.done().await {
                // Somebody else was faster.
                Err(EngineError::Conflict { .. }) => Ok(()),
                other => other,
            }
        })
    }

    fn networks(&self) -> Answer<'_, Vec<Value>, EngineError> {
        Box::pin(async {
            let listed = self.get("networks", "/networks".to_owned()).json().await?;
            Ok(listed.as_array().cloned().unwrap_or_default())
        })
    }

    fn info(&self) -> Answer<'_, EngineInfo, EngineError> {
        Box::pin(async { Ok(read::info(&self.get("info", "/info".to_owned()).json().await?)) })
    }

    fn events(&self) -> Answer<'_, Events, EngineError> {
        Box::pin(async { streams::events(&self.options).await })
    }
}

fn not_created(error: EngineError, request: &CreateRequest) -> CreateError {
    let name = request.name.clone();
    match error {
        EngineError::NotFound { text } if text.contains("No such image") => {
            CreateError::NoImage { image: request.image.clone() }
        }
        EngineError::Conflict { .. } => CreateError::Exists { name },
        EngineError::Refused { status, text, .. } => CreateError::Refused { name, status, text },
        other => CreateError::Engine(other),
    }
}

fn network(options: &NetworkOptions) -> Value {
    let mut body = json!({
        "Name": options.name, "Driver": "bridge", "CheckDuplicate": true, "EnableIPv6": options.ipv6
    });
    if !options.subnets.is_empty() {
        let subnets: Vec<Value> = options
            .subnets
            .iter()
            .map(|subnet| {
                let parts =
                    [("Gateway", &subnet.gateway), ("Subnet", &subnet.subnet), ("IPRange", &subnet.ip_range)];
                let given = parts.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
                Value::Object(given.map(|(key, value)| (key.to_owned(), json!(value))).collect::<Map<_, _>>())
            })
            .collect();
        body["IPAM"] = json!({ "Config": subnets });
    }
    body
}
