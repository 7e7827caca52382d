//! `skerry hub run` as operators run it, with devices that sign with keys, or show a certificate.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use http::Method;
use serde_json::{Value, json};
use skerry_model::Timestamp;
use skerry_tokens::{Claim, ConnectionString, Credential, KeyUse, SharedKey, Signer, resource};
use skerry_uplink::{Identity, Proof};

#[path = "../registry/rest/client.rs"]
mod client;

use client::{Client, Place};

use super::Ground;
use crate::meter::Trouble;
use crate::papers::HOST;
use crate::tree::Tree;

const PROGRAM: &str = env!("CARGO_BIN_EXE_skerry");
const READY: &str = "skerry hub ready";
/// Until then the tokens of the bench are good: longer than any run.
const TOKEN_ENDS: &str = "2099-01-01T00:00:00Z";
const BULK: usize = 100;

/// How it is to be started.
pub(crate) struct Wanted<'a> {
    /// Devices that must be let in.
    pub(crate) devices: usize,
    /// Whether they show a certificate.
    pub(crate) mutual: bool,
    /// Its configuration file.
    pub(crate) settings: &'a str,
}

pub(crate) struct Hub {
    rest: Place,
    /// All devices have the same key here, which the hub need not know.
    proof: Proof,
    pub(crate) ends: Timestamp,
    /// Of its owner, who may do everything.
    pub(crate) token: String,
    facts: Value,
}

pub(crate) async fn start(ground: &Ground<'_>, wanted: &Wanted<'_>) -> Result<(Hub, Tree), Trouble> {
    let data = ground.folder.join("hub");
    let configuration = ground.folder.join("hub.toml");
    fs::write(&configuration, wanted.settings)?;
    let mut command = Command::new(PROGRAM);
    command.args(["hub", "run", "--hostname", HOST, "--https", "127.0.0.1:0"]);
    command.args(["--mqtt", "127.0.0.1:0", "--amqp", "127.0.0.1:0", "--log", "error"]);
    command.arg("--data").arg(&data).arg("--config").arg(&configuration);
    command.arg("--tls-certificate").arg(ground.papers.certificate());
    command.arg("--tls-key").arg(ground.papers.key());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let said = child.stdout.take().ok_or("the hub has no output")?;
    let tree = Tree::new(child);
    match tokio::task::spawn_blocking(move || BufReader::new(said).lines().next()).await? {
        Some(Ok(line)) if line == READY => {}
        other => return Err(format!("the hub did not start: {other:?}").into()),
    }
    let facts: Value = serde_json::from_slice(&fs::read(data.join("hub.json"))?)?;
    let token = token(&data)?;
    let address = facts["addresses"]["https"].as_str().ok_or("the hub has no HTTPS")?.parse()?;
    let rest = Place { address, root: ground.papers.root(), token: token.clone() };
    let key = SharedKey::from_bytes(&[0x5e; 32])?;
    let authentication = if wanted.mutual {
        let thumbprint = ground.papers.client_thumbprint()?;
        json!({"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": thumbprint}})
    } else {
        json!({"type": "sas", "symmetricKey": {"primaryKey": key.reveal(), "secondaryKey": key.reveal()}})
    };
    register(&rest, wanted.devices, &authentication).await?;
    let proof = if wanted.mutual { Proof::Certificate } else { Proof::Key(key) };
    Ok((Hub { rest, proof, ends: TOKEN_ENDS.parse()?, token, facts }, tree))
}

async fn register(rest: &Place, devices: usize, authentication: &Value) -> Result<(), Trouble> {
    let mut client = Client::connect(rest).await?;
    let numbers: Vec<usize> = (0..devices).collect();
    for numbers in numbers.chunks(BULK) {
        let items: Vec<Value> = numbers
            .iter()
            .map(|number| {
                json!({
                    "id": format!("d{number}"),
                    "importMode": "create",
                    "status": "enabled",
                    "authentication": authentication,
                })
            })
            .collect();
        client.call(rest, Method::POST, "/devices", Some(&items.into())).await?;
    }
    Ok(())
}

/// One of its owner.
fn token(data: &Path) -> Result<String, Trouble> {
    let said = Command::new(PROGRAM).args(["hub", "connection-string", "--data"]).arg(data).output()?;
    let text = String::from_utf8(said.stdout)?;
    let ConnectionString::Hub(hub) = text.trim().parse()? else {
        return Err("this is no connection string of a hub".into());
    };
    let Credential::Policy { name, key } = hub.credential() else {
        return Err("the connection string has no policy".into());
    };
    let signer = Signer::policy(name.clone(), key.clone(), KeyUse::Hub);
    Ok(signer.issue(&resource(hub.host().name(), Claim::Hub), TOKEN_ENDS.parse()?).reveal())
}

impl Hub {
    /// Where a protocol is spoken.
    pub(crate) fn door(&self, protocol: &str) -> Result<SocketAddr, Trouble> {
        let address = self.facts["addresses"][protocol].as_str();
        Ok(address.ok_or("the hub does not listen there")?.parse()?)
    }

    pub(crate) fn identity(&self, number: usize) -> Identity {
        let device = format!("d{number}").parse().expect("a letter and a number make an id");
        Identity { host: HOST.to_owned(), device, module: None, proof: self.proof.clone() }
    }

    /// Of all its devices, where they have one.
    pub(crate) fn key(&self) -> Option<&SharedKey> {
        match &self.proof {
            Proof::Key(key) => Some(key),
            _ => None,
        }
    }

    /// Makes what is told here, as its owner.
    pub(crate) async fn put(&self, path: &str, wanted: &Value) -> Result<(), Trouble> {
        self.call(Method::PUT, path, wanted).await
    }

    pub(crate) async fn post(&self, path: &str, wanted: &Value) -> Result<(), Trouble> {
        self.call(Method::POST, path, wanted).await
    }

    async fn call(&self, method: Method, path: &str, wanted: &Value) -> Result<(), Trouble> {
        let mut client = Client::connect(&self.rest).await?;
        client.call(&self.rest, method, path, Some(wanted)).await?;
        Ok(())
    }

    pub(crate) async fn syncs(&self) -> Result<u64, Trouble> {
        let mut client = Client::connect(&self.rest).await?;
        let text = client.call(&self.rest, Method::GET, "/skerry/v1/metrics", None).await?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("skerry_hub_log_syncs_total "));
        Ok(line.ok_or("the hub does not count its syncs")?.trim().parse()?)
    }
}
