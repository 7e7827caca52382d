//! Over AMQP: a pair of links for the twin, and one for methods.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};
use skerry_amqp::address::Node;
use skerry_amqp::codec::{CodecLimits, Symbol, Value};
use skerry_amqp::message::{Properties, Sections, Writer, uuid};
use skerry_amqp::performative::SenderSettles;
use skerry_uplink::amqp::{
    Client, Credentials, Delivery, Event, LinkId, Offer, Opening, Options, Outcome, Outgoing,
};
use skerry_uplink::{Error, Token};

use super::CallId;
use super::talk::{Heard, Trouble};
use super::way::Way;

/// What of each kind may be on its way to us.
const WINDOW: u32 = 50;
const API_VERSION: &str = "2021-04-12";
const CLIENT: &str = concat!("skerry/", env!("CARGO_PKG_VERSION"));
const REPORTED: &str = "/properties/reported";
const NOTIFICATIONS: &str = "/notifications/twin/properties/desired";
const METHOD_NAME: &str = "IoThub-methodname";
const METHOD_STATUS: &str = "IoThub-status";
/// Names the first request on each connection; those of the line are numbers.
const SUBSCRIBE: &str = "subscribe";

pub(super) struct AmqpTalk {
    client: Client<()>,
    twin: Pair,
    methods: Pair,
    /// Where messages of our own are sent; made with the first one.
    events: Option<LinkId>,
    /// What waits for the link's credit.
    unsent: Option<Vec<u8>>,
    address_of_events: String,
}

/// Requests go one way, answers the other.
#[derive(Clone, Copy)]
struct Pair {
    to: LinkId,
    from: LinkId,
}

impl AmqpTalk {
    pub(super) async fn open(way: &Way) -> Result<Self, Trouble> {
        let id = way.identity.id();
        let options = Options {
            hostname: Some(way.identity.host.as_str().into()),
            ..Options::new(id.to_string().as_str().into())
        };
        let opening = Opening { options, credentials: Some(Credentials::anonymous()) };
        let mut client = Client::connect(&way.place, opening).await?;
        let Token { audience, text } = &way.ticket.token;
        client.authorize(audience, text).await?;
        let twin = pair(&mut client, "twin", &Node::Twin(id.clone()).to_string());
        let methods = pair(&mut client, "methods", &Node::Methods(id.clone()).to_string());
        let (Some(twin), Some(methods)) = (twin, methods) else {
            return Err(Trouble::new("the hub allows too few links"));
        };
        let address_of_events = Node::Events(id).to_string();
        let mut talk = Self { client, twin, methods, events: None, unsent: None, address_of_events };
        talk.subscribe().await?;
        Ok(talk)
    }

    /// Until all links stand, and the hub has said that it will tell of changes.
    async fn subscribe(&mut self) -> Result<(), Trouble> {
        let mut missing: BTreeSet<LinkId> =
            [self.twin.to, self.twin.from, self.methods.to, self.methods.from].into();
        let mut is_asked = false;
        loop {
            match self.client.event().await? {
                Event::Attached { link, .. } => drop(missing.remove(&link)),
                Event::Detached { fault, .. } => return Err(detached(fault)),
                Event::Delivery { link, delivery } if link == self.twin.from => {
                    if let Some(Heard::Answer { request, status, .. }) = self.twin_message(&delivery)
                        && request == SUBSCRIBE
                    {
                        if status >= 300 {
                            return Err(Trouble::new(format!(
                                "the hub refused to tell of changes ({status})"
                            )));
                        }
                        return Ok(());
                    }
                }
                // Whoever calls before we are up is not answered; the caller learns that in time.
                Event::Delivery { link, delivery } => self.client.settle(link, &delivery, Outcome::Released),
                _ => {}
            }
            if missing.is_empty() && !is_asked && self.client.is_ready(self.twin.to) {
                is_asked = true;
                self.request(SUBSCRIBE, "PUT", NOTIFICATIONS, b"");
            }
        }
    }

    pub(super) async fn hear(&mut self) -> Result<Heard, Trouble> {
        loop {
            let heard = match self.client.event().await? {
                Event::Delivery { link, delivery } if link == self.twin.from => self.twin_message(&delivery),
                Event::Delivery { link, delivery } if link == self.methods.from => self.call(&delivery),
                // With it goes what was asked on it.
                Event::Detached { fault, .. } => return Err(detached(fault)),
                Event::Ready { link } if self.events == Some(link) => {
                    self.send_unsent();
                    None
                }
                Event::Sent { outcome, .. } => {
                    Some(Heard::Sent { is_kept: matches!(outcome, Outcome::Accepted) })
                }
                Event::Shown { outcome, .. } => {
                    outcome.map_err(Error::from)?;
                    None
                }
                _ => None,
            };
            if let Some(heard) = heard {
                return Ok(heard);
            }
        }
    }

