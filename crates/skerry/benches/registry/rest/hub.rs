//! `skerry hub run` as operators run it, in a folder of its own and on a port of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use skerry_tokens::{Claim, ConnectionString, Credential, KeyUse, Signer, resource};

use super::client::Place;
use crate::disk::Device;
use crate::meter::Trouble;
use crate::signal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_skerry");
const READY: &str = "skerry hub ready";
/// Until then the tokens of the bench are good: longer than any run.
const TOKEN_ENDS: &str = "2099-01-01T00:00:00Z";
const CONFIGURATION: &str = "indexes = [[\"tags.building\", \"tags.kind\"]]\n";

pub(super) struct Hub {
    data: PathBuf,
    process: Child,
}

impl Hub {
    pub(super) async fn start(folder: &Path) -> Result<Self, Trouble> {
        let (data, configuration) = (folder.join("hub"), folder.join("hub.toml"));
        fs::write(&configuration, CONFIGURATION)?;
        let mut command = Command::new(PROGRAM);
        command.args([
            "hub",
            "run",
            "--hostname",
            "localhost",
            "--https",
            "127.0.0.1:0",
            "--mqtt",
            "off",
            "--log",
            "error",
        ]);
        command.arg("--data").arg(&data).arg("--config").arg(&configuration);
        let mut hub = Self { process: command.stdout(Stdio::piped()).spawn()?, data };
        let said = hub.process.stdout.take().ok_or("the hub has no output")?;
        let ready = tokio::task::spawn_blocking(move || BufReader::new(said).lines().next());
        match ready.await? {
            Some(Ok(line)) if line == READY => Ok(hub),
            other => Err(format!("the hub did not start: {other:?}").into()),
        }
    }

    /// Where it listens, whom it trusts, and a token of its owner.
    pub(super) fn place(&self) -> Result<Place, Trouble> {
        let file: Value = serde_json::from_slice(&fs::read(self.data.join("hub.json"))?)?;
        let address = file["addresses"]["https"].as_str().ok_or("the hub listens nowhere")?.parse()?;
        let said =
            Command::new(PROGRAM).args(["hub", "connection-string", "--data"]).arg(&self.data).output()?;
        let text = String::from_utf8(said.stdout)?;
        let ConnectionString::Hub(hub) = text.trim().parse()? else {
            return Err("this is no connection string of a hub".into());
        };
        let Credential::Policy { name, key } = hub.credential() else {
            return Err("the connection string has no policy".into());
        };
        let signer = Signer::policy(name.clone(), key.clone(), KeyUse::Hub);
        let token = signer.issue(&resource(hub.host().name(), Claim::Hub), TOKEN_ENDS.parse()?).reveal();
        Ok(Place { address, root: self.data.join("tls/root-ca.pem"), token })
    }

    pub(super) fn disk(&self) -> Device {
        Device::of(&self.data)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        drop(signal::send("TERM", self.process.id()));
        drop(self.process.wait());
    }
}
