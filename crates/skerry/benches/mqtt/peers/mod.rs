//! The servers of the bench, each as its people would run it, on a port of the loopback.

mod ceiling;
mod mosquitto;
mod nats;
mod rabbitmq;
mod reader;
mod rumqttd;
mod skerry;

use std::net::Ipv4Addr;

use crate::ground::Ground;
use crate::meter::Trouble;
use crate::options::{Name, Options};
use crate::server::Server;
use crate::tree::Tree;

/// How a server is to be started.
pub(crate) struct Start<'a> {
    pub(crate) options: &'a Options,
    pub(crate) ground: Ground<'a>,
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

    fn server(&self, port: u16, tree: Tree) -> Server {
        Server {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            tree,
            papers: self.ground.papers.clone(),
            hub: None,
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
