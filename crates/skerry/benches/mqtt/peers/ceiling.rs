//! The counting server: this very program once more.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::Start;
use crate::counting::ADDRESS_FILE;
use crate::meter::{Trouble, now};
use crate::server::Server;

const START_MAX: Duration = Duration::from_secs(10);

pub(super) async fn start(start: &Start<'_>) -> Result<Server, Trouble> {
    let told = start.papers.folder().join(ADDRESS_FILE);
    drop(fs::remove_file(&told));
    let mut command = Command::new(std::env::current_exe()?);
    let tree = start.launch(command.arg("--count-only").arg(start.papers.folder()))?;
    let began = now();
    while now() - began < START_MAX {
        if let Some(port) = fs::read_to_string(&told).ok().and_then(|text| text.trim().parse().ok()) {
            return Ok(start.server(port, tree));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err("the counting server does not start".into())
}
