//! Over MQTT.

use std::time::Duration;

use bytes::Bytes;
use skerry_model::{DeviceId, ModuleId, Timestamp};
use skerry_mqtt::client::{ClientLimits, Event};
use skerry_mqtt::packet::{Publish, Qos, SubackCode};
use skerry_mqtt::topic::{Bag, Inbound, Received, Subscription};
use skerry_uplink::{Client, Identity, Proof};

use super::CallId;
use super::talk::{Heard, Trouble};
use super::way::Way;

const SUBSCRIPTIONS: [Subscription; 3] =
    [Subscription::TwinAnswers, Subscription::Desired, Subscription::Methods];
const KEEP_ALIVE_S: u16 = 240;

pub(super) struct MqttTalk {
    client: Client<()>,
    device: DeviceId,
    module: Option<ModuleId>,
}

impl MqttTalk {
    pub(super) async fn open(way: &Way) -> Result<Self, Trouble> {
        let proof = Proof::Ticket(Bytes::from(way.ticket.token.text.clone()));
        let identity = Identity { proof, ..way.identity.clone() };
        // The ticket is signed already: neither time matters.
        let connect = identity.connect(Timestamp::default(), Duration::ZERO, KEEP_ALIVE_S);
        let client = Client::connect(&way.place, connect, ClientLimits::default()).await?;
        let mut talk = Self { client, device: identity.device, module: identity.module };
        let filters = SUBSCRIPTIONS.iter().filter_map(|subscription| {
            Some((subscription.filter(&talk.device, talk.module.as_ref())?, Qos::AtMostOnce))
        });
        let filters = filters.collect();
        talk.client.subscribe(filters).map_err(|error| Trouble::new(error.to_string()))?;
        loop {
            match talk.client.event().await? {
                Event::Subscribed { codes, .. } if codes.contains(&SubackCode::Refused) => {
                    return Err(Trouble::new("the hub refused the agent's subscriptions"));
                }
                Event::Subscribed { .. } => return Ok(talk),
                _ => {}
            }
        }
    }

    pub(super) async fn hear(&mut self) -> Result<Heard, Trouble> {
        loop {
            let heard = match self.client.event().await? {
                Event::Message(publish) => self.message(&publish),
                Event::Published(()) => Some(Heard::Sent { is_kept: true }),
                _ => None,
            };
            if let Some(heard) = heard {
                return Ok(heard);
            }
        }
    }

    fn message(&mut self, publish: &Publish) -> Option<Heard> {
        if let Some(id) = publish.packet_id {
            self.client.settle(id);
        }
        let payload = &publish.payload;
        match Received::parse(publish.topic.as_str(), &self.device, self.module.as_ref()).ok()? {
            Received::Method { name, request } => {
                let id = CallId(request.to_owned());
                Some(Heard::Call { id, name: name.into_owned(), payload: payload.clone() })
            }
            Received::Desired { version } => {
                Some(Heard::Patch { version, patch: serde_json::from_slice(payload).ok()? })
            }
            Received::TwinAnswer { status, request, .. } => {
                Some(Heard::Answer { request: request.to_owned(), status, payload: payload.clone() })
            }
            Received::Command(_) | Received::Input { .. } => None,
        }
    }

    pub(super) fn ask_twin(&mut self, request: &str) {
        self.send(&Inbound::TwinGet { request }, Bytes::new());
    }

    pub(super) fn report(&mut self, request: &str, patch: Bytes) {
        self.send(&Inbound::TwinReport { request, version: None }, patch);
    }

    pub(super) fn answer(&mut self, call: &CallId, status: u16, payload: Bytes) {
        self.send(&Inbound::MethodAnswer { status: i64::from(status), request: &call.0 }, payload);
    }

    pub(super) fn send_message(&mut self, content_type: &str, body: Bytes) {
        let mut bag = Bag::default();
        bag.system.content_type = Some(content_type.to_owned());
        if let Some(topic) = Inbound::Telemetry(bag).topic(&self.device, self.module.as_ref()) {
            // One at a time always has room, or the line is given up.
            let _ = self.client.publish(topic, body, ());
        }
    }

    fn send(&mut self, message: &Inbound<'_>, payload: Bytes) {
        if let Some(topic) = message.topic(&self.device, self.module.as_ref()) {
            // A line that takes nothing any more breaks soon, and everything begins anew.
            let _ = self.client.send(topic, payload);
        }
    }
}
