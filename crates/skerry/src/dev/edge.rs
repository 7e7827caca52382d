//! `--edge`: an edge device beside the hub, for a module that runs in a debugger instead of a container.
//!
//! ```text
//!  module ──EdgeHubConnectionString──► edge hub (127.0.0.2) ──MQTT──► hub (127.0.0.1)
//! ```
//!
//! It is the edge hub of `skerry edge run` with its daemon, on files in the folder of the run; the engine forgets, and
//! nobody keeps modules running: the one that matters runs elsewhere.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use skerry_edge_daemon::cloud::ProxySettings;
use skerry_edge_daemon::config::Config;
use skerry_edge_daemon::{Activated, Daemon, Options, Outcome, Parts, Places};
use skerry_hub::registry::Registry;
use skerry_model::deployment::Content;
use skerry_model::identity::Identity;
use skerry_model::{Clock, DeviceId, Random};
use skerry_runtime::{CreateRules, MemoryRuntime};
use skerry_tokens::{Credential, Host, HubString};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::options::EdgeOptions;
use super::seed::Seed;
use crate::edge::{Doors, HubOptions, OfHub, client_config, run_hub};
use crate::failure::Failure;
use crate::hub::HubFile;
use crate::world::uid;

/// What the edge device is called.
pub const DEVICE: &str = "edge";
/// What a module is called of which nobody said a name.
const MODULE: &str = "module";
/// To be there, with its routes.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Between looks whether its door is open.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const GOODBYE: Duration = Duration::from_secs(12);
const HTTPS_PORT: u16 = 443;
const MQTT_PORT: u16 = 8883;
const AMQP_PORT: u16 = 5671;

/// What there is to be of it, read before anything starts.
pub struct Plan {
    address: IpAddr,
    modules: Vec<String>,
    content: Content,
}

impl Plan {
    pub fn read(options: &EdgeOptions) -> Result<Option<Self>, Failure> {
        if !options.edge {
            return Ok(None);
        }
        let document = match &options.edge_content {
            Some(path) => read(path)?,
            None => json!({"modulesContent": {
                "$edgeHub": {"properties.desired": {
                    "schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream"},
                    "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
                }},
            }}),
        };
        // As `skerry edge set-modules` takes it.
        let document = document.get("content").unwrap_or(&document);
        let content = Content::read(document).map_err(|error| {
            let path = options.edge_content.as_deref().unwrap_or(Path::new("the content"));
            Failure::usage(format!("{}: {error}", path.display()))
        })?;
        let mut modules = options.edge_modules.clone();
        if modules.is_empty() {
            modules = named(document);
        }
        Ok(Some(Self { address: options.edge_address, modules, content }))
    }

    /// The device and its modules, behind whatever else is registered.
    pub fn sow(&self, seed: &mut Seed) -> Result<(), Failure> {
        seed.add(json!({"id": DEVICE, "capabilities": {"iotEdge": true}}))?;
        self.modules.iter().try_for_each(|module| {
            seed.add(json!({"id": DEVICE, "moduleId": module, "managedBy": "IotEdge"}))
        })
    }
}

fn read(path: &Path) -> Result<Value, Failure> {
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot read the content {}: {error}", path.display()))
    };
    let text = fs::read_to_string(path).map_err(|error| cannot(&error))?;
    serde_json::from_str(&text).map_err(|error| cannot(&error))
}

/// Modules that a manifest wants, and those whose twins it writes.
fn named(document: &Value) -> Vec<String> {
    let contents = &document["modulesContent"];
    let wanted = contents["$edgeAgent"]["properties.desired"]["modules"].as_object().into_iter().flatten();
    let written = contents.as_object().into_iter().flatten();
    let mut names: Vec<String> =
        wanted.chain(written).map(|(name, _)| name.clone()).filter(|name| !name.starts_with('$')).collect();
    names.sort();
    names.dedup();
    if names.is_empty() { vec![MODULE.to_owned()] } else { names }
}

/// SDKs insist on these ports. A hub that listens everywhere has them here, too. Without 443 modules do not call methods of each other.
fn can_listen(address: IpAddr) -> Result<bool, Failure> {
    for port in [MQTT_PORT, AMQP_PORT, HTTPS_PORT] {
        if let Err(error) = TcpListener::bind((address, port)) {
            if port == HTTPS_PORT && error.kind() == std::io::ErrorKind::PermissionDenied {
                tracing::warn!(
                    "Only root may listen on port {HTTPS_PORT}, so modules cannot call methods over HTTPS."
                );
                return Ok(false);
            }
            return Err(Failure::failed(format!(
                "the edge cannot listen on {}: {error}. Give it another address with --edge-address IP, and let the hub not listen on 0.0.0.0",
                SocketAddr::new(address, port)
            )));
        }
    }
    Ok(true)
}

