//! The engine that runs modules as processes: its table has the one image that this program carries along.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use skerry_runtime::{
    CreateRules, ProcessImage, ProcessOptions, ProcessRuntime, PullProgress, PullRequest, Runtime as _,
};

use super::program::own_path;
use crate::failure::Failure;
use crate::quickstart::manifest::IMAGE;
use crate::quickstart::{SENSOR_COMMAND, hex};
use crate::world::MachineClock;

pub(super) async fn open(root: &Path) -> Result<ProcessRuntime, Failure> {
    let sensor = ProcessImage {
        reference: IMAGE.to_owned(),
        // The program has no other name that changes with it.
        id: format!(
            "sha256:{}",
            hex(digest(&SHA256, concat!("skerry ", env!("CARGO_PKG_VERSION")).as_bytes()).as_ref())
        ),
        program: own_path()?,
        arguments: [SENSOR_COMMAND, "--parent", &std::process::id().to_string()].map(Into::into).to_vec(),
        env: Vec::new(),
        check: None,
    };
    let runtime = ProcessRuntime::new(ProcessOptions {
        images: vec![sensor],
        logs: root.join("modules"),
        rules: CreateRules::default(),
        clock: Arc::new(MachineClock),
    });
    // The manifest says that nobody is to be asked for it, since for an engine that would be a registry.
    let there = PullRequest { image: IMAGE.to_owned(), credentials: None };
    runtime.pull(&there, &|_: PullProgress| {}).await.map_err(Failure::failed)?;
    Ok(runtime)
}
