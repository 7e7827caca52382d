//! Everything that a report is made of, at one moment.

use std::collections::BTreeMap;

use skerry_model::Timestamp;
use skerry_runtime::Container;

use crate::manifest::{Manifest, Module};
use crate::plan::{ModuleStatus, Record};

#[derive(Clone, Debug)]
pub struct Picture<'a> {
    pub version: &'a str,
    pub platform: &'a Platform,
    /// The last version that came to an end, and which.
    pub last: Option<&'a LastDesired>,
    /// What the modules are kept at.
    pub manifest: Option<&'a Manifest>,
    pub rows: BTreeMap<&'a str, Row<'a>>,
    /// When this process began; it is the agent, and the hub where that is no container.
    pub started: Timestamp,
    pub is_hub_inside: bool,
    pub update: Option<&'a Update>,
    /// What is wrong with this machine's clock.
    pub clock: Option<&'a str>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub version: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastDesired {
    pub version: u64,
    pub code: u16,
    pub description: String,
}

impl LastDesired {
    /// What an agent says of its manifest when it goes; read later, it tells of a run that is over.
    pub const GONE: (u16, &str) = (406, "Agent is not running");
}

/// One module that is a container.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    pub module: &'a Module,
    pub container: Option<&'a Container>,
    pub status: ModuleStatus,
    pub record: Option<&'a Record>,
    /// What went wrong with it last, and still matters.
    pub trouble: Option<&'a str>,
}

/// An update that is on its way, or was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub version: u64,
    /// `pulling`, `changing`, `watching`, `waiting`, `returned`.
    pub phase: &'static str,
    pub text: String,
}
