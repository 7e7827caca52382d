//! A client of links without a socket: what the front door asks for it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value as Json;
use skerry_amqp::address::Node;
use skerry_amqp::codec::{CodecLimits, Symbol, Value};
use skerry_amqp::message::Sections;
use skerry_amqp::performative::{Attach, Fault, Outcome, Role, Source as Terminus};
use skerry_front::link::{Item, LinkEnd, LinkService as _, Opened, Requests, Source, Target, Wanted};

use crate::world::{HOST, World};

pub const SOON: Duration = Duration::from_secs(20);
const FILTER: &str = "apache.org:selector-filter:string";

pub fn attach(role: Role) -> Attach {
    Attach { name: "link-1".into(), role, ..Attach::default() }
}

pub fn from_filter(text: &str) -> Attach {
    let filter = Value::described(Value::symbol(FILTER), Value::string(text));
    let source =
        Terminus { filter: Value::Map(vec![(Value::symbol(FILTER), filter)]), ..Terminus::default() };
    Attach { source: Some(source), ..attach(Role::Receiver) }
}

pub fn with_epoch(epoch: i64) -> Attach {
    let properties = Value::Map(vec![(Value::symbol("com.microsoft:epoch"), Value::Long(epoch))]);
    Attach { properties, ..attach(Role::Receiver) }
}

pub fn with_metric() -> Attach {
    let desired = Symbol::known("com.microsoft:enable-receiver-runtime-metric");
    Attach { desired: vec![desired], ..attach(Role::Receiver) }
}

pub async fn open_with(
    world: &World,
    address: &str,
    attach: Attach,
    tokens: &[&str],
) -> Result<Opened, Fault> {
    let tokens = tokens.iter().map(|token| Arc::from(*token)).collect();
    let node = Node::parse(address).unwrap();
    let wanted = Wanted { node, attach: Arc::new(attach), host: HOST.into(), tokens };
    world.hub.links().open(wanted).await
}

/// With the token of a back end.
pub async fn open(world: &World, address: &str, attach: Attach) -> Result<LinkEnd, Fault> {
    let token = world.token("service");
    open_with(world, address, attach, &[&token]).await.map(|opened| opened.end)
}

/// A link that the client receives on.
pub struct Receiver(pub Box<dyn Source>);

impl Receiver {
    pub async fn open(world: &World, address: &str, attach: Attach) -> Result<Self, Fault> {
        match open(world, address, attach).await? {
            LinkEnd::Source(source) => Ok(Self(source)),
            _ => panic!("not a source"),
        }
    }

    pub async fn next(&mut self, credit: u32) -> Result<Vec<Item>, Fault> {
        let items = poll_fn(|context| self.0.poll_next(context, credit));
        let items = tokio::time::timeout(SOON, items).await.expect("something comes")?;
        assert!((1..=credit as usize).contains(&items.len()));
        Ok(items)
    }

    pub async fn one(&mut self) -> (u128, Sections) {
        let item = self.next(1).await.unwrap().remove(0);
        (item.key, sections(item.payload))
    }

    /// Nothing is there, and nothing that the scenario does without waiting makes it come.
    pub async fn is_quiet(&mut self) -> bool {
        for _ in 0..50 {
            tokio::task::yield_now().await;
            if self.poll(1).is_ready() {
                return false;
            }
        }
        true
    }

    pub fn poll(&mut self, credit: u32) -> Poll<Result<Vec<Item>, Fault>> {
        self.0.poll_next(&mut Context::from_waker(Waker::noop()), credit)
    }

    /// Ends by itself, without credit.
    pub async fn fault(&mut self) -> Fault {
        let ended = poll_fn(|context| self.0.poll_next(context, 0));
        tokio::time::timeout(SOON, ended).await.expect("it ends").unwrap_err()
    }

    pub async fn settle(&mut self, key: u128, outcome: Outcome) -> Outcome {
        self.0.settle(key, outcome).await
    }
}

pub async fn target(world: &World) -> Arc<dyn Target> {
    match open(world, "/messages/devicebound", attach(Role::Sender)).await.unwrap() {
        LinkEnd::Target(target) => target,
        _ => panic!("not a target"),
    }
}

pub async fn requests(world: &World, address: &str) -> Arc<dyn Requests> {
    match open(world, address, attach(Role::Sender)).await.unwrap() {
        LinkEnd::Requests(requests) => requests,
        _ => panic!("no requests"),
    }
}

pub fn sections(payload: Bytes) -> Sections {
    Sections::decode(payload, CodecLimits::default()).unwrap()
}

pub fn json(message: &Sections) -> Json {
    serde_json::from_slice(&message.body_bytes().unwrap()).unwrap()
}

pub fn condition(fault: &Fault) -> &str {
    fault.condition.as_str()
}

/// The number in the description of a fault of the hub.
pub fn code(fault: &Fault) -> u64 {
    let text = fault.description.as_deref().unwrap();
    let told: Json = serde_json::from_str(text).unwrap();
    assert_eq!(fault.info.get("com.microsoft:tracking-id").unwrap().as_text(), told["trackingId"].as_str());
    assert!(told["message"].is_string() && told["timestampUtc"].is_string());
    told["errorCode"].as_u64().unwrap()
}

pub fn rejected(outcome: Outcome) -> Fault {
    match outcome {
        Outcome::Rejected(Some(fault)) => fault,
        other => panic!("{other:?}"),
    }
}
