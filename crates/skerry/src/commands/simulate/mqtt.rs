//! A device that speaks MQTT.

use std::time::Duration;

use bytes::Bytes;
use skerry_model::Clock as _;
use skerry_mqtt::client::{ClientLimits, Event};
use skerry_mqtt::packet::{Connect, Text};
use skerry_mqtt::topic::{Bag, Inbound};
use skerry_uplink::{Client, Error, Identity, Place};
use tokio::time::Instant;

use super::device::{TOKEN_LIFE, WINDOW};
use super::line::Line;
use crate::world::MachineClock;

const KEEP_ALIVE: Duration = Duration::from_secs(60);

pub struct MqttLine {
    client: Client<Instant>,
    topic: Text,
}

impl Line for MqttLine {
    async fn connect(place: &Place, identity: &Identity) -> Result<Self, Error> {
        let limits = ClientLimits { window: WINDOW, ..ClientLimits::default() };
        let client = Client::connect(place, greeting(identity), limits).await?;
        Ok(Self { client, topic: topic(identity) })
    }

    async fn reconnect(&mut self, place: &Place, identity: &Identity, body: &Bytes) -> Result<(), Error> {
        self.client.reconnect(place, greeting(identity)).await?;
        self.client.resend(|_| (self.topic.clone(), body.clone()));
        Ok(())
    }

    fn send(&mut self, body: &Bytes) -> bool {
        self.client.publish(self.topic.clone(), body.clone(), Instant::now()).is_ok()
    }

    async fn acknowledged(&mut self, _body: &Bytes) -> Result<Instant, Error> {
        loop {
            if let Event::Published(sent) = self.client.event().await? {
                return Ok(sent);
            }
        }
    }

    fn pending_count(&self) -> usize {
        self.client.pending_count()
    }

    async fn close(self) {
        self.client.close().await;
    }
}

fn greeting(identity: &Identity) -> Connect {
    let keep_alive_s = u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX);
    identity.connect(MachineClock.now(), TOKEN_LIFE, keep_alive_s)
}

fn topic(identity: &Identity) -> Text {
    let mut bag = Bag::default();
    bag.system.content_type = Some("application/json".to_owned());
    bag.system.content_encoding = Some("utf-8".to_owned());
    let topic = Inbound::Telemetry(bag).topic(&identity.device, None);
    topic.expect("ids of devices are short enough for a topic")
}
