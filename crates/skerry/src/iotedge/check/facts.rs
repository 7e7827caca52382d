//! What the checks go by, looked at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::{Value, json};
use skerry_edge_daemon::config::{CertificatePlace, Config, DeviceCredential, Provisioning, Snapshot};
use skerry_keys::{CertificateStore, Chain, EDGE_CA, read_file};
use skerry_model::{Clock as _, Timestamp};
use skerry_runtime::{DockerOptions, DockerRuntime, Runtime as _};

use super::{CheckArgs, Outcome, settings};
use crate::edge::{Directories, client_config};
use crate::iotedge::Place;
use crate::world::{MachineClock, host_name};

pub struct Facts {
    directories: Directories,
    pub now: Timestamp,
    pub machine: Option<String>,
    /// The operator's file, where it can be used.
    pub config: Option<Config>,
    pub config_warnings: Vec<String>,
    /// Why it cannot.
    pub config_trouble: Outcome,
    pub up_to_date: Outcome,
    pub engine: Outcome,
    engine_version: Option<String>,
    /// The engine's own configuration.
    pub engine_file: Option<Value>,
    pub daemon: Outcome,
    pub daemon_version: Option<String>,
    /// Names of modules, and their images, where the daemon answers.
    pub images: Option<Vec<(String, String)>>,
    /// The hub, where the operator names another.
    pub hub: Option<String>,
    /// Whom to trust; an error is told where it matters.
    pub tls: Result<Arc<ClientConfig>, String>,
}

impl Facts {
    pub async fn gather(args: &CheckArgs, place: &Place) -> Self {
        let directories = place.directories(args.config_file.clone());
        let mut facts = Self {
            now: MachineClock.now(),
            machine: host_name(),
            config: None,
            config_warnings: Vec::new(),
            config_trouble: Outcome::Ignored,
            up_to_date: up_to_date(&directories),
            engine: Outcome::Skipped,
            engine_version: None,
            engine_file: engine_file(&args.container_engine_config_file),
            daemon: Outcome::Skipped,
            daemon_version: None,
            images: None,
            hub: args.iothub_hostname.clone(),
            tls: Err("there is no configuration".to_owned()),
            directories,
        };
        facts.read_config();
        if let Some(config) = facts.config.clone() {
            facts.tls = client_config(&config).map_err(|failure| failure.to_string());
            facts.ask_engine(&config).await;
        }
        facts.ask_daemon(place).await;
        facts
    }

