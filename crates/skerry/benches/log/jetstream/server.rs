//! A server of our own: its data in a folder that goes away, on a port of the loopback that the
//! system chose.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use skerry_store::log::Durability;

use super::wire::Wire;
use crate::meter::{Trouble, now, processor_time_of};

const START_MAX: Duration = Duration::from_secs(20);

/// When it syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Every two minutes.
    Default,
    /// Before each answer.
    Always,
}

impl Sync {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "JetStream, default sync",
            Self::Always => "JetStream, sync always",
        }
    }

    /// Whether it belongs beside what is promised. The default stands beside both: it is what
    /// people run.
    pub(crate) fn is_like(self, durability: Durability) -> bool {
        self == Self::Default || durability == Durability::Synced
    }
}

pub(crate) struct Server {
    folder: PathBuf,
    address: SocketAddr,
    process: Child,
}

impl Server {
    pub(crate) async fn start(program: &Path, folder: &Path, sync: Sync) -> Result<Self, Trouble> {
        let folder = folder.join("jetstream");
        fs::create_dir_all(&folder)?;
        let text = folder.to_str().ok_or("the folder's name is no text")?;
        let interval = if sync == Sync::Always { "sync_interval: always" } else { "" };
        let settings = format!(
            "host: \"127.0.0.1\"\nport: -1\nports_file_dir: \"{text}\"\n\
             jetstream {{\n  store_dir: \"{text}\"\n  max_file_store: 16GB\n  {interval}\n}}\n"
        );
        let file = folder.join("settings.conf");
        fs::write(&file, settings)?;
        let log = fs::File::create(folder.join("log"))?;
        let mut command = Command::new(program);
        command.arg("--config").arg(&file).current_dir(&folder);
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().map_err(|error| {
                format!(
                    "{} does not start: {error}; name it by --nats-server, or --without-peer",
                    program.display()
                )
            })?;
        // What was started ends with this, also when it does not get any further.
        let mut server = Self { folder, address: ([127, 0, 0, 1], 0).into(), process };
        let began = now();
        while now() - began < START_MAX {
            if let Some(address) = server.told_address() {
                server.address = address;
                server.connect().await?;
                return Ok(server);
            }
            if server.process.try_wait()?.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let log = fs::read_to_string(server.folder.join("log")).unwrap_or_default();
        Err(format!("nats-server does not start: {log}").into())
    }

    /// It writes down which port it was given.
    fn told_address(&self) -> Option<SocketAddr> {
        let files = fs::read_dir(&self.folder).ok()?.flatten().map(|entry| entry.path());
        let file = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "ports"))?;
        let ports: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
        ports["nats"][0].as_str()?.strip_prefix("nats://")?.parse().ok()
    }

    pub(crate) async fn connect(&self) -> Result<Wire, Trouble> {
        Wire::connect(self.address).await
    }

    /// What it has computed so far.
    pub(crate) fn processor_time(&self) -> Option<Duration> {
        processor_time_of(&self.process.id().to_string())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
