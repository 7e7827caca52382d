//! What several checks go by, looked at once.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::{Value, json};
use skerry_edge_daemon::config::{Config, Problem, Severity, Snapshot};
use skerry_model::Timestamp;

use super::world::{LocalApi, LocalCall, World};
use super::{CheckArgs, Outcome, settings};
use crate::edge::{Directories, client_config};
use crate::failure::Failure;

/// Which keys of the configuration were whose in the original; all others are the edge daemon's.
const OWNERS: [(&str, &[&str]); 4] = [
    ("keyd", &["aziot_keys", "preloaded_keys"]),
    ("certd", &["cert_issuance", "preloaded_certs"]),
    ("tpmd", &["tpm"]),
    (
        "identityd",
        &[
            "hostname",
            "parent_hostname",
            "local_gateway_hostname",
            "provisioning",
            "localid",
            "cloud_timeout_sec",
            "cloud_retries",
            "prefer_module_identity_cache",
            "aziot_max_requests",
        ],
    ),
];
const EDGED: &str = "aziot-edged";

/// A module, as the daemon lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub name: String,
    pub image: String,
    /// It lives in the daemon's own process.
    pub is_built_in: bool,
}

pub struct Facts {
    pub world: Arc<dyn World>,
    pub args: CheckArgs,
    pub directories: Directories,
    pub now: Timestamp,
    /// The operator's file, where it can be used; whoever needs it is not asked without it.
    config: Option<Config>,
    /// Why the file cannot be read.
    unread: Option<Outcome>,
    problems: Vec<Problem>,
    pub engine: Outcome,
    engine_version: Option<String>,
    /// The engine's own configuration.
    pub engine_file: Option<Value>,
    pub daemon: Outcome,
    pub daemon_version: Option<String>,
    /// Where the daemon answers.
    pub modules: Option<Vec<Seen>>,
    /// What the agent says of its deployment; null where it is no part of the daemon.
    pub agent: Value,
    resources: Value,
    /// Whom to trust; an error is told where it matters.
    pub tls: Result<Arc<ClientConfig>, String>,
}

impl Facts {
    pub async fn gather(args: &CheckArgs, directories: Directories, world: Arc<dyn World>) -> Self {
        let mut facts = Self {
            now: world.now(),
            config: None,
            unread: None,
            problems: Vec::new(),
            engine: Outcome::Skipped,
            engine_version: None,
            engine_file: engine_file(&args.container_engine_config_file),
            daemon: Outcome::Skipped,
            daemon_version: None,
            modules: None,
            agent: Value::Null,
            resources: Value::Null,
            tls: Err("there is no configuration".to_owned()),
            args: args.clone(),
            directories,
            world,
        };
        facts.read_config();
        if let Some(config) = facts.config.clone() {
            facts.tls = client_config(&config).map_err(|failure| failure.to_string());
            facts.ask_engine(&config).await;
        }
        facts.ask_daemon().await;
        facts
    }

    pub fn config(&self) -> &Config {
        self.config.as_ref().expect("checks that need a configuration are skipped without one")
    }

    pub fn has_config(&self) -> bool {
        self.config.is_some()
    }