    fn read_config(&mut self) {
        let path = self.directories.config.clone();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                let told = format!("{}: {error}", path.display());
                self.config_trouble = match error.kind() {
                    std::io::ErrorKind::PermissionDenied => {
                        Outcome::Fatal(vec![format!("{told}. Run it as root: sudo iotedge check")])
                    }
                    _ => Outcome::error(format!("{told}. Write it, or let `iotedge config mp` write it")),
                };
                return;
            }
        };
        match Config::parse(&text, false) {
            Ok(parsed) => {
                let told = parsed.warnings.iter().map(|warning| format!("{}:{warning}", path.display()));
                self.config_warnings = told.collect();
                self.config = Some(parsed.config);
            }
            Err(error) => {
                self.config_trouble = Outcome::error(format!("{} cannot be used:\n{error}", path.display()));
            }
        }
    }

    async fn ask_engine(&mut self, config: &Config) {
        let socket = &config.moby_runtime.socket;
        match DockerRuntime::new(DockerOptions::new(socket)).info().await {
            Ok(info) => {
                self.engine = Outcome::Ok;
                self.engine_version = Some(info.version);
            }
            Err(error) => {
                let told = format!("the container engine does not answer at {}", socket.display());
                let told = format!("{told}: install it, or start it (Debian: apt install docker.io)");
                self.engine = Outcome::Error(vec![told, error.to_string()]);
            }
        }
    }

    async fn ask_daemon(&mut self, place: &Place) {
        let asked = async {
            let management = place.management()?;
            Ok::<_, crate::failure::Failure>((
                management.get("/modules").await,
                management.get("/systeminfo").await?,
            ))
        };
        match asked.await {
            Ok((modules, system)) => {
                self.daemon_version = system["version"].as_str().map(str::to_owned);
                self.daemon = Outcome::Ok;
                let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
                // A daemon without its engine lists none, which the engine's own check tells.
                let modules = modules.unwrap_or_default();
                let listed = modules["modules"].as_array().into_iter().flatten();
                let images = listed
                    .map(|module| (text(&module["name"]), text(&module["config"]["settings"]["image"])));
                self.images = Some(images.collect());
            }
            Err(failure) => {
                let told = "the daemon does not answer: `iotedge system status`, `iotedge system logs`";
                self.daemon = Outcome::Error(vec![told.to_owned(), failure.to_string()]);
            }
        }
    }

    /// Of devices that prove themselves by one.
    pub fn identity_certificate(&self, config: &Config) -> Outcome {
        let Provisioning::Manual { credential: DeviceCredential::X509(x509), .. } = &config.provisioning
        else {
            return Outcome::Ignored;
        };
        let CertificatePlace::File(path) = &x509.certificate else { return Outcome::Ignored };
        let what = "the device's certificate";
        let pem = match read_file(path) {
            Ok(Some(pem)) => pem,
            Ok(None) => return Outcome::error(format!("{what} is not there: {}", path.display())),
            Err(error) => return Outcome::error(error.to_string()),
        };
        self.expiry(what, Chain::from_pem(&pem, what).map_err(|error| error.to_string()))
    }

    pub fn edge_ca(&self) -> Outcome {
        let directory = self.directories.for_daemon().certificates;
        if !directory.is_dir() {
            // The daemon makes it when it starts.
            return Outcome::Skipped;
        }
        let store = CertificateStore::open(directory, std::collections::BTreeMap::new());
        match store.and_then(|store| store.chain(EDGE_CA)) {
            Ok(Some(chain)) => self.expiry("the Edge CA", Ok(chain)),
            // One of the operator's own, which the daemon checks when it starts.
            Ok(None) => Outcome::Ignored,
            Err(error) => Outcome::error(error.to_string()),
        }
    }

    fn expiry(&self, what: &str, chain: Result<Chain, String>) -> Outcome {
        match chain {
            Ok(chain) => {
                settings::expiry(what, chain.validity.not_before, chain.validity.not_after, self.now)
            }
            Err(error) => Outcome::error(error),
        }
    }

    pub fn disk(&self) -> Outcome {
        // The nearest folder that is there is on the same disk.
        let data = self.directories.data();
        let there = data.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
        match rustix::fs::statvfs(there) {
            Ok(found) => settings::room(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize),
            Err(error) => Outcome::error(format!("{}: {error}", there.display())),
        }
    }

    /// What stands beside the checks in JSON.
    pub fn additional(&self) -> Value {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let of_release = |key: &str| {
            let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.map(|value| value.trim_matches('"').to_owned())
        };
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
        })
    }
}

fn up_to_date(directories: &Directories) -> Outcome {
    const CURE: &str = "run `iotedge config apply`";
    match Snapshot::load(&directories.applied()) {
        Ok(None) => Outcome::warning(format!("nothing was applied yet: {CURE}")),
        Ok(Some(snapshot)) => match snapshot.is_of(&directories.config) {
            Ok(true) => Outcome::Ok,
            Ok(false) => Outcome::warning(format!(
                "{} was changed since it was applied: {CURE}",
                directories.config.display()
            )),
            // Without the file, what was applied counts.
            Err(_) => Outcome::Ignored,
        },
        Err(error) => {
            Outcome::Error(vec![format!("what was applied cannot be read: {CURE}"), error.to_string()])
        }
    }
}

fn engine_file(path: &PathBuf) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