pub struct Edge {
    address: IpAddr,
    host: Host,
    modules: Vec<(String, Credential)>,
    ca: PathBuf,
    ending: watch::Sender<bool>,
    daemon: JoinHandle<Outcome>,
    hub: JoinHandle<()>,
}

/// The hub above.
pub struct Above<'a> {
    pub registry: &'a Registry,
    pub file: &'a HubFile,
    pub root: PathBuf,
    pub identities: &'a [Identity],
}

impl Edge {
    /// Done when a module may connect.
    pub async fn start(
        plan: Plan,
        above: Above<'_>,
        folder: &Path,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn Random>,
    ) -> Result<Self, Failure> {
        let has_https = can_listen(plan.address)?;
        let device: DeviceId = DEVICE.parse().map_err(Failure::failed)?;
        above.registry.apply_content(&device, &plan.content).await.map_err(Failure::usage)?;
        let config = config(&plan, &above, folder)?;
        let places = Places {
            keys: folder.join("keys"),
            certificates: folder.join("certificates"),
            identities: folder.join("identities"),
            home: folder.join("home"),
            services: None,
            root: PathBuf::from("/"),
        };
        let uid = uid().ok_or_else(|| Failure::failed("/proc is not there, and with it our own user"))?;
        let daemon = Box::pin(Daemon::start(Options {
            config: config.clone(),
            places,
            host_name: plan.address.to_string(),
            proxy: ProxySettings::default(),
            activated: Activated::default(),
            notify_socket: None,
            pid: std::process::id(),
            uid,
            owners: vec![uid],
            version: env!("CARGO_PKG_VERSION").to_owned(),
            runtime: Arc::new(MemoryRuntime::new(Arc::clone(clock), CreateRules::default())),
            parts: Parts::default(),
            witness: None,
            processes: None,
            clock: Arc::clone(clock),
            random: Arc::clone(random),
        }));
        let daemon = daemon.await.map_err(Failure::failed)?;
        let handle = daemon.handle();
        let ca = folder.join("trust-bundle.pem");
        let roots = handle.trust_bundle().await.map_err(Failure::failed)?;
        fs::write(&ca, roots).map_err(|error| Failure::failed(format!("{}: {error}", ca.display())))?;
        let gateway = handle.device().gateway.clone();
        let mut wanted = OfHub::default();
        if !has_https {
            wanted.env.insert("httpSettings__enabled".to_owned(), "false".to_owned());
        }
        let hub_options = HubOptions {
            daemon: handle,
            folder: folder.join("hub"),
            tls: client_config(&config)?,
            doors: Arc::new(Doors::new(gateway.name(), config.own.hub_address, ProxySettings::default())),
            wanted: watch::Sender::new(wanted),
            proxy: ProxySettings::default(),
            config,
            clock: Arc::clone(clock),
            random: Arc::clone(random),
        };
        let modules = credentials(&plan.modules, above.identities)?;
        let (ending, is_ending) = watch::channel(false);
        let (seen, there) = watch::channel(None);
        let hub = tokio::spawn(run_hub(Arc::new(hub_options), seen, is_ending.clone()));
        let daemon = tokio::spawn(daemon.run(over(is_ending)));
        let edge = Self { address: plan.address, host: gateway, modules, ca, ending, daemon, hub };
        if timeout(START_LIMIT, is_open(there, plan.address)).await.is_err() {
            edge.stop().await;
            let seconds = START_LIMIT.as_secs();
            return Err(Failure::failed(format!(
                "the edge is not there after {seconds} s; --log info says why"
            )));
        }
        Ok(edge)
    }

    /// For the first module under the names that SDKs look for, and for each under its own.
    pub fn variables(&self) -> Result<Vec<(String, String)>, Failure> {
        let gateway: Host = self.address.to_string().parse().map_err(Failure::failed)?;
        let mut variables = Vec::new();
        for (name, credential) in &self.modules {
            let string = HubString::for_module(self.host.clone(), DEVICE, name, credential.clone());
            let string = string.map_err(Failure::failed)?.through(gateway.clone()).reveal();
            if variables.is_empty() {
                variables.push(("EdgeHubConnectionString".to_owned(), string.clone()));
            }
            let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
            let name: String = name.chars().map(kept).collect();
            variables.push((format!("EDGEHUB_CONNECTION_STRING_{name}"), string));
        }
        variables.push(("EdgeModuleCACertificateFile".to_owned(), self.ca.display().to_string()));
        Ok(variables)
    }

