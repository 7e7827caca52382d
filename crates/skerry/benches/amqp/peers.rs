//! The servers of the bench.

use std::net::Ipv4Addr;

use crate::ground::hub::{self, Wanted};
use crate::ground::rabbitmq::{self, Rabbitmq};
use crate::ground::{Ground, free_port};
use crate::independent::ADDRESS_FILE;
use crate::meter::Trouble;
use crate::options::{Name, Options};
use crate::server::{Kind, Server};
use crate::tree::Tree;

/// How a server is to be started.
pub(crate) struct Start<'a> {
    pub(crate) options: &'a Options,
    pub(crate) ground: Ground<'a>,
    /// Devices that must be let in.
    pub(crate) devices: usize,
    /// Of a hub's messages.
    pub(crate) partitions: u32,
}

impl Start<'_> {
    pub(crate) async fn start(self, name: Name) -> Result<Server, Trouble> {
        let server = match name {
            Name::Skerry => self.hub("synced").await?,
            Name::SkerryMemory => self.hub("memory").await?,
            Name::Independent => {
                let (port, tree) = self.ground.launch_again("--independent", ADDRESS_FILE).await?;
                self.server(port, tree, Kind::Independent)
            }
            Name::Rabbitmq => self.rabbitmq()?,
        };
        server.ready().await
    }

    async fn hub(&self, durability: &str) -> Result<Server, Trouble> {
        let settings =
            format!("telemetry.partitions = {}\ndurability.telemetry = \"{durability}\"\n", self.partitions);
        let wanted = Wanted { devices: self.devices, mutual: false, settings: &settings };
        let (hub, tree) = hub::start(&self.ground, &wanted).await?;
        let port = hub.door("amqp")?.port();
        Ok(self.server(port, tree, Kind::Hub(Box::new(hub))))
    }

    fn rabbitmq(&self) -> Result<Server, Trouble> {
        let port = free_port()?;
        let doors = format!("amqp1_0.default_user = guest\nlisteners.ssl.default = 127.0.0.1:{port}\n");
        let Rabbitmq { tree, beside } =
            rabbitmq::start(&self.ground, &self.options.rabbitmq, "rabbitmq_amqp1_0", &doors)?;
        Ok(Server { _beside: Some(beside), ..self.server(port, tree, Kind::Queues) })
    }

    fn server(&self, port: u16, tree: Tree, kind: Kind) -> Server {
        let papers = self.ground.papers.clone();
        Server { address: (Ipv4Addr::LOCALHOST, port).into(), tree, papers, kind, _beside: None }
    }
}
