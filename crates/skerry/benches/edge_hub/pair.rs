//! Two clients of one server: what one publishes, the other one receives.

use std::time::{Duration, Instant};

use bytes::Bytes;
use skerry_mqtt::client::{ClientLimits, Event};
use skerry_mqtt::packet::{Connect, Filter, Qos, Text};
use skerry_uplink::{Client, Place};

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
    sent: u64,
    heard: u64,
    /// When the messages that are on their way were sent, by number.
    moments: Vec<Instant>,
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
            sent: 0,
            heard: 0,
            moments: vec![now(); window.into()],
        })
    }

    /// Keeps as many on their way as the window has until `end`; how long those took that arrived from
    /// `begin` on. What is on its way then still arrives.
    pub(crate) async fn run(&mut self, begin: Instant, end: Instant) -> Result<Vec<Duration>, Trouble> {
        let mut latencies = Vec::new();
        loop {
            let goes_on = now() < end;
            if !goes_on && self.sent == self.heard && self.from.pending_count() == 0 {
                return Ok(latencies);
            }
            while goes_on && self.sent - self.heard < self.window && self.from.has_room() {
                self.payload[..8].copy_from_slice(&self.sent.to_le_bytes());
                let payload = Bytes::copy_from_slice(&self.payload);
                let sent = self.from.publish(self.topic.clone(), payload, ());
                sent.map_err(|unsent| unsent.reason)?;
                let slot = (self.sent % self.window) as usize;
                (self.moments[slot], self.sent) = (now(), self.sent + 1);
            }
            let event = tokio::time::timeout(PATIENCE, async {
                tokio::select! {
                    event = self.from.event() => event,
                    event = self.to.event() => event,
                }
            });
            let event = event.await.map_err(|_| "a message does not arrive")??;
            self.hear(event, begin, end, &mut latencies)?;
            // Everything that came with it, before the next are sent together.
            while let Some(event) = self.to.ready_event()? {
                self.hear(event, begin, end, &mut latencies)?;
            }
            while self.from.ready_event()?.is_some() {}
        }
    }

    /// Says goodbye, after the last acknowledgements: what a server does not know as delivered comes again.
    pub(crate) async fn close(self) {
        self.to.close().await;
        self.from.close().await;
    }

    fn hear(
        &mut self,
        event: Event<()>,
        begin: Instant,
        end: Instant,
        latencies: &mut Vec<Duration>,
    ) -> Result<(), Trouble> {
        let Event::Message(message) = event else { return Ok(()) };
        let (number, _) = message.payload.split_first_chunk().ok_or("a message came that nobody sent")?;
        if u64::from_le_bytes(*number) != self.heard {
            return Err("messages are lost, come twice, or not in order".into());
        }
        let ended = now();
        if (begin..end).contains(&ended) {
            latencies.push(ended - self.moments[(self.heard % self.window) as usize]);
        }
        self.heard += 1;
        if let Some(id) = message.packet_id {
            self.to.settle(id);
        }
        Ok(())
    }
}
