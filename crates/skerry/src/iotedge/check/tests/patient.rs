//! A machine that is well until something befalls it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use skerry_edge_daemon::config::apply;
use skerry_keys::{CertificateStore, EDGE_CA};
use skerry_model::{Clock, Timestamp};
use skerry_runtime::{
    Answer, Behaviour, CreateRequest, CreateRules, Credentials, EngineError, Machine, MemoryRuntime,
    PullRequest, Runtime,
};
use tempfile::TempDir;

use super::super::CheckArgs;
use super::super::facts::Facts;
use super::super::world::{Disk, Inside, LocalApi, LocalCall, OtherClock, Target, World};
use crate::edge::{Directories, PlaceOptions};
use crate::failure::Failure;

const NOW: &str = "2026-07-01T00:00:00Z";
pub const VERSION: &str = "1.2.3";

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }
}

pub struct Patient {
    folder: Arc<TempDir>,
    pub args: CheckArgs,
    config: String,
    pub host_name: Option<String>,
    pub disk: Disk,
    /// What is printed by a program with its arguments.
    pub programs: BTreeMap<String, String>,
    pub runtime: Arc<MemoryRuntime>,
    pub machine: Machine,
    containers: Vec<CreateRequest>,
    /// By path.
    pub answers: BTreeMap<String, Value>,
    /// Services that do not answer at all.
    pub silent: BTreeSet<&'static str>,
    /// HOST:PORT that nobody reaches from here.
    pub closed: BTreeSet<String>,
    /// Another clock, against this one.
    pub ahead_seconds: i64,
    /// The clock of containers, against this one.
    pub inside_ahead_seconds: i64,
    /// Names that have no address in containers.
    pub unresolved: BTreeSet<String>,
    /// NETWORK HOST:PORT that no container reaches.
    pub closed_inside: BTreeSet<String>,
}

fn name_of(api: LocalApi) -> &'static str {
    match api {
        LocalApi::Management | LocalApi::Workload => "edged",
        LocalApi::Keyd => "keyd",
        LocalApi::Certd => "certd",
        LocalApi::Identityd => "identityd",
    }
}

