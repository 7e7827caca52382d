//! The hub at its AMQP door: devices that share a connection, readers that come back, and faults.

mod faults;
mod memory;
mod resume;
mod sharing;
mod websocket;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use skerry_amqp::address::Node;
use skerry_amqp::codec::{CodecLimits, Value};
use skerry_amqp::message::{Sections, Writer};
use skerry_amqp::selector::{Begin, filter};
use skerry_model::Timestamp;
use skerry_uplink::amqp::{Client, Credentials, Delivery, Event, LinkId, Offer, Opening, Options, Outcome};
use skerry_uplink::{Error, Identity, Place, TlsOptions};
use tempfile::TempDir;

use crate::process::{HOST, Hub};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Of the first label of the hub's name.
const ENTITY: &str = "hub1";

/// A folder for a hub's data, beside its settings.
struct Settled {
    folder: TempDir,
}

impl Settled {
    fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("hub.toml"), settings).unwrap();
        Self { folder }
    }

    fn start(&self, options: &[&str]) -> Hub {
        let path = |name: &str| self.folder.path().join(name);
        let settings = path("hub.toml");
        let own = ["--config", settings.to_str().unwrap()];
        Hub::start_in(&path("data"), &[&own, options].concat())
    }
}

fn place(hub: &Hub) -> Place {
    let root = std::fs::read(hub.root_certificate()).unwrap();
    let tls = TlsOptions { roots: &root, certificate: None, resumption: false }.build().unwrap();
    let name = HOST.to_owned().try_into().unwrap();
    Place {
        address: hub.amqp_address,
        tls: Some((name, tls)),
        websocket: None,
        relay: None,
        connect_timeout: PATIENCE,
    }
}

fn opening() -> Opening {
    let options = Options { hostname: Some(HOST.into()), ..Options::new("test".into()) };
    Opening { options, credentials: Some(Credentials::anonymous()) }
}

async fn connect<T>(hub: &Hub) -> Client<T> {
    Client::connect(&place(hub), opening()).await.unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_unix(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap())
}

/// Lets an identity in on the connection, for so long.
async fn authorize<T>(client: &mut Client<T>, identity: &Identity, life: Duration) {
    let token = identity.token(now().plus(life)).unwrap();
    client.authorize(&token.audience, &token.text).await.unwrap();
}

async fn next<T>(client: &mut Client<T>) -> Result<Event<T>, Error> {
    tokio::time::timeout(PATIENCE, client.event()).await.expect("nothing happens")
}

/// A link on which the identity sends, once it may.
async fn sender<T: std::fmt::Debug>(client: &mut Client<T>, identity: &Identity) -> LinkId {
    let link = client.attach(Offer::sender("events", &Node::Events(identity.id()).to_string())).unwrap();
    while !client.is_ready(link) {
        match next(client).await.unwrap() {
            Event::Attached { .. } | Event::Ready { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    link
}

/// A message with a body and properties.
fn message(body: &str, properties: &[(&str, &str)]) -> Bytes {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    if !properties.is_empty() {
        let mut map = writer.application();
        for (name, value) in properties {
            map.string_text(name, value);
        }
    }
    writer.data(body.as_bytes());
    out.into()
}

/// An event as its readers get it.
#[derive(Clone, Debug, PartialEq)]
struct Read {
    sequence: u64,
    offset: String,
    enqueued: Timestamp,
    body: String,
}

impl Read {
    fn new(delivery: &Delivery) -> Self {
        let event = Sections::decode(delivery.payload.clone(), CodecLimits::default()).unwrap();
        let number = |name| event.annotation(name).and_then(Value::as_integer).unwrap();
        Self {
            sequence: u64::try_from(number("x-opt-sequence-number")).unwrap(),
            offset: event.annotation("x-opt-offset").and_then(Value::as_text).unwrap().to_owned(),
            enqueued: skerry_amqp::message::time(number("x-opt-enqueued-time")),
            body: String::from_utf8(event.body_bytes().unwrap().to_vec()).unwrap(),
        }
    }
}

/// A client that may read events.
async fn reader(hub: &Hub) -> Client<()> {
    let mut client = connect(hub).await;
    client.authorize(HOST, &hub.token("service", 3600)).await.unwrap();
    client
}

/// A link of events of a partition.
fn events(client: &mut Client<()>, group: &str, partition: u32, begin: &Value, window: u32) -> LinkId {
    let (entity, group) = (ENTITY.to_owned(), group.to_owned());
    let node = Node::Partition { entity, group, partition: partition.to_string() };
    let mut offer = Offer::receiver("reader", &node.to_string(), window);
    offer.source.filter = begin.clone();
    client.attach(offer).unwrap()
}

/// Events from a place on, up to one that is the last.
async fn read_until(hub: &Hub, begin: Begin, is_last: impl Fn(&Read) -> bool) -> Vec<Read> {
    let mut client = reader(hub).await;
    let link = events(&mut client, "$Default", 0, &filter(begin), 300);
    let mut found = Vec::new();
    loop {
        match next(&mut client).await.unwrap() {
            Event::Attached { .. } => {}
            Event::Delivery { delivery, .. } => {
                client.settle(link, &delivery, Outcome::Accepted);
                found.push(Read::new(&delivery));
                if found.last().is_some_and(&is_last) {
                    client.close().await;
                    return found;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}