    fn read_config(&mut self) {
        let path = self.directories.config.clone();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                let told = format!("{}: {error}", path.display());
                self.unread = Some(match error.kind() {
                    std::io::ErrorKind::PermissionDenied => {
                        Outcome::Fatal(vec![format!("{told}. Run it as root: sudo iotedge check")])
                    }
                    _ => Outcome::error(format!("{told}. Write it, or let `iotedge config mp` write it")),
                });
                return;
            }
        };
        match Config::parse(&text, false) {
            Ok(parsed) => {
                self.problems = parsed.warnings;
                self.config = Some(parsed.config);
            }
            Err(error) => self.problems = error.problems,
        }
    }

    /// What stands in the configuration for one of the original's services.
    pub fn well_formed(&self, service: &str) -> Outcome {
        match &self.unread {
            Some(fatal @ Outcome::Fatal(_)) => return fatal.clone(),
            Some(missing) if service == EDGED => return missing.clone(),
            Some(_) => return Outcome::Skipped,
            None => {}
        }
        let path = self.directories.config.display();
        if let Some(Err(undone)) = self.config.as_ref().map(Config::supported)
            && owner_of(undone.key()) == service
        {
            return Outcome::error(format!("{path}: {undone}"));
        }
        Outcome::worst(std::iter::once(Outcome::Ok).chain(
            self.problems.iter().filter(|problem| owner_of(&problem.key) == service).map(|problem| {
                let told = format!("{path}:{problem}");
                if problem.severity == Severity::Error {
                    Outcome::error(told)
                } else {
                    Outcome::warning(told)
                }
            }),
        ))
    }

    async fn ask_engine(&mut self, config: &Config) {
        let socket = &config.moby_runtime.socket;
        match self.world.engine(socket).info().await {
            Ok(info) => {
                self.engine = Outcome::Ok;
                self.engine_version = Some(info.version);
            }
            Err(error) => {
                let told = format!("the container engine does not answer at {}", socket.display());
                let told = format!("{told}: install it, or start it (Debian: apt install docker.io)");
                self.engine = Outcome::because(told, error.to_string());
            }
        }
    }

    async fn ask_daemon(&mut self) {
        let world = Arc::clone(&self.world);
        let get = async |path: &str| world.ask(LocalCall::get(LocalApi::Management, path)).await;
        match get("/systeminfo").await {
            Ok(system) => {
                self.daemon_version = system["version"].as_str().map(str::to_owned);
                self.daemon = Outcome::Ok;
                self.agent = get("/skerry/v1/agent").await.unwrap_or_default();
                self.resources = get("/systeminfo/resources").await.unwrap_or_default();
                // A daemon without its engine lists none, which the engine's own check tells.
                self.modules = Some(seen(&get("/modules").await.unwrap_or_default()));
            }
            Err(failure) => {
                let told = "the daemon does not answer: `iotedge system status`, `iotedge system logs`";
                self.daemon = Outcome::because(told, failure.to_string());
            }
        }
    }

    pub fn up_to_date(&self) -> Outcome {
        const CURE: &str = "run `iotedge config apply`";
        match Snapshot::load(&self.directories.applied()) {
            Ok(None) => Outcome::warning(format!("nothing was applied yet: {CURE}")),
            Ok(Some(snapshot)) => match snapshot.is_of(&self.directories.config) {
                Ok(true) => Outcome::Ok,
                Ok(false) => Outcome::warning(format!(
                    "{} was changed since it was applied: {CURE}",
                    self.directories.config.display()
                )),
                // Without the file, what was applied counts.
                Err(_) => Outcome::Ignored,
            },
            Err(error) => {
                Outcome::because(format!("what was applied cannot be read: {CURE}"), error.to_string())
            }
        }
    }

    pub fn room(&self) -> Outcome {
        let there = self.data_folder();
        match self.world.disk(there) {
            Ok(disk) => settings::room(disk.free_bytes, disk.bytes),
            Err(error) => Outcome::error(format!("{}: {error}", there.display())),
        }
    }

    /// The nearest folder that is there is on the same disk.
    pub fn data_folder(&self) -> &Path {
        self.directories.data().ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"))
    }

    /// Whether a local service was reached at all: what it says itself is an answer, too.
    pub async fn answers(&self, api: LocalApi) -> Result<(), Failure> {
        match self.world.ask(LocalCall::get(api, "/")).await {
            Err(failure @ (Failure::Unreachable(_) | Failure::NotAuthorised(_))) => Err(failure),
            _ => Ok(()),
        }
    }

    /// What stands beside the checks in JSON.
    pub fn additional(&self) -> Value {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let of_release = |key: &str| {
            let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.map(|value| value.trim_matches('"').to_owned())
        };
        let mut system = self.resources.clone();
        if let Some(system) = system.as_object_mut() {
            // A text of its own, and long.
            system.remove("docker_stats");
        }
        json!({
            "docker_version": self.engine_version,
            "aziot_edged_version": self.daemon_version,
            "now": self.now,
            "os": {
                "id": of_release("ID"),
                "version_id": of_release("VERSION_ID"),
                "arch": std::env::consts::ARCH,
                "bitness": usize::BITS,
            },
            "system_info": system,
        })
    }
}

fn owner_of(key: &str) -> &'static str {
    let top = key.split('.').next().unwrap_or_default();
    OWNERS.iter().find(|(_, keys)| keys.contains(&top)).map_or(EDGED, |(owner, _)| owner)
}

fn seen(listed: &Value) -> Vec<Seen> {
    let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let listed = listed["modules"].as_array().into_iter().flatten();
    let seen = listed.map(|module| Seen {
        name: text(&module["name"]),
        image: text(&module["config"]["settings"]["image"]),
        is_built_in: module["type"] == "built-in",
    });
    seen.collect()
}

fn engine_file(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