impl Patient {
    pub async fn healthy() -> Self {
        let runtime = Arc::new(MemoryRuntime::new(Arc::new(Still), CreateRules::default()));
        let machine = runtime.machine();
        let mut patient = Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
            args: CheckArgs::default(),
            config: String::new(),
            host_name: Some("gate".to_owned()),
            disk: Disk { free_bytes: 50 << 30, bytes: 100 << 30, is_passing: false },
            programs: BTreeMap::new(),
            runtime,
            machine,
            containers: Vec::new(),
            answers: BTreeMap::new(),
            silent: BTreeSet::new(),
            closed: BTreeSet::new(),
            ahead_seconds: 0,
            inside_ahead_seconds: 0,
            unresolved: BTreeSet::new(),
            closed_inside: BTreeSet::new(),
        };
        patient.settle();
        patient
    }

    fn settle(&mut self) {
        for id in ["device", "plant", "local"] {
            self.certify(id, id, 2027);
        }
        self.config = format!(
            "hostname = 'gate'\nparent_hostname = 'top.plant.lan'\n[provisioning]\nsource = 'manual'\n\
             iothub_hostname = 'hub1.skerry.test'\ndevice_id = 'gate'\n[provisioning.authentication]\n\
             method = 'x509'\nidentity_cert = 'file://{at}/device.pem'\nidentity_pk = 'file://{at}/device.key'\n\
             [cert_issuance.local_ca]\ncert = 'file://{at}/local.pem'\npk = 'file://{at}/local.key'\n\
             [preloaded_certs]\nplant = 'file://{at}/plant.pem'\n[preloaded_keys]\nplant = 'file://{at}/plant.key'\n\
             [agent]\nname = 'edgeAgent'\ntype = 'docker'\n[agent.config]\nimage = '$upstream:443/agent:1'\n\
             [agent.config.auth]\nserveraddress = '$upstream:443'\nusername = 'u'\npassword = 'geheim'\n\
             [moby_runtime]\nuri = 'unix://{at}/engine.sock'\n[moby_runtime.network]\nname = 'modules'\nipv6 = true\n",
            at = self.folder.path().display(),
        );
        let daemon = json!({
            "dns": ["10.0.0.1"], "ipv6": true, "log-driver": "local",
            "log-opts": {"max-size": "10m", "max-file": "3"},
        });
        fs::write(self.path("daemon.json"), daemon.to_string()).unwrap();
        let edge_ca = fs::read_to_string(self.path("local.pem")).unwrap();
        let certificates = CertificateStore::open(self.path("data/certd/certs"), BTreeMap::new()).unwrap();
        certificates.import(EDGE_CA, &edge_ca).unwrap();
        self.args.container_engine_config_file = self.path("daemon.json");
        self.args.expected_aziot_edged_version = Some(VERSION.to_owned());
        self.args.expected_aziot_version = Some(VERSION.to_owned());
        for unit in ["docker", "aziot-edged"] {
            let shown = "Environment=A=1\n".to_owned();
            self.programs.insert(format!("systemctl show --property=Environment {unit}"), shown);
        }
        let credentials = Credentials {
            address: "top.plant.lan:443".to_owned(),
            username: "u".to_owned(),
            password: "geheim".to_owned(),
            email: None,
        };
        self.machine.publish_private("top.plant.lan:443/agent:1", Behaviour::runs(), credentials);
        self.answer("/systeminfo", json!({ "version": VERSION }));
        self.answer("/trust-bundle", json!({ "certificate": "PEM" }));
        self.answer("/skerry/v1/agent", json!({ "hub": true, "last": { "version": 3, "code": 200 } }));
        self.answer("/systeminfo/resources", json!({ "used_ram": 1 }));
        let module = |name: &str, kind: &str, image: &str| json!({ "name": name, "type": kind, "config": { "settings": { "image": image } } });
        self.answer(
            "/modules",
            json!({ "modules": [module("edgeAgent", "built-in", "skerry"), module("edgeHub", "built-in", "skerry"), module("sensor", "docker", "sensor:1.5")] }),
        );
        for id in ["device-id", "plant", "local-ca"] {
            let file = id.split('-').next().unwrap();
            let pem = fs::read_to_string(self.path(&format!("{file}.pem"))).unwrap();
            self.answer(&format!("/certificates/{}", id.replace('-', "%2D")), json!({ "pem": pem }));
            let handle = json!({ "keyHandle": id });
            self.answer(&format!("/keypair/{}", id.replace('-', "%2D")), handle);
        }
        self.answer("/parameters/algorithm", json!({ "value": "ECDSA" }));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn answer(&mut self, path: &str, answer: Value) {
        self.answers.insert(path.to_owned(), answer);
    }

    /// Makes a certificate and its key, good until the beginning of a year.
    pub fn certify(&self, name: &str, key: &str, until: i32) {
        let pair = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(until, 1, 1));
        if until == 2026 {
            (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2026, 6, 30));
        }
        let certificate = params.self_signed(&pair).unwrap();
        fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(self.path(&format!("{key}.key")), pair.serialize_pem()).unwrap();
    }

    /// One that ended yesterday.
    pub fn expire(&self, name: &str) {
        self.certify(name, name, 2026);
    }

    /// Changes the configuration.
    pub fn edit(&mut self, from: &str, to: &str) {
        assert!(self.config.contains(from), "{from} stands in {}", self.config);
        self.config = self.config.replacen(from, to, 1);
    }

    /// Adds tables to the configuration; FOLDER is the machine's own.
    pub fn add(&mut self, text: &str) {
        self.config.push_str(&text.replace("FOLDER", self.folder.path().to_str().unwrap()));
    }

    /// Puts the device behind the service that provisions.
    pub fn provision(&mut self, attestation: &str) {
        let start = self.config.find("[provisioning]").unwrap();
        let end = self.config.find("[cert_issuance").unwrap();
        let text = format!(
            "[provisioning]\nsource = 'dps'\nglobal_endpoint = 'https://dps.skerry.test'\nid_scope = 'x'\n\
             [provisioning.attestation]\n{attestation}\n"
        );
        self.config.replace_range(start..end, &text);
        self.edit("parent_hostname = 'top.plant.lan'\n", "");
    }

    /// A container of a module's, made with these options.
    pub fn container(&mut self, name: &str, env: &str, options: Value) {
        let (key, value) = env.split_once('=').unwrap();
        let Value::Object(options) = options else { panic!("{options}") };
        let env = vec![(key.to_owned(), value.to_owned())];
        self.containers.push(CreateRequest {
            name: name.to_owned(),
            image: "hub:1".to_owned(),
            env,
            options,
        });
    }

    pub async fn looked_at(self) -> Facts {
        let options = PlaceOptions {
            config: Some(self.path("config.toml")),
            data: Some(self.path("data")),
            sockets: Some(self.path("run")),
        };
        let directories = Directories::new(&options);
        self.apply(&directories);
        self.machine.publish("hub:1", Behaviour::runs());
        for request in &self.containers {
            let pull = PullRequest { image: request.image.clone(), credentials: None };
            self.runtime.pull(&pull, &|_| {}).await.unwrap();
            self.runtime.create(request).await.unwrap();
        }
        let args = self.args.clone();
        Facts::gather(&args, directories, Arc::new(self)).await
    }

    /// As the operator would, unless a test has taken the file away or applied another one.
    fn apply(&self, directories: &Directories) {
        if self.path("gone").exists() {
            return;
        }
        fs::write(self.path("config.toml"), &self.config).unwrap();
        if !self.path("unapplied").exists() {
            fs::create_dir_all(directories.applied()).unwrap();
            // A configuration with mistakes is not applied, which other checks tell.
            drop(apply(&directories.config, &directories.applied(), false, false));
        }
    }

    /// Whether something of the operator's is not done: `gone` without a file, `unapplied` with a new one.
    pub fn leave(&self, mark: &str) {
        fs::write(self.path(mark), "").unwrap();
    }
}

