//! What stands for an image: a program that is on this machine.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessImage {
    /// As manifests name it.
    pub reference: String,
    /// `sha256:…`; another program has another one.
    pub id: String,
    pub program: PathBuf,
    /// Before those of the manifest's `Cmd`.
    pub arguments: Vec<OsString>,
    /// Below what the manifest says.
    pub env: Vec<(String, String)>,
    pub check: Option<ProcessCheck>,
}

/// How it is found out whether a module is well: the same program, in the same environment, ends with 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessCheck {
    pub arguments: Vec<OsString>,
    /// Between two; one that takes longer counts as failed.
    pub every: Duration,
}
