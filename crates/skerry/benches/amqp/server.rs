//! One server in its turn, and the clients that it lets in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skerry_amqp::address::Node;
use skerry_amqp::message::{Header, Writer};
use skerry_amqp::performative::SenderSettles;
use skerry_uplink::Place;
use skerry_uplink::amqp::{Client, Credentials, Event, LinkId, Offer, Opening, Options};
use tokio::task::JoinSet;

use crate::ground::hub::Hub;
use crate::meter::{Trouble, now};
use crate::papers::{HOST, Papers};
use crate::tree::Tree;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
const START_MAX: Duration = Duration::from_secs(60);
/// Connections that are being opened at a time.
const HANDSHAKES: usize = 32;
/// Messages of RabbitMQ lie in as many queues as those of a hub in partitions.
const QUEUES: usize = 4;
const PAYLOAD_BYTES: usize = 256;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) tree: Tree,
    pub(crate) papers: Papers,
    pub(crate) kind: Kind,
    /// Processes that the server needs and that are not its work; they end after it.
    pub(crate) _beside: Option<Tree>,
}

pub(crate) enum Kind {
    Hub(Box<Hub>),
    Queues,
    Independent,
}

impl Server {
    fn place(&self) -> Result<Place, Trouble> {
        let tls = Some(self.papers.tls(false)?);
        Ok(Place {
            address: self.address,
            tls,
            websocket: None,
            relay: None,
            connect_timeout: CONNECT_TIMEOUT,
        })
    }

    fn opening(&self) -> Opening {
        let options = Options { hostname: Some(HOST.into()), ..Options::new("bench".into()) };
        let credentials = match &self.kind {
            Kind::Hub(_) => Some(Credentials::anonymous()),
            Kind::Queues => Some(Credentials::plain("guest", "guest")),
            Kind::Independent => None,
        };
        Opening { options, credentials }
    }

    /// Waits until it lets somebody in.
    pub(crate) async fn ready(mut self) -> Result<Self, Trouble> {
        let (place, began) = (self.place()?, now());
        loop {
            let place = Place { connect_timeout: Duration::from_secs(2), ..place.clone() };
            match Client::<()>::connect(&place, self.opening()).await {
                Ok(client) => {
                    client.close().await;
                    return Ok(self);
                }
                Err(error) if self.tree.has_ended() || now() - began > START_MAX => {
                    return Err(
                        format!("the server does not start ({error}); its own words are above").into()
                    );
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    pub(crate) async fn connect<T>(&self) -> Result<Client<T>, Trouble> {
        Ok(Client::connect(&self.place()?, self.opening()).await?)
    }

    /// So many connections, with numbers from `first` on; those of a hub have shown their tokens.
    pub(crate) async fn clients<T: Send + 'static>(
        &self,
        first: usize,
        count: usize,
    ) -> Result<Vec<(usize, Client<T>)>, Trouble> {
        let (place, doors) = (self.place()?, Arc::new(tokio::sync::Semaphore::new(HANDSHAKES)));
        let mut connecting = JoinSet::new();
        for number in first..first + count {
            let (place, doors, opening) = (place.clone(), doors.clone(), self.opening());
            let token = match &self.kind {
                Kind::Hub(hub) => hub.identity(number).token(hub.ends),
                Kind::Queues | Kind::Independent => None,
            };
            connecting.spawn(async move {
                let _door = doors.acquire().await?;
                let mut client = Client::connect(&place, opening).await?;
                if let Some(token) = token {
                    client.authorize(&token.audience, &token.text).await?;
                }
                Ok::<_, Trouble>((number, client))
            });
        }
        let mut clients = Vec::with_capacity(count);
        while let Some(connected) = connecting.join_next().await {
            clients.push(connected??);
        }
        Ok(clients)
    }

    /// A link on which a client sends messages to be kept.
    pub(crate) fn sender(&self, number: usize) -> Offer {
        match &self.kind {
            Kind::Hub(hub) => Offer::sender("s", &Node::Events(hub.identity(number).id()).to_string()),
            Kind::Queues => {
                let mut offer = Offer::sender("s", &queue(number));
                offer.target.durable = Some(2);
                offer
            }
            Kind::Independent => Offer::sender("s", "messages"),
        }
    }

    /// A link on which a device is sent what there is for it.
    pub(crate) fn device_receiver(&self, number: usize) -> Offer {
        match &self.kind {
            Kind::Hub(hub) => {
                Offer::receiver("r", &Node::Devicebound(hub.identity(number).id()).to_string(), 10)
            }
            Kind::Queues => self.queue_receiver(number, 10),
            // With credit it makes messages up.
            Kind::Independent => Offer::receiver("r", "commands", 0),
        }
    }

    /// A link on which one consumer gets what was kept, settled, from the beginning on.
    pub(crate) fn consumer(&self, credit: u32) -> Offer {
        let offer = match &self.kind {
            Kind::Hub(_) => {
                let (entity, group) = (HOST.to_owned(), "$Default".to_owned());
                let node = Node::Partition { entity, group, partition: "0".to_owned() };
                Offer::receiver("c", &node.to_string(), credit)
            }
            Kind::Queues => self.queue_receiver(0, credit),
            Kind::Independent => Offer::receiver("c", "events", credit),
        };
        Offer { sender_settles: SenderSettles::Settled, ..offer }
    }

    fn queue_receiver(&self, number: usize, credit: u32) -> Offer {
        let mut offer = Offer::receiver("r", &queue(number), credit);
        offer.source.durable = Some(2);
        offer
    }

    /// A connection of somebody who may read.
    pub(crate) async fn reader(&self) -> Result<Client<()>, Trouble> {
        let mut client = self.connect().await?;
        if let Kind::Hub(hub) = &self.kind {
            client.authorize(HOST, &hub.token).await?;
        }
        Ok(client)
    }

    /// Times that it waited for the disk, where it tells.
    pub(crate) async fn syncs(&self) -> Result<Option<u64>, Trouble> {
        match &self.kind {
            Kind::Hub(hub) => hub.syncs().await.map(Some),
            Kind::Queues | Kind::Independent => Ok(None),
        }
    }

    pub(crate) fn makes_up_events(&self) -> bool {
        matches!(self.kind, Kind::Independent)
    }

    pub(crate) fn keeps_what_is_read(&self) -> bool {
        matches!(self.kind, Kind::Hub(_))
    }

    /// Whether several messages may come in one transfer.
    pub(crate) fn takes_batches(&self) -> bool {
        matches!(self.kind, Kind::Hub(_))
    }
}

fn queue(number: usize) -> String {
    format!("/queue/q{}", number % QUEUES)
}

/// A message that wants to be kept.
pub(crate) fn message() -> Bytes {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.header(&Header { is_durable: true, ..Header::default() });
    writer.data(&[b'x'; PAYLOAD_BYTES]);
    out.into()
}

/// Waits until a link may be sent on.
pub(crate) async fn until_ready<T>(client: &mut Client<T>, link: LinkId) -> Result<(), Trouble> {
    while !client.is_ready(link) {
        if let Event::Detached { fault, .. } = client.event().await? {
            return Err(format!("the server ends the link: {fault:?}").into());
        }
    }
    Ok(())
}
