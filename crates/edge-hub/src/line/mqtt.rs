//! A connection to the hub over MQTT, on TCP or in a WebSocket: one for each identity.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use skerry_front::device::{Settlement, Soon};
use skerry_model::message::Message;
use skerry_model::{IdentityId, Timestamp};
use skerry_mqtt::client::{ClientLimits, Ended, Event, NotSent};
use skerry_mqtt::packet::{Connect, PacketId, Publish, Qos, SubackCode, Text};
use skerry_mqtt::topic::{Bag, Inbound, Received, Subscription, UserName, client_id};
use skerry_uplink::{Client, Place};

use super::carrier::{Carrier, DialError, Dialer, Dialing, Heard, Parcel, Told, TwinReply, Wants};
use crate::ticket::Fate;

/// The version that knows gateways' chains.
const API_VERSION: &str = "2021-04-12";

/// Where the hub is, and a token of the edge hub's; or why nobody knows. It is told how many tries in a row failed:
/// there may be another way.
pub type Way = dyn Fn(u32) -> Soon<Result<(Place, String), String>> + Send + Sync;

pub struct MqttDialerOptions {
    /// The hub's name, as its user names have it.
    pub host: String,
    /// Asked before each try.
    pub way: Arc<Way>,
    /// What the edge says that it is.
    pub product: String,
    pub keep_alive_s: u16,
    pub limits: ClientLimits,
}

pub struct MqttDialer {
    options: Arc<MqttDialerOptions>,
}

impl MqttDialer {
    pub fn new(options: MqttDialerOptions) -> Self {
        Self { options: Arc::new(options) }
    }
}

impl Dialer for MqttDialer {
    fn dial(&self, id: IdentityId, chain: Option<String>) -> Dialing {
        let options = Arc::clone(&self.options);
        Box::pin(async move {
            let unreachable = |why: String| DialError::Unreachable { why };
            let (place, token) = (options.way)(0).await.map_err(unreachable)?;
            let connect = connect(&options, &id, chain, token);
            let client = Client::connect(&place, connect, options.limits).await.map_err(|error| {
                let why = error.to_string();
                match error {
                    // One that is busy says the same as one that has disabled the identity.
                    skerry_uplink::Error::Ended(Ended::Refused(_)) => DialError::Refused { why },
                    _ => DialError::Unreachable { why },
                }
            })?;
            let carrier: Box<dyn Carrier> = Box::new(MqttCarrier::new(id, client));
            Ok(carrier)
        })
    }
}

fn connect(options: &MqttDialerOptions, id: &IdentityId, chain: Option<String>, token: String) -> Connect {
    let user_name = UserName {
        host: options.host.clone(),
        device: id.device.clone(),
        module: id.module.clone(),
        api_version: Some(API_VERSION.to_owned()),
        model: None,
        client_type: Some(options.product.clone()),
        auth_chain: chain,
    };
    Connect {
        // What is to be told is asked for on each connection anew: clients behind us come and go.
        clean_session: true,
        keep_alive_s: options.keep_alive_s,
        client_id: Text::from(client_id(&id.device, id.module.as_ref()).as_str()),
        user_name: Some(Text::from(user_name.to_string().as_str())),
        password: Some(Bytes::from(token)),
        ..Connect::default()
    }
}

struct MqttCarrier {
    id: IdentityId,
    client: Client<u64>,
    pending: BTreeMap<u64, Parcel>,
    next: u64,
    /// Nothing was asked for yet.
    is_new: bool,
    listens: Wants,
    /// What the hub has to answer before everything is heard.
    subscribing: Vec<PacketId>,
    /// Commands that came and are not settled.
    commands: HashMap<u64, PacketId>,
    /// Something that cannot go on.
    broken: Option<String>,
}

impl MqttCarrier {
    fn new(id: IdentityId, client: Client<u64>) -> Self {
        Self {
            id,
            client,
            pending: BTreeMap::new(),
            next: 0,
            is_new: true,
            listens: Wants::default(),
            subscribing: Vec::new(),
            commands: HashMap::new(),
            broken: None,
        }
    }

    fn subscribe(&mut self, kinds: &[Subscription]) {
        let filters: Vec<_> = kinds
            .iter()
            .filter_map(|kind| {
                let qos = if *kind == Subscription::Commands { Qos::AtLeastOnce } else { Qos::AtMostOnce };
                Some((kind.filter(&self.id.device, self.id.module.as_ref())?, qos))
            })
            .collect();
        if filters.is_empty() {
            return;
        }
        match self.client.subscribe(filters) {
            Ok(packet) => self.subscribing.push(packet),
            Err(error) => self.broken = Some(error.to_string()),
        }
    }

    /// Requests and answers that nobody acknowledges.
    fn post(&mut self, message: &Inbound<'_>, payload: Bytes) {
        let Some(topic) = message.topic(&self.id.device, self.id.module.as_ref()) else { return };
        if let Err(error) = self.client.send(topic, payload) {
            self.broken = Some(error.to_string());
        }
    }

    fn hear(&mut self, event: Event<u64>) -> Result<Heard, String> {
        match event {
            Event::Published(number) => {
                if let Some(parcel) = self.pending.remove(&number) {
                    parcel.ticket.tell(Fate::Delivered);
                }
                Ok(Heard::Nothing)
            }
            Event::Subscribed { packet_id, codes } => {
                if codes.contains(&SubackCode::Refused) {
                    return Err("the hub refuses a subscription".to_owned());
                }
                self.subscribing.retain(|waiting| *waiting != packet_id);
                Ok(if self.subscribing.is_empty() { Heard::Listening } else { Heard::Nothing })
            }
            Event::Message(publish) => Ok(self.message(&publish)),
            Event::Connected { .. } | Event::Unsubscribed { .. } => Ok(Heard::Nothing),
        }
    }

