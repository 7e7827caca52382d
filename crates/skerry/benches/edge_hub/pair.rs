//! Two clients of one server: what one publishes, the other one receives.

use std::time::{Duration, Instant};

use bytes::Bytes;
use skerry_mqtt::client::{ClientLimits, Event};
use skerry_mqtt::packet::{Connect, Filter, Qos, Text};
use skerry_uplink::{Client, Place};

use crate::arrivals::Arrivals;
use crate::hop::Ends;
use crate::meter::{Trouble, now};
use crate::tree::Tree;

/// Nothing that is on its way takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) trait Server {
    fn tree(&self) -> &Tree;
    fn place(&self) -> Result<Place, Trouble>;
    fn guest(&self, name: &str) -> Result<Guest, Trouble>;
}

/// What one client connects with, where it publishes, and where it hears.
pub(crate) struct Guest {
    pub(crate) connect: Connect,
    pub(crate) topic: String,
    pub(crate) filter: String,
}

pub(crate) struct Pair {
    from: Client<()>,
    to: Client<()>,
    topic: Text,
    payload: Vec<u8>,
    window: u64,
    arrivals: Arrivals,
}

/// A client that can have so many messages under way.
pub(crate) async fn client(
    server: &impl Server,
    name: &str,
    window: u16,
) -> Result<(Client<()>, Guest), Trouble> {
    let guest = server.guest(name)?;
    let limits = ClientLimits { window, ..ClientLimits::default() };
    let client = Client::connect(&server.place()?, guest.connect.clone(), limits).await?;
    Ok((client, guest))
}

impl Pair {
    pub(crate) async fn connect(
        server: &impl Server,
        [from, to]: [&str; 2],
        window: u16,
        payload: usize,
    ) -> Result<Self, Trouble> {
        let (mut to, guest) = client(server, to, window).await?;
        to.subscribe(vec![(Filter::new(Text::from(guest.filter.as_str()))?, Qos::AtLeastOnce)])?;
        while !matches!(to.event().await?, Event::Subscribed { .. }) {}
        let (from, guest) = client(server, from, window).await?;
        Ok(Self {
            from,
            to,
            topic: Text::from(guest.topic.as_str()),
            payload: vec![b'x'; payload],
            window: window.into(),
            arrivals: Arrivals::new(window),
        })
    }

    fn hear(&mut self, event: Event<()>, latencies: &mut Vec<Duration>) -> Result<(), Trouble> {
        let Event::Message(message) = event else { return Ok(()) };
        latencies.extend(self.arrivals.arrived(&message.payload)?);
        if let Some(id) = message.packet_id {
            self.to.settle(id);
        }
        Ok(())
    }
}

impl Ends for Pair {
    async fn run(&mut self, begin: Instant, end: Instant) -> Result<Vec<Duration>, Trouble> {
        self.arrivals.count(begin, end);
        let mut latencies = Vec::new();
        loop {
            let goes_on = now() < end;
            if !goes_on && self.arrivals.under_way() == 0 && self.from.pending_count() == 0 {
                return Ok(latencies);
            }
            while goes_on && self.arrivals.under_way() < self.window && self.from.has_room() {
                self.payload[..8].copy_from_slice(&self.arrivals.sent().to_le_bytes());
                let payload = Bytes::copy_from_slice(&self.payload);
                let sent = self.from.publish(self.topic.clone(), payload, ());
                sent.map_err(|unsent| unsent.reason)?;
                self.arrivals.leaves();
            }
            let event = tokio::time::timeout(PATIENCE, async {
                tokio::select! {
                    event = self.from.event() => event,
                    event = self.to.event() => event,
                }
            });
            let event = event.await.map_err(|_| "a message does not arrive")??;
            self.hear(event, &mut latencies)?;
            // Everything that came with it, before the next are sent together.
            while let Some(event) = self.to.ready_event()? {
                self.hear(event, &mut latencies)?;
            }
            while self.from.ready_event()?.is_some() {}
        }
    }

    async fn close(self) {
        self.to.close().await;
        self.from.close().await;
    }
}
