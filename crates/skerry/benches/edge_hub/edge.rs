//! `skerry edge run` as operators run it, with a hub that says who its modules are.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use skerry_amqp::address::Node;
use skerry_mqtt::client::ClientLimits;
use skerry_uplink::amqp::Credentials;
use skerry_uplink::{Client, Identity, Place, TlsOptions};

use crate::ground::Ground;
use crate::ground::hub::{self, Hub, Wanted};
use crate::hop::MODULES;
use crate::links::Doors;
use crate::meter::{Trouble, now};
use crate::options::Options;
use crate::pair::{Guest, Server};
use crate::papers::HOST;
use crate::tree::Tree;

pub(crate) const DEVICE: &str = "gate";
const MQTT_PORT: u16 = 8883;
const AMQP_PORT: u16 = 5671;
/// Where a message over AMQP names its output.
const OUTPUT: &str = "iothub-outputname";
/// Where the edge's hub keeps what waits, in the edge's folder.
const LOG: &str = "edged/hub/log";
const START_MAX: Duration = Duration::from_secs(60);
const TRUST: &str = "GET /trust-bundle?api-version=2019-01-30 HTTP/1.0\r\nhost: localhost\r\n\r\n";

/// What the edge speaks to whom it takes for its hub's door.
pub(crate) struct Upstream {
    /// As the variable has it.
    pub(crate) protocol: &'static str,
    pub(crate) port: u16,
}

pub(crate) struct Edge {
    pub(crate) hub: Hub,
    /// What the edge's modules trust.
    roots: String,
    folder: PathBuf,
    address: SocketAddr,
    tree: Tree,
    /// Ends after the edge.
    pub(crate) hub_tree: Tree,
}

/// A hub that knows the edge and its modules.
pub(crate) async fn register(
    ground: &Ground<'_>,
    settings: &str,
    modules: &[&str],
) -> Result<(Hub, Tree), Trouble> {
    let wanted = Wanted { devices: 0, mutual: false, settings };
    let (hub, hub_tree) = hub::start(ground, &wanted).await?;
    let key = hub.key().ok_or("the hub's devices have no key")?;
    let authentication =
        json!({"type": "sas", "symmetricKey": {"primaryKey": key.reveal(), "secondaryKey": key.reveal()}});
    let device = json!({
        "deviceId": DEVICE, "status": "enabled", "capabilities": {"iotEdge": true},
        "authentication": authentication,
    });
    hub.put(&format!("/devices/{DEVICE}"), &device).await?;
    for module in modules {
        let wanted = json!({"deviceId": DEVICE, "moduleId": module, "authentication": authentication});
        hub.put(&format!("/devices/{DEVICE}/modules/{module}"), &wanted).await?;
    }
    Ok((hub, hub_tree))
}

/// Starts it below a hub, and waits until its modules come in.
pub(crate) async fn start(
    ground: &Ground<'_>,
    options: &Options,
    (hub, hub_tree): (Hub, Tree),
    upstream: &Upstream,
    modules: &[&str],
) -> Result<Edge, Trouble> {
    let key = hub.key().ok_or("the hub's devices have no key")?;
    let Upstream { protocol, port } = upstream;
    let folder = ground.folder;
    let config = folder.join("config.toml");
    let text = format!(
        "hostname = \"{HOST}\"\n[provisioning]\nsource = \"manual\"\n\
         connection_string = \"HostName={HOST};DeviceId={DEVICE};SharedAccessKey={}\"\n\
         [agent]\nname = \"edgeAgent\"\ntype = \"docker\"\n[agent.config]\nimage = \"agent:1\"\n\
         [agent.env]\nUpstreamProtocol = \"{protocol}\"\n\
         [moby_runtime]\nuri = \"unix://{}/no.sock\"\nnetwork = \"azure-iot-edge\"\n\
         [skerry]\nhub_ca_cert = \"file://{}\"\nedge_hub_listen = [\"{}\"]\n\
         hub_address = \"127.0.0.1\"\nhub_https_port = {}\nhub_mqtt_port = {port}\n\
         hub_amqp_port = {port}\n",
        key.reveal(),
        folder.display(),
        ground.papers.root().display(),
        options.address,
        hub.door("https")?.port(),
    );
    fs::write(&config, text)?;
    let mut command = Command::new(&options.edge);
    command.args(["edge", "run", "--metrics", "off", "--config"]).arg(&config);
    command.arg("--data").arg(folder.join("edge")).arg("--sockets").arg(folder.join("run"));
    let tree = ground.launch(&mut command)?;
    let address = SocketAddr::from((options.address, MQTT_PORT));
    let mut edge = Edge { hub, roots: String::new(), folder: folder.join("edge"), address, tree, hub_tree };
    edge.wait(&folder.join("run/workload.sock"), modules).await?;
    Ok(edge)
}