impl World for Patient {
    fn now(&self) -> Timestamp {
        Still.now()
    }

    fn host_name(&self) -> Option<String> {
        self.host_name.clone()
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn disk(&self, _: &Path) -> io::Result<Disk> {
        Ok(self.disk)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let line = format!("{program} {}", arguments.join(" "));
        self.programs.get(&line).cloned().ok_or_else(|| format!("{line}: not found"))
    }

    fn engine(&self, socket: &Path) -> Arc<dyn Runtime> {
        assert_eq!(socket, self.path("engine.sock"));
        Arc::clone(&self.runtime) as _
    }

    fn gateway<'a>(&'a self, _: &'a Path, network: &'a str) -> Answer<'a, Option<IpAddr>, EngineError> {
        Box::pin(async move { Ok((network == "modules").then_some(IpAddr::from([172, 18, 0, 1]))) })
    }

    fn ask(&self, call: LocalCall) -> Answer<'_, Value, Failure> {
        Box::pin(async move {
            if self.silent.contains(name_of(call.api)) {
                return Err(Failure::unreachable("nobody listens"));
            }
            let unknown = || Failure::NotFound(format!("{} is not there", call.path));
            self.answers.get(&call.path).cloned().ok_or_else(unknown)
        })
    }

    fn connect<'a>(&'a self, target: &'a Target) -> Answer<'a, (), String> {
        let place = format!("{}:{}", target.host, target.port);
        Box::pin(async move {
            if self.closed.contains(&place) { Err("connection refused".to_owned()) } else { Ok(()) }
        })
    }

    fn time<'a>(&'a self, _: &'a OtherClock) -> Answer<'a, i64, String> {
        Box::pin(async { Ok(self.now().unix_seconds() + self.ahead_seconds) })
    }

    fn inside<'a>(&'a self, inside: &'a Inside) -> Answer<'a, String, String> {
        Box::pin(async move {
            let words: Vec<&str> = inside.arguments.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["local-time"] => Ok((self.now().unix_seconds() + self.inside_ahead_seconds).to_string()),
                ["resolve", "--host", name] if self.unresolved.contains(*name) => {
                    Err("no address".to_owned())
                }
                ["resolve", "--host", _] => Ok("10.0.0.9".to_owned()),
                ["connect", "--host", host, "--address", "172.18.0.1", ports @ ..] => {
                    assert_eq!(ports[6..], ["--trust-pem", "PEM"], "with what modules trust");
                    let place = format!("{} {host}", inside.network.as_deref().unwrap());
                    let is_closed = self.closed_inside.contains(&place);
                    if is_closed { Err("connection refused".to_owned()) } else { Ok("connected".to_owned()) }
                }
                ["connect", "--host", host, "--port", port, ..] => {
                    let network = inside.network.as_deref().unwrap_or("default");
                    if self.closed_inside.contains(&format!("{network} {host}:{port}")) {
                        return Err("connection refused".to_owned());
                    }
                    Ok("connected".to_owned())
                }
                other => panic!("nobody asks for {other:?}"),
            }
        })
    }
}
