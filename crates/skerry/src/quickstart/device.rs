//! The edge device: configured by a file, as an operator does it, and run as `skerry edge run` does.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use skerry_edge_daemon::config::apply;
use skerry_edge_daemon::{Activated, Outcome, Parts};
use skerry_runtime::Runtime;
use tokio::sync::watch;

use super::addresses::Door;
use super::engine::{Engine, NETWORK};
use super::place::Place;
use crate::edge::{Directories, Edge, EdgeOptions, Metrics, configuration};
use crate::failure::Failure;

/// Under which containers look for the edge.
const HOST: &str = "skerry-edge";
/// The figures of the edge.
const METRICS_PORT: u16 = 9600;
/// What does not stand in the URI of a file as it is.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#').add(b'"').add(b'\\');

/// Writes the configuration where it is not what it was, and applies it.
pub fn configure(
    place: &Place,
    connection_string: &str,
    hub: &Door,
    edge: &Door,
    engine: &Engine,
) -> Result<(), Failure> {
    let directories = place.directories();
    let text = written(place, connection_string, hub, edge, engine);
    let is_same = std::fs::read_to_string(&directories.config).is_ok_and(|old| old == text);
    if is_same && directories.applied().join("config.toml").exists() {
        return Ok(());
    }
    for folder in [place.path("edge"), directories.applied()] {
        std::fs::create_dir_all(&folder)
            .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
    }
    place.write("edge/config.toml", text.as_bytes())?;
    apply(&directories.config, &directories.applied(), true, false).map(drop).map_err(Failure::failed)
}

fn written(place: &Place, connection_string: &str, hub: &Door, edge: &Door, engine: &Engine) -> String {
    let root = place.hub().join("tls/root-ca.pem");
    let (name, listen, modules) = match engine {
        // A name would have to be found by the whole machine.
        Engine::Processes { .. } => (edge.ip.to_string(), vec![edge.ip], String::new()),
        Engine::Containers { socket, gateway, .. } => (
            HOST.to_owned(),
            vec![edge.ip, *gateway],
            format!("\n[moby_runtime]\nuri = \"unix://{}\"\nnetwork = \"{NETWORK}\"\n", socket.display()),
        ),
    };
    let listen: Vec<String> = listen.iter().map(|ip| format!("\"{ip}\"")).collect();
    format!(
        "# Written by `skerry quickstart` at each start.\n\
         hostname = \"{name}\"\n\
         auto_reprovisioning_mode = \"OnErrorOnly\"\n\n\
         [provisioning]\n\
         source = \"manual\"\n\
         connection_string = \"{connection_string}\"\n\
         {modules}\n\
         [skerry]\n\
         hub_ca_cert = \"{}\"\n\
         hub_address = \"{}\"\n\
         hub_https_port = {}\nhub_mqtt_port = {}\nhub_amqp_port = {}\n\
         edge_hub_listen = [{}]\n\
         edge_hub_https_port = {}\nedge_hub_mqtt_port = {}\nedge_hub_amqp_port = {}\n\
         server_names = [\"{}\"]\n\
         module_keys = \"ec-p256\"\n",
        file_uri(&root),
        hub.ip,
        hub.https,
        hub.mqtt,
        hub.amqp,
        listen.join(", "),
        edge.https,
        edge.mqtt,
        edge.amqp,
        edge.ip,
    )
}

fn file_uri(path: &Path) -> String {
    format!("file://{}", utf8_percent_encode(&path.to_string_lossy(), PATH))
}

/// What the device is run with.
pub struct Running {
    pub directories: Directories,
    pub parts: Parts,
    pub engine: Arc<dyn Runtime>,
    pub door: Door,
}

impl Running {
    /// Until `stopped`; an applied configuration begins it anew.
    pub async fn run(self, stopped: watch::Receiver<bool>) -> Result<(), Failure> {
        loop {
            let edge = Edge::start(EdgeOptions {
                directories: &self.directories,
                config: configuration(&self.directories)?,
                metrics: Some(Metrics::At(SocketAddr::new(self.door.ip, METRICS_PORT))),
                activated: Activated::default(),
                is_activated: false,
                parts: &self.parts,
                engine: Arc::clone(&self.engine),
            });
            let edge = Box::pin(edge).await?;
            let mut stopped = stopped.clone();
            let over = async move {
                // Only a sender that is gone fails; either way it is over.
                drop(stopped.wait_for(|is_over| *is_over).await);
            };
            match Box::pin(edge.run(over)).await {
                Outcome::Stopped => return Ok(()),
                Outcome::Reprovision | Outcome::Reload => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_anything_in_them_are_uris() {
        assert_eq!(file_uri(Path::new("/a b/50%/c#d?\"é")), "file:///a%20b/50%25/c%23d%3F%22%C3%A9");
    }
}