impl Edge {
    async fn wait(&mut self, workload: &Path, modules: &[&str]) -> Result<(), Trouble> {
        let began = now();
        loop {
            match self.is_there(workload, modules).await {
                Ok(()) => return Ok(()),
                Err(error) if self.tree.has_ended() || now() - began > START_MAX => {
                    return Err(format!("the edge does not start: {error}").into());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn is_there(&mut self, workload: &Path, modules: &[&str]) -> Result<(), Trouble> {
        self.roots = trust(workload)?;
        for module in modules {
            let place = Place { connect_timeout: Duration::from_secs(2), ..self.place()? };
            let guest = self.guest(module)?.connect;
            Client::<()>::connect(&place, guest, ClientLimits::default()).await?.close().await;
        }
        Ok(())
    }
}

impl Edge {
    pub(crate) fn processes(&self) -> &Tree {
        &self.tree
    }

    /// Where what waits lies.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }

    /// Of the modules of the hop, over AMQP.
    pub(crate) fn doors(&self) -> Result<Doors, Trouble> {
        let [from, to] = [self.identity(MODULES[0])?, self.identity(MODULES[1])?];
        let token = |identity: &Identity| identity.token(self.hub.ends).ok_or("the modules have no keys");
        Ok(Doors {
            place: Place { address: SocketAddr::new(self.address.ip(), AMQP_PORT), ..self.place()? },
            credentials: Some(Credentials::anonymous()),
            tokens: Some([token(&from)?, token(&to)?]),
            target: Node::Events(from.id()).to_string(),
            source: Node::Events(to.id()).to_string(),
            is_durable: false,
            properties: vec![("level", "high".to_owned()), (OUTPUT, MODULES[0].to_owned())],
        })
    }

    fn identity(&self, module: &str) -> Result<Identity, Trouble> {
        let mut identity = self.hub.identity(0);
        (identity.device, identity.module) = (DEVICE.parse()?, Some(module.parse()?));
        Ok(identity)
    }
}

impl Server for Edge {
    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn place(&self) -> Result<Place, Trouble> {
        let roots = self.roots.as_bytes();
        let config = TlsOptions { roots, certificate: None, resumption: false }.build()?;
        let tls = Some((ServerName::try_from(HOST)?, config));
        Ok(Place { address: self.address, tls, websocket: None, relay: None, connect_timeout: START_MAX })
    }

    fn guest(&self, module: &str) -> Result<Guest, Trouble> {
        Ok(Guest {
            connect: self.identity(module)?.connect(self.hub.ends, Duration::ZERO, 600),
            // What the route looks at stands in the topic.
            topic: format!("devices/{DEVICE}/modules/{module}/messages/events/level=high&%24.on={module}"),
            filter: format!("devices/{DEVICE}/modules/{module}/inputs/#"),
        })
    }
}

/// The certificates that the daemon tells modules to trust.
fn trust(workload: &Path) -> Result<String, Trouble> {
    let mut stream = UnixStream::connect(workload)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(TRUST.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("the daemon gives no answer")?;
    let body: Value = serde_json::from_str(body)?;
    Ok(body["certificate"].as_str().ok_or("the daemon has no trust bundle")?.to_owned())
}
