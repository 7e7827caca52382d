//! The hop over AMQP: the edge, RabbitMQ with its AMQP 1.0 plugin, and the independent implementation as a server
//! that hands on.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use skerry_uplink::Place;
use skerry_uplink::amqp::Credentials;

use crate::edge::Edge;
use crate::ground::rabbitmq::{self, Rabbitmq};
use crate::ground::{Ground, free_port};
use crate::handing::ADDRESS_FILE;
use crate::hop::{self, Hop};
use crate::links::Doors;
use crate::meter::{Trouble, now};
use crate::options::{Name, Options};
use crate::report::Report;
use crate::tree::Tree;

const WHAT: &str = "hop, AMQP";
const START_MAX: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const QUEUE: &str = "/queue/hop";

/// The servers beside the edge.
struct Peer {
    doors: Doors,
    tree: Tree,
    /// It needs this, which ends after it.
    _beside: Option<Tree>,
}

pub(crate) async fn edge(
    edge: &Edge,
    folder: &Path,
    options: &Options,
    report: &mut Report,
) -> Result<(), Trouble> {
    let doors = edge.doors()?;
    let (name, windows) = (Name::Skerry, [options.window, 1]);
    let hop = Hop { name, what: WHAT, windows, tree: edge.processes(), above: None, options, folder };
    hop::run(&hop, async |window| doors.links(window, options.payload as usize).await, report, None).await
}

pub(crate) async fn peer(
    name: Name,
    ground: &Ground<'_>,
    options: &Options,
    report: &mut Report,
) -> Result<(), Trouble> {
    let mut peer = match name {
        Name::Rabbitmq => Peer::rabbitmq(ground, options)?,
        _ => Peer::handing(ground).await?,
    };
    peer.ready().await?;
    let (windows, folder) = ([options.window, 1], ground.folder);
    let hop = Hop { name, what: WHAT, windows, tree: &peer.tree, above: None, options, folder };
    let doors = &peer.doors;
    hop::run(&hop, async |window| doors.links(window, options.payload as usize).await, report, None).await
}

impl Peer {
    fn rabbitmq(ground: &Ground<'_>, options: &Options) -> Result<Self, Trouble> {
        let port = free_port()?;
        let doors = format!("amqp1_0.default_user = guest\nlisteners.ssl.default = 127.0.0.1:{port}\n");
        let Rabbitmq { tree, beside } =
            rabbitmq::start(ground, &options.rabbitmq, "rabbitmq_amqp1_0", &doors)?;
        let credentials = Some(Credentials::plain("guest", "guest"));
        let doors = doors_of(ground, port, credentials, [QUEUE, QUEUE], true)?;
        Ok(Self { doors, tree, _beside: Some(beside) })
    }

    async fn handing(ground: &Ground<'_>) -> Result<Self, Trouble> {
        let (port, tree) = ground.launch_again("--handing", ADDRESS_FILE).await?;
        let doors = doors_of(ground, port, None, ["messages", "messages"], false)?;
        Ok(Self { doors, tree, _beside: None })
    }

    /// Waits until it lets somebody in.
    async fn ready(&mut self) -> Result<(), Trouble> {
        let began = now();
        loop {
            match self.doors.links(1, 8).await {
                Ok(links) => {
                    hop::Ends::close(links).await;
                    return Ok(());
                }
                Err(error) if self.tree.has_ended() || now() - began > START_MAX => {
                    return Err(format!("the server does not start: {error}").into());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

fn doors_of(
    ground: &Ground<'_>,
    port: u16,
    credentials: Option<Credentials>,
    [target, source]: [&str; 2],
    is_durable: bool,
) -> Result<Doors, Trouble> {
    let place = Place {
        address: (Ipv4Addr::LOCALHOST, port).into(),
        tls: Some(ground.papers.tls(false)?),
        websocket: None,
        relay: None,
        connect_timeout: CONNECT_TIMEOUT,
    };
    let (target, source) = (target.to_owned(), source.to_owned());
    Ok(Doors { place, credentials, tokens: None, target, source, is_durable, properties: Vec::new() })
}