    /// Answers name their request; changes do not.
    fn twin_message(&mut self, delivery: &Delivery) -> Option<Heard> {
        self.client.settle(self.twin.from, delivery, Outcome::Accepted);
        let message = Sections::decode(delivery.payload.clone(), CodecLimits::default()).ok()?;
        let payload = message.body_bytes().ok()?;
        let Some(request) = message.properties.correlation_id.as_text() else {
            let patch: Map<String, Json> = serde_json::from_slice(&payload).ok()?;
            let version = patch.get("$version").and_then(Json::as_u64)?;
            return Some(Heard::Patch { version, patch });
        };
        let status = message.annotation("status").and_then(Value::as_integer).unwrap_or_default();
        let status = u16::try_from(status).unwrap_or_default();
        Some(Heard::Answer { request: request.to_owned(), status, payload })
    }

    fn call(&mut self, delivery: &Delivery) -> Option<Heard> {
        self.client.settle(self.methods.from, delivery, Outcome::Accepted);
        let message = Sections::decode(delivery.payload.clone(), CodecLimits::default()).ok()?;
        let Value::Uuid(id) = &message.properties.correlation_id else { return None };
        let name = message.property(METHOD_NAME)?.as_text()?.to_owned();
        Some(Heard::Call { id: CallId(uuid(id)), name, payload: message.body_bytes().ok()? })
    }

    pub(super) fn ask_twin(&mut self, request: &str) {
        self.request(request, "GET", "", b"");
    }

    pub(super) fn report(&mut self, request: &str, patch: &[u8]) {
        self.request(request, "PATCH", REPORTED, patch);
    }

    fn request(&mut self, request: &str, operation: &str, resource: &str, body: &[u8]) {
        let mut out = Vec::with_capacity(128 + body.len());
        let mut writer = Writer::new(&mut out);
        {
            let mut annotations = writer.annotations();
            annotations.symbol_text("operation", operation);
            if !resource.is_empty() {
                annotations.symbol_text("resource", resource);
            }
        }
        let correlation_id = Value::string(request);
        writer.properties(&Properties { correlation_id, ..Properties::default() });
        writer.data(body);
        self.send(self.twin.to, out);
    }

    pub(super) fn answer(&mut self, call: &CallId, status: u16, payload: &[u8]) {
        let Some(id) = to_uuid(&call.0) else { return };
        let mut out = Vec::with_capacity(128 + payload.len());
        let mut writer = Writer::new(&mut out);
        let correlation_id = Value::Uuid(id);
        writer.properties(&Properties { correlation_id, ..Properties::default() });
        writer.application().string(METHOD_STATUS, &Value::Int(status.into()));
        writer.data(payload);
        self.send(self.methods.to, out);
    }

    pub(super) fn send_message(&mut self, content_type: &'static str, body: &[u8]) {
        let mut out = Vec::with_capacity(128 + body.len());
        let mut writer = Writer::new(&mut out);
        let content_type = Some(Symbol::known(content_type));
        writer.properties(&Properties { content_type, ..Properties::default() });
        writer.data(body);
        self.unsent = Some(out);
        if self.events.is_none() {
            self.events = self.client.attach(Offer::sender("events", &self.address_of_events));
        }
        self.send_unsent();
    }

    fn send_unsent(&mut self) {
        let Some(link) = self.events.filter(|link| self.client.is_ready(*link)) else { return };
        if let Some(message) = self.unsent.take() {
            // It was ready: the message goes, or its size is one that no link takes.
            drop(self.client.send(link, bytes::Bytes::from(message), ()));
        }
    }

    fn send(&mut self, link: LinkId, message: Vec<u8>) {
        // A hub that gives no credit does not answer either, and the line is given up for that.
        self.client.send_settled(link, Outgoing::from(bytes::Bytes::from(message)));
    }

    pub(super) fn renew(&mut self, token: &Token) -> bool {
        self.client.show_token(&token.audience, &token.text).is_ok()
    }
}

/// Two links that belong together, as the hub learns from a property.
fn pair(client: &mut Client<()>, name: &str, address: &str) -> Option<Pair> {
    let property = |name: &'static str, value: &str| (Value::symbol(name), Value::string(value));
    let properties = Value::Map(vec![
        property("com.microsoft:channel-correlation-id", &format!("{name}:{address}")),
        property("com.microsoft:api-version", API_VERSION),
        property("com.microsoft:client-version", CLIENT),
    ]);
    let settles = SenderSettles::Settled;
    let from = Offer::receiver(&format!("{name}-from"), address, WINDOW);
    let from = Offer { properties: properties.clone(), sender_settles: settles, ..from };
    let to = Offer { properties, sender_settles: settles, ..Offer::sender(&format!("{name}-to"), address) };
    Some(Pair { from: client.attach(from)?, to: client.attach(to)? })
}

fn detached(fault: Option<skerry_uplink::amqp::Fault>) -> Trouble {
    Error::Farewell(fault.map(Box::new)).into()
}

fn to_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.chunks_exact(2).map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8));
    pairs.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_answered_under_its_own_id() {
        let id = *b"0123456789\0\xff\x80\x7f\x01 ";
        assert_eq!(to_uuid(&uuid(&id)), Some(id));
        for text in ["", "5", "zz", &"0".repeat(34)] {
            assert_eq!(to_uuid(text), None, "{text}");
        }
    }
}
