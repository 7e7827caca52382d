//! What the checks look at besides files whose paths they are given. `here.rs` is this machine; tests have one
//! that falls ill as told.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Method;
use rustls::ClientConfig;
use serde_json::Value;
use skerry_edge_daemon::cloud::Proxy;
use skerry_model::Timestamp;
use skerry_runtime::{Answer, EngineError, Runtime};

use crate::failure::Failure;

pub trait World: Send + Sync {
    fn now(&self) -> Timestamp;

    fn host_name(&self) -> Option<String>;

    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;

    /// The disk on which a folder is.
    fn disk(&self, folder: &Path) -> io::Result<Disk>;

    /// What a program prints; an error where it does not run, or fails.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String>;

    fn engine(&self, socket: &Path) -> Arc<dyn Runtime>;

    /// Where a network of the engine's meets this machine.
    fn gateway<'a>(&'a self, socket: &'a Path, network: &'a str) -> Answer<'a, Option<IpAddr>, EngineError>;

    /// One request on a local API.
    fn ask<'a>(&'a self, call: LocalCall) -> Answer<'a, Value, Failure>;

    /// Connects, and shakes hands by TLS.
    fn connect<'a>(&'a self, target: &'a Target) -> Answer<'a, (), String>;

    /// What another clock says, in seconds since 1970.
    fn time<'a>(&'a self, clock: &'a OtherClock) -> Answer<'a, i64, String>;

    /// Runs `iotedge diagnostics …` in a container of its own, and gives what it prints.
    fn inside<'a>(&'a self, inside: &'a Inside) -> Answer<'a, String, String>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    pub free_bytes: u64,
    pub bytes: u64,
    /// What is written there is gone when the machine, or the container around us, starts anew.
    pub is_passing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalApi {
    Management,
    Workload,
    Keyd,
    Certd,
    Identityd,
}

#[derive(Clone, Debug)]
pub struct LocalCall {
    pub api: LocalApi,
    pub method: Method,
    pub path: String,
    pub body: Option<Value>,
}

impl LocalCall {
    pub fn get(api: LocalApi, path: impl Into<String>) -> Self {
        Self { api, method: Method::GET, path: path.into(), body: None }
    }

    pub fn post(api: LocalApi, path: impl Into<String>, body: Value) -> Self {
        Self { api, method: Method::POST, path: path.into(), body: Some(body) }
    }
}

#[derive(Clone, Debug)]
pub struct Target {
    pub host: String,
    /// Instead of what the name resolves to.
    pub address: Option<IpAddr>,
    pub port: u16,
    pub proxy: Option<Proxy>,
    pub tls: Arc<ClientConfig>,
}

#[derive(Clone, Debug)]
pub enum OtherClock {
    /// HOST:PORT.
    Ntp(String),
    /// The head of any answer has a date.
    Https(Target),
}

/// A run in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// The container engine's socket.
    pub engine: PathBuf,
    /// The image to run in; `None`: an empty one, with this machine's libraries.
    pub image: Option<String>,
    /// The engine's default network without it.
    pub network: Option<String>,
    /// NAME:ADDRESS.
    pub extra_hosts: Vec<String>,
    /// Files that are there under the same path, to be read.
    pub files: Vec<PathBuf>,
    /// What stands behind `iotedge diagnostics`.
    pub arguments: Vec<String>,
}