    fn message(&mut self, publish: &Publish) -> Heard {
        let topic = publish.topic.as_str().to_owned();
        let received = Received::parse(&topic, &self.id.device, self.id.module.as_ref());
        let is_command = matches!(received, Ok(Received::Command(_)));
        if let Some(id) = publish.packet_id.filter(|_| !is_command) {
            self.client.settle(id);
        }
        // A slice of what was read would keep the whole block.
        let payload = Bytes::copy_from_slice(&publish.payload);
        match received {
            Ok(Received::Method { name, request }) => {
                Heard::Call { id: request.to_owned(), method: name.into_owned(), payload }
            }
            Ok(Received::Desired { version }) => match serde_json::from_slice(&payload) {
                Ok(patch) => Heard::Desired { version, patch },
                Err(_) => Heard::Nothing,
            },
            Ok(Received::TwinAnswer { status, request, version }) => match request.parse() {
                Ok(request) => Heard::Twin { request, reply: TwinReply { status, version, body: payload } },
                Err(_) => Heard::Nothing,
            },
            Ok(Received::Command(bag)) => {
                self.next += 1;
                if let Some(id) = publish.packet_id {
                    self.commands.insert(self.next, id);
                }
                let Bag { system, application } = *bag;
                let message = Message { body: payload, system, application };
                let (again, enqueued) = (publish.dup, Timestamp::NEVER);
                let command = Box::new(Told { message, again, deliveries: 0, enqueued });
                Heard::Command { number: self.next, command }
            }
            Ok(Received::Input { .. }) | Err(_) => Heard::Nothing,
        }
    }
}

impl Carrier for MqttCarrier {
    fn has_room(&self) -> bool {
        self.client.has_room()
    }

    fn send(&mut self, parcel: Parcel) {
        let message = &parcel.letter.message;
        let bag = Bag { system: message.system.clone(), application: message.application.clone() };
        let Some(topic) = Inbound::Telemetry(bag).topic(&self.id.device, self.id.module.as_ref()) else {
            return parcel
                .ticket
                .tell(Fate::Refused { why: "its properties are too long for MQTT".to_owned() });
        };
        self.next += 1;
        let body = message.body.clone();
        match self.client.publish(topic, body, self.next) {
            Ok(()) => drop(self.pending.insert(self.next, parcel)),
            Err(unsent) => match unsent.reason {
                NotSent::TooLong { .. } => {
                    parcel.ticket.tell(Fate::Refused { why: unsent.reason.to_string() });
                }
                // It is looked for room before; its ticket goes back.
                _ => drop(parcel),
            },
        }
    }

    fn pending(&self) -> usize {
        self.pending.len()
    }

    fn listen(&mut self, wants: Wants) {
        let had = std::mem::replace(&mut self.listens, wants);
        let all = [
            (Subscription::Commands, had.commands, wants.commands),
            (Subscription::Methods, had.methods, wants.methods),
            (Subscription::Desired, had.desired, wants.desired),
        ];
        let new: Vec<_> =
            all.iter().filter(|(_, had, wants)| *wants && !had).map(|(kind, ..)| *kind).collect();
        let answers = std::mem::take(&mut self.is_new).then_some(Subscription::TwinAnswers);
        let new: Vec<_> = answers.into_iter().chain(new).collect();
        self.subscribe(&new);
        let gone = all.iter().filter(|(_, had, wants)| *had && !wants);
        let gone: Vec<_> =
            gone.filter_map(|(kind, ..)| kind.filter(&self.id.device, self.id.module.as_ref())).collect();
        if !gone.is_empty()
            && let Err(error) = self.client.unsubscribe(gone)
        {
            self.broken = Some(error.to_string());
        }
    }

    fn ask_twin(&mut self, request: u64) {
        self.post(&Inbound::TwinGet { request: &request.to_string() }, Bytes::new());
    }

    fn report(&mut self, request: u64, patch: Bytes) {
        self.post(&Inbound::TwinReport { request: &request.to_string(), version: None }, patch);
    }

    fn answer(&mut self, call: &str, status: i64, payload: Bytes) {
        self.post(&Inbound::MethodAnswer { status, request: call }, payload);
    }

    fn settle(&mut self, command: u64, how: Settlement) -> bool {
        match how {
            // There is one word for both.
            Settlement::Complete | Settlement::Reject => {
                if let Some(id) = self.commands.remove(&command) {
                    self.client.settle(id);
                }
                true
            }
            // The hub gives it again with the next connection, so that it does not come in a whirl.
            Settlement::Abandon => true,
            Settlement::GiveBack => false,
        }
    }

    fn renews(&self) -> bool {
        false
    }

    fn event(&mut self) -> Pin<Box<dyn Future<Output = Result<Heard, String>> + Send + '_>> {
        Box::pin(async {
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
            match self.client.event().await {
                Ok(event) => self.hear(event),
                Err(error) => Err(error.to_string()),
            }
        })
    }

    fn close(self: Box<Self>) -> Vec<Parcel> {
        let Self { client, pending, .. } = *self;
        if pending.is_empty() {
            // Whether it was heard changes nothing.
            tokio::spawn(client.close());
        }
        pending.into_values().collect()
    }
}
