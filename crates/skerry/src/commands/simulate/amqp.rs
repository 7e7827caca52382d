//! A device that speaks AMQP.

use std::collections::VecDeque;

use bytes::Bytes;
use skerry_amqp::address::Node;
use skerry_amqp::codec::Symbol;
use skerry_amqp::message::{Properties, Writer};
use skerry_model::Clock as _;
use skerry_uplink::amqp::{Client, Credentials, Event, LinkId, Offer, Opening, Options, Outcome};
use skerry_uplink::{Error, Identity, Place};
use tokio::time::Instant;

use super::device::{TOKEN_LIFE, WINDOW};
use super::line::Line;
use crate::world::MachineClock;

pub struct AmqpLine {
    client: Client<Instant>,
    link: LinkId,
    /// Sent before, and without an outcome: they go out again, as far as there is credit.
    again: VecDeque<Instant>,
}

impl Line for AmqpLine {
    async fn connect(place: &Place, identity: &Identity) -> Result<Self, Error> {
        let options = Options {
            hostname: Some(identity.host.as_str().into()),
            ..Options::new(identity.device.as_str().into())
        };
        let opening = Opening { options, credentials: Some(Credentials::anonymous()) };
        let mut client = Client::connect(place, opening).await?;
        let link = attach(&mut client, identity).await?;
        Ok(Self { client, link, again: VecDeque::new() })
    }

    async fn reconnect(&mut self, place: &Place, identity: &Identity, body: &Bytes) -> Result<(), Error> {
        let done = self.client.reconnect(place).await;
        self.again.extend(self.client.take_unsettled());
        done?;
        self.link = attach(&mut self.client, identity).await?;
        self.send_again(body);
        Ok(())
    }

    fn send(&mut self, body: &Bytes) -> bool {
        let has_room = self.again.is_empty() && self.client.pending_count() < usize::from(WINDOW);
        has_room && self.client.send(self.link, message(body), Instant::now()).is_ok()
    }

    async fn acknowledged(&mut self, body: &Bytes) -> Result<Instant, Error> {
        loop {
            match self.client.event().await? {
                Event::Sent { item, outcome: Outcome::Accepted, .. } => return Ok(item),
                // Too much for now.
                Event::Sent { item, .. } => self.again.push_back(item),
                Event::Detached { unsettled, .. } => {
                    self.again.extend(unsettled);
                    // A new token, and a new link: as after any other end.
                    return Err(Error::Closed);
                }
                _ => {}
            }
            self.send_again(body);
        }
    }

    fn pending_count(&self) -> usize {
        self.client.pending_count() + self.again.len()
    }

    async fn close(self) {
        self.client.close().await;
    }
}

impl AmqpLine {
    fn send_again(&mut self, body: &Bytes) {
        while self.client.is_ready(self.link)
            && let Some(sent) = self.again.pop_front()
        {
            if let Err(unsent) = self.client.send(self.link, message(body), sent) {
                return self.again.push_front(unsent.item);
            }
        }
    }
}

/// Shows a token, and waits for a link with credit.
async fn attach(client: &mut Client<Instant>, identity: &Identity) -> Result<LinkId, Error> {
    if let Some(token) = identity.token(MachineClock.now().plus(TOKEN_LIFE)) {
        client.authorize(&token.audience, &token.text).await?;
    }
    let offer = Offer::sender("events", &Node::Events(identity.id()).to_string());
    let link = client.attach(offer).ok_or(Error::Closed)?;
    while !client.is_ready(link) {
        if let Event::Detached { fault, .. } = client.event().await? {
            return Err(Error::Farewell(fault.map(Box::new)));
        }
    }
    Ok(link)
}

fn message(body: &Bytes) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + 64);
    let mut writer = Writer::new(&mut out);
    writer.properties(&Properties {
        content_type: Some(Symbol::known("application/json")),
        content_encoding: Some(Symbol::known("utf-8")),
        ..Properties::default()
    });
    writer.data(body);
    out.into()
}
