//! Servers that more than one bench starts, each as its people would run it. Each bench includes this
//! by path, for no bench is a library.
#![allow(dead_code, reason = "each bench takes what it needs")]

pub(crate) mod hub;
pub(crate) mod rabbitmq;
pub(crate) mod rumqttd;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::meter::{Trouble, now};
use crate::papers::Papers;
use crate::tree::Tree;

const START_MAX: Duration = Duration::from_secs(10);

/// Where a server runs.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) papers: &'a Papers,
    /// For its data; it goes away after the turn.
    pub(crate) folder: &'a Path,
}

impl Ground<'_> {
    /// Starts a program with its words in a file of the folder.
    pub(crate) fn launch(&self, command: &mut Command) -> Result<Tree, Trouble> {
        let log = fs::File::create(self.folder.join("log"))?;
        command.current_dir(self.folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().map_err(|error| {
            format!("{} does not start: {error}; leave it out with --only", command.get_program().display())
        })?;
        Ok(Tree::new(child))
    }

    /// This very program once more, as a server that writes its port into a file beside the papers.
    pub(crate) async fn launch_again(
        &self,
        option: &str,
        address_file: &str,
    ) -> Result<(u16, Tree), Trouble> {
        let told = self.papers.folder().join(address_file);
        drop(fs::remove_file(&told));
        let mut command = Command::new(std::env::current_exe()?);
        let tree = self.launch(command.arg(option).arg(self.papers.folder()))?;
        let began = now();
        while now() - began < START_MAX {
            if let Some(port) = fs::read_to_string(&told).ok().and_then(|text| text.trim().parse().ok()) {
                return Ok((port, tree));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err("the other process does not start".into())
    }
}

/// Tells the port to whoever waits in [`Ground::launch_again`].
pub(crate) fn tell_port(folder: &Path, address_file: &str, port: u16) -> io::Result<()> {
    let begun = folder.join("begun.port");
    fs::write(&begun, port.to_string())?;
    fs::rename(begun, folder.join(address_file))
}

/// A port that is free now; the server takes it a moment later.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
