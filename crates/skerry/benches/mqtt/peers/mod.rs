//! The servers of the bench, each as its people would run it, on a port of the loopback.

mod ceiling;
mod mosquitto;
mod nats;
mod rabbitmq;
mod reader;
mod rumqttd;
mod skerry;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) use self::skerry::Skerry;
use crate::meter::Trouble;
use crate::options::{Name, Options};
use crate::papers::Papers;
use crate::server::Server;
use crate::tree::Tree;

/// How a server is to be started.
pub(crate) struct Start<'a> {
    pub(crate) options: &'a Options,
    pub(crate) papers: &'a Papers,
    /// For its data; it goes away after the turn.
    pub(crate) folder: &'a Path,
    /// Devices that must be let in.
    pub(crate) devices: usize,
    /// Whether clients must show a certificate.
    pub(crate) mutual: bool,
}

impl Start<'_> {
    pub(crate) async fn start(&self, name: Name) -> Result<Server, Trouble> {
        let server = match name {
            Name::Skerry => skerry::start(self).await?,
            Name::Ceiling => ceiling::start(self).await?,
            Name::Mosquitto => mosquitto::start(self, false)?,
            Name::MosquittoPersistent => mosquitto::start(self, true)?,
            Name::Nats => nats::start(self, false)?,
            Name::NatsAlways => nats::start(self, true)?,
            Name::Rabbitmq => rabbitmq::start(self)?,
            Name::Rumqttd => rumqttd::start(self)?,
        };
        let server = server.ready(self.mutual).await?;
        if keeps_for_a_reader(name) && !self.mutual {
            reader::subscribe_and_go(&server).await?;
        }
        Ok(server)
    }

    /// Starts a program with its words in a file of the folder.
    fn launch(&self, command: &mut Command) -> Result<Tree, Trouble> {
        let log = fs::File::create(self.folder.join("log"))?;
        command.current_dir(self.folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().map_err(|error| {
            format!("{} does not start: {error}; leave it out with --only", command.get_program().display())
        })?;
        Ok(Tree::new(child))
    }

    fn server(&self, port: u16, tree: Tree) -> Server {
        Server {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            tree,
            papers: self.papers.clone(),
            skerry: None,
            _beside: None,
        }
    }
}

/// These keep messages for somebody only.
fn keeps_for_a_reader(name: Name) -> bool {
    matches!(name, Name::MosquittoPersistent | Name::Nats | Name::NatsAlways | Name::Rabbitmq)
}

/// Whether the server did what its row says, where that can be seen from outside.
pub(crate) async fn check_kept(server: &Server, name: Name) -> Result<(), Trouble> {
    if keeps_for_a_reader(name) { reader::check(server).await } else { Ok(()) }
}

/// A port that is free now; the server takes it a moment later.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
