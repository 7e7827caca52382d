//! A module of the edge and a reader at the hub: what the one publishes, the other one gets when the hub has it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use skerry_mqtt::packet::Text;
use skerry_uplink::Client;

use crate::arrivals::Arrivals;
use crate::edge::Edge;
use crate::hop::Ends;
use crate::meter::{Trouble, now};
use crate::pair::client;
use crate::papers::Papers;
use crate::reader::Reader;

/// Nothing that is on its way takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Upward {
    from: Client<()>,
    reader: Reader,
    topic: Text,
    payload: Vec<u8>,
    window: u64,
    arrivals: Arrivals,
}

impl Upward {
    pub(crate) async fn connect(
        edge: &Edge,
        sender: &str,
        papers: &Papers,
        window: u16,
        payload: usize,
    ) -> Result<Self, Trouble> {
        let reader = Reader::connect(&edge.hub, papers).await?;
        let (from, guest) = client(edge, sender, window).await?;
        let topic = Text::from(guest.topic.as_str());
        let (payload, arrivals) = (vec![b'x'; payload], Arrivals::new(window));
        Ok(Self { from, reader, topic, payload, window: window.into(), arrivals })
    }
}

impl Ends for Upward {
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
            let heard = tokio::time::timeout(PATIENCE, async {
                tokio::select! {
                    event = self.from.event() => event.map(|_| None).map_err(Trouble::from),
                    body = self.reader.next() => body.map(Some),
                }
            });
            let mut body = heard.await.map_err(|_| "a message does not arrive at the hub")??;
            // Everything that came with it, before the next are sent together.
            while let Some(known) = body {
                latencies.extend(self.arrivals.arrived(&known)?);
                body = self.reader.ready()?;
            }
            while self.from.ready_event()?.is_some() {}
        }
    }

    async fn close(self) {
        self.reader.close().await;
        self.from.close().await;
    }
}