    /// While the hub above is still there.
    pub async fn stop(mut self) {
        self.ending.send_replace(true);
        drop(timeout(GOODBYE, &mut self.hub).await);
        drop(timeout(GOODBYE, &mut self.daemon).await);
        self.hub.abort();
        self.daemon.abort();
    }
}

/// The edge's own file, as an operator would write it.
fn config(plan: &Plan, above: &Above<'_>, folder: &Path) -> Result<Config, Failure> {
    let bound = |address: &Option<String>, what: &str| -> Result<SocketAddr, Failure> {
        let address = address.as_deref().and_then(|address| address.parse().ok());
        address.ok_or_else(|| Failure::usage(format!("--edge needs the hub's {what}, which is off")))
    };
    let addresses = &above.file.addresses;
    let (https, mqtt) = (bound(&addresses.https, "HTTPS")?, bound(&addresses.mqtt, "MQTT")?);
    // Without one it goes through HTTPS.
    let amqp = bound(&addresses.amqp, "AMQP").map(|address| format!("hub_amqp_port = {}\n", address.port()));
    let own = above.identities.iter().find(|one| one.device.as_str() == DEVICE && one.module.is_none());
    let key = own.and_then(key_of).ok_or_else(|| {
        Failure::usage(format!("--edge has a device {DEVICE:?} of its own: take that name out of the seed"))
    })?;
    let host: Host =
        above.file.host_names.first().cloned().unwrap_or_default().parse().map_err(Failure::failed)?;
    let string = HubString::for_device(host, DEVICE, key).map_err(Failure::failed)?.reveal();
    let text = |text: &str| toml::Value::from(text).to_string();
    // Whoever listens everywhere is found on this machine.
    let reached = if mqtt.ip().is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { mqtt.ip() };
    let address = plan.address;
    let config = format!(
        "hostname = \"{address}\"\n\
         [provisioning]\nsource = \"manual\"\nconnection_string = {}\n\
         [listen]\nmanagement_uri = {}\nworkload_uri = {}\n\
         [skerry]\nhub_ca_cert = {}\nhub_address = \"{reached}\"\nhub_https_port = {}\nhub_mqtt_port = {}\n{}\
         edge_hub_listen = [\"{address}\"]\n",
        text(&string),
        text(&format!("unix://{}", folder.join("mgmt.sock").display())),
        text(&format!("unix://{}", folder.join("workload.sock").display())),
        text(&format!("file://{}", above.root.display())),
        https.port(),
        mqtt.port(),
        amqp.unwrap_or_default(),
    );
    Ok(Config::parse(&config, true).map_err(Failure::failed)?.config)
}

fn key_of(identity: &Identity) -> Option<Credential> {
    match &identity.authentication {
        skerry_model::Authentication::Sas(keys) => Some(Credential::Key(keys.primary().parse().ok()?)),
        _ => None,
    }
}

fn credentials(modules: &[String], identities: &[Identity]) -> Result<Vec<(String, Credential)>, Failure> {
    let of = |name: &String| {
        let mut known = identities.iter().filter(|one| one.device.as_str() == DEVICE);
        let own = known.find(|one| one.module.as_ref().is_some_and(|module| module.as_str() == name));
        let credential = own.and_then(key_of);
        let told = || Failure::usage(format!("the module {name} has no key: leave it out of the seed"));
        credential.map(|credential| (name.clone(), credential)).ok_or_else(told)
    };
    modules.iter().map(of).collect()
}

async fn over(mut is_ending: watch::Receiver<bool>) {
    // Only a sender that is gone fails; either way it is over.
    drop(is_ending.wait_for(|is_over| *is_over).await);
}

/// It knows its routes, and lets clients in.
async fn is_open(mut there: watch::Receiver<Option<skerry_edge_hub::EdgeHub>>, address: IpAddr) {
    let hub = there.wait_for(Option::is_some).await.ok().and_then(|hub| hub.clone());
    if let Some(hub) = hub {
        hub.ready().await;
    }
    while TcpStream::connect((address, MQTT_PORT)).await.is_err() {
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_those_that_the_content_names() {
        for (content, expected) in [
            (json!({}), vec!["module"]),
            (json!({"modulesContent": {"$edgeHub": {}}}), vec!["module"]),
            (
                json!({"modulesContent": {
                    "$edgeAgent": {"properties.desired": {"modules": {"b": {}, "a": {}}}},
                    "c": {}, "a": {},
                }}),
                vec!["a", "b", "c"],
            ),
        ] {
            assert_eq!(named(&content), expected, "{content}");
        }
    }
}
