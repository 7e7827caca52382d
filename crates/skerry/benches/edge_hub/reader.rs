//! A back end at the hub: it reads what is kept there from now on.

use std::time::Duration;

use bytes::Bytes;
use skerry_amqp::address::Node;
use skerry_amqp::codec::{CodecLimits, Value};
use skerry_amqp::message::Sections;
use skerry_amqp::performative::SenderSettles;
use skerry_amqp::selector::{self, Begin};
use skerry_uplink::Place;
use skerry_uplink::amqp::{Client, Credentials, Event, Offer, Opening, Options, Outcome};

use crate::ground::hub::Hub;
use crate::meter::Trouble;
use crate::papers::{HOST, Papers};

const CREDIT: u32 = 1000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Reader {
    client: Client<()>,
}

impl Reader {
    /// Of a hub with one partition.
    pub(crate) async fn connect(hub: &Hub, papers: &Papers) -> Result<Self, Trouble> {
        let place = Place {
            address: hub.door("amqp")?,
            tls: Some(papers.tls(false)?),
            websocket: None,
            relay: None,
            connect_timeout: CONNECT_TIMEOUT,
        };
        let options = Options { hostname: Some(HOST.into()), ..Options::new("reader".into()) };
        let opening = Opening { options, credentials: Some(Credentials::anonymous()) };
        let mut client = Client::connect(&place, opening).await?;
        client.authorize(HOST, &hub.token).await?;
        let (entity, group) = (HOST.to_owned(), "$Default".to_owned());
        let node = Node::Partition { entity, group, partition: "0".to_owned() };
        let mut offer = Offer::receiver("reader", &node.to_string(), CREDIT);
        offer.source.filter = selector::filter(Begin::Newest);
        offer.sender_settles = SenderSettles::Settled;
        client.attach(offer).ok_or("there is no room for a link")?;
        loop {
            match client.event().await? {
                Event::Attached { .. } => return Ok(Self { client }),
                Event::Detached { fault, .. } => return Err(format!("the link ends: {fault:?}").into()),
                _ => {}
            }
        }
    }

    /// The next message. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Result<Bytes, Trouble> {
        loop {
            let event = self.client.event().await?;
            if let Some(body) = self.body(event)? {
                return Ok(body);
            }
        }
    }

    /// The same, of what has come already.
    pub(crate) fn ready(&mut self) -> Result<Option<Bytes>, Trouble> {
        while let Some(event) = self.client.ready_event()? {
            if let Some(body) = self.body(event)? {
                return Ok(Some(body));
            }
        }
        Ok(None)
    }

    fn body(&mut self, event: Event<()>) -> Result<Option<Bytes>, Trouble> {
        match event {
            Event::Delivery { link, delivery } => {
                self.client.settle(link, &delivery, Outcome::Accepted);
                let sections = Sections::decode(delivery.payload, CodecLimits::default())?;
                // What the hub tells of its devices comes between the messages.
                let source = sections.annotation("iothub-message-source").and_then(Value::as_text);
                let is_message = source == Some("Telemetry");
                Ok(if is_message { Some(sections.body_bytes()?) } else { None })
            }
            Event::Detached { fault, .. } => Err(format!("the link ends: {fault:?}").into()),
            _ => Ok(None),
        }
    }

    pub(crate) async fn close(self) {
        self.client.close().await;
    }
}
