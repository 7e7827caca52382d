//! Two clients of one server over AMQP: what one sends on its link, the other one gets on its own.

use std::time::{Duration, Instant};

use bytes::Bytes;
use skerry_amqp::codec::CodecLimits;
use skerry_amqp::message::{Header, Sections, Writer};
use skerry_uplink::amqp::{Client, Credentials, Event, LinkId, Offer, Opening, Options, Outcome};
use skerry_uplink::{Place, Token};

use crate::arrivals::Arrivals;
use crate::hop::Ends;
use crate::meter::{Trouble, now};
use crate::papers::HOST;

/// Nothing that is on its way takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// How both come in, and where their links lead.
pub(crate) struct Doors {
    pub(crate) place: Place,
    pub(crate) credentials: Option<Credentials>,
    /// Of who sends and of who receives, where there is one.
    pub(crate) tokens: Option<[Token; 2]>,
    pub(crate) target: String,
    pub(crate) source: String,
    pub(crate) is_durable: bool,
    /// What a rule looks at.
    pub(crate) properties: Vec<(&'static str, String)>,
}

pub(crate) struct Links {
    from: Client<()>,
    to: Client<()>,
    out: LinkId,
    input: LinkId,
    /// Up to the body.
    head: Vec<u8>,
    payload: Vec<u8>,
    window: u64,
    arrivals: Arrivals,
}

impl Doors {
    pub(crate) async fn links(&self, window: u16, payload: usize) -> Result<Links, Trouble> {
        let [mut from, mut to] = [self.client(0).await?, self.client(1).await?];
        let mut offer = Offer::receiver("to", &self.source, u32::from(window));
        offer.source.durable = self.is_durable.then_some(2);
        let input = to.attach(offer).ok_or("there is no room for a link")?;
        loop {
            match to.event().await? {
                Event::Attached { .. } => break,
                Event::Detached { fault, .. } => return Err(format!("the link ends: {fault:?}").into()),
                _ => {}
            }
        }
        let mut offer = Offer::sender("from", &self.target);
        offer.target.durable = self.is_durable.then_some(2);
        let out = from.attach(offer).ok_or("there is no room for a link")?;
        while !from.is_ready(out) {
            if let Event::Detached { fault, .. } = from.event().await? {
                return Err(format!("the link ends: {fault:?}").into());
            }
        }
        let mut head = Vec::new();
        let mut writer = Writer::new(&mut head);
        writer.header(&Header { is_durable: true, ..Header::default() });
        if !self.properties.is_empty() {
            let mut map = writer.application();
            for (name, value) in &self.properties {
                map.string_text(name, value);
            }
        }
        let payload = vec![b'x'; payload];
        let (window, arrivals) = (window.into(), Arrivals::new(window));
        Ok(Links { from, to, out, input, head, payload, window, arrivals })
    }

    async fn client(&self, at: usize) -> Result<Client<()>, Trouble> {
        let options = Options { hostname: Some(HOST.into()), ..Options::new(format!("bench{at}").into()) };
        let opening = Opening { options, credentials: self.credentials.clone() };
        let mut client = Client::connect(&self.place, opening).await?;
        if let Some(tokens) = &self.tokens {
            client.authorize(&tokens[at].audience, &tokens[at].text).await?;
        }
        Ok(client)
    }
}

impl Links {
    fn message(&mut self) -> Bytes {
        self.payload[..8].copy_from_slice(&self.arrivals.sent().to_le_bytes());
        let mut out = Vec::with_capacity(self.head.len() + self.payload.len() + 8);
        out.extend_from_slice(&self.head);
        Writer::new(&mut out).data(&self.payload);
        out.into()
    }

    fn hear(&mut self, event: Event<()>, latencies: &mut Vec<Duration>) -> Result<(), Trouble> {
        match event {
            Event::Delivery { link, delivery } => {
                let body =
                    Sections::decode(delivery.payload.clone(), CodecLimits::default())?.body_bytes()?;
                latencies.extend(self.arrivals.arrived(&body)?);
                self.to.settle(link, &delivery, Outcome::Accepted);
                Ok(())
            }
            Event::Detached { fault, .. } => Err(format!("the link ends: {fault:?}").into()),
            _ => Ok(()),
        }
    }
}

fn check(event: Event<()>) -> Result<(), Trouble> {
    match event {
        Event::Sent { outcome: Outcome::Accepted, .. } | Event::Ready { .. } => Ok(()),
        other => Err(format!("the server says {other:?}").into()),
    }
}

impl Ends for Links {
    async fn run(&mut self, begin: Instant, end: Instant) -> Result<Vec<Duration>, Trouble> {
        self.arrivals.count(begin, end);
        let mut latencies = Vec::new();
        loop {
            let goes_on = now() < end;
            if !goes_on && self.arrivals.under_way() == 0 && self.from.pending_count() == 0 {
                return Ok(latencies);
            }
            while goes_on && self.arrivals.under_way() < self.window && self.from.is_ready(self.out) {
                let message = self.message();
                self.from.send(self.out, message, ()).map_err(|_| "a message was not taken")?;
                self.arrivals.leaves();
            }
            let heard = tokio::time::timeout(PATIENCE, async {
                tokio::select! {
                    event = self.from.event() => event.map(|event| (event, false)),
                    event = self.to.event() => event.map(|event| (event, true)),
                }
            });
            match heard.await.map_err(|_| "a message does not arrive")?? {
                (event, true) => self.hear(event, &mut latencies)?,
                (event, false) => check(event)?,
            }
            // Everything that came with it, before the next are sent together.
            while let Some(event) = self.to.ready_event()? {
                self.hear(event, &mut latencies)?;
            }
            while let Some(event) = self.from.ready_event()? {
                check(event)?;
            }
        }
    }

    async fn close(mut self) {
        self.to.detach(self.input);
        self.to.close().await;
        self.from.close().await;
    }
}
