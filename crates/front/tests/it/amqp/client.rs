//! A client on our own machine, over any stream, that does what it is told.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use skerry_amqp::codec::{CodecLimits, Input, Text, Value};
use skerry_amqp::connection::{
    Connection, Credentials, Delivery, DeliveryId, Event, LinkId, Offer, Options, Outgoing, SessionId,
    unit_length,
};
use skerry_amqp::frame::{Frame, Kind, put_frame};
use skerry_amqp::message::{Properties, Sections, Writer};
use skerry_amqp::performative::{
    Attach, Disposition, Fault, Flow, Mechanism, Open, Outcome, Performative, ReceiverSettles, Role,
    SenderSettles, Source, Target,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::world::{Client, World, within};

/// As large as the server's.
const FRAME_BYTES_MAX: usize = 64 << 10;

pub struct Peer<S = TlsStream<TcpStream>> {
    stream: S,
    pub machine: Connection,
    read: BytesMut,
    events: VecDeque<Event>,
    agreed: VecDeque<Disposition>,
    flows: VecDeque<Flow>,
    /// Signs of life that came.
    pub signs: u32,
    pub open: Box<Open>,
    /// Sender and receiver for tokens.
    cbs: Option<(LinkId, LinkId)>,
}

pub fn options() -> Options {
    // Larger than what tests send at once.
    let out_bytes_max = 4 << 20;
    Options { hostname: Some("hub1.iot.test".into()), out_bytes_max, ..Options::new("peer".into()) }
}

pub fn plain(name: &str, password: &str) -> Credentials {
    let response = format!("\0{name}\0{password}").into_bytes();
    Credentials { mechanism: Mechanism::Plain, response: Some(response.into()) }
}

/// A link to an address, or from it.
pub fn offer(name: &str, role: Role, address: &str) -> Offer {
    let (source, target) = match role {
        Role::Sender => ("here", address),
        Role::Receiver => (address, "here"),
    };
    Offer {
        name: Text::from(name),
        role,
        source: Source::at(source),
        target: Target::at(target),
        sender_settles: SenderSettles::Mixed,
        receiver_settles: ReceiverSettles::First,
        properties: Value::Null,
        window: 100,
        message_bytes_max: 1 << 20,
    }
}

/// A message with nothing but a body.
pub fn body(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).data(bytes);
    out
}

pub fn unsettled(payload: impl Into<Bytes>) -> Outgoing {
    Outgoing { payload: payload.into(), ..Outgoing::default() }
}

/// A request to show a token.
pub fn token_request(id: Value, audience: &str, token: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.properties(&Properties {
        message_id: id,
        reply_to: Value::string("here"),
        ..Properties::default()
    });
    writer
        .application()
        .string_text("operation", "put-token")
        .string_text("type", "servicebus.windows.net:sastoken")
        .string_text("name", audience);
    writer.value(&Value::string(token));
    out
}

pub fn sections(delivery: &Delivery) -> Sections {
    Sections::decode(delivery.payload.clone(), CodecLimits::default()).unwrap()
}

impl World {
    pub fn amqp_client(&self) -> Client {
        let root = std::fs::read(self.root_path()).unwrap();
        Client::new(self.handle.amqp_address().unwrap(), &root, &[], &self.clock)
    }

    /// TLS, and nothing said yet.
    pub async fn amqp_stream(&self) -> TlsStream<TcpStream> {
        self.amqp_client().connect().await
    }

    /// Open, and nothing shown yet.
    pub async fn amqp(&self) -> Peer {
        Peer::open(self.amqp_stream().await, options(), None).await
    }

    /// With good tokens for these devices.
    pub async fn amqp_of(&self, devices: &[&str]) -> Peer {
        let mut peer = self.amqp().await;
        for device in devices {
            peer.put_token(&format!("hub1.iot.test/devices/{device}"), "good").await;
        }
        peer
    }

    /// With a policy's token.
    pub async fn amqp_service(&self) -> Peer {
        let mut peer = self.amqp().await;
        assert_eq!(peer.put_token("hub1.iot.test", "good").await, (200, "OK".to_owned()));
        peer
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub async fn open(stream: S, options: Options, credentials: Option<Credentials>) -> Self {
        let mut peer = Self::begin(stream, options, credentials);
        let open = peer.wait(|event| matches!(event, Event::Opened(_))).await;
        let Event::Opened(open) = open else { unreachable!() };
        peer.open = open;
        peer
    }

    /// Its first bytes are not sent yet.
    pub fn begin(stream: S, options: Options, credentials: Option<Credentials>) -> Self {
        Self {
            stream,
            machine: Connection::client(options, credentials),
            read: BytesMut::new(),
            events: VecDeque::new(),
            agreed: VecDeque::new(),
            flows: VecDeque::new(),
            signs: 0,
            open: Box::default(),
            cbs: None,
        }
    }

    pub async fn flush(&mut self) {
        // Who is refused may be cut off while it still writes.
        let out = std::mem::take(&mut self.machine.out);
        self.stream.write_all(&out).await.ok();
        self.stream.flush().await.ok();
    }

    /// Sends what there is and reads once; whether the server is still there.
    pub async fn turn(&mut self) -> bool {
        self.flush().await;
        self.read().await
    }

    /// Reads once, whatever is to be said.
    pub async fn read(&mut self) -> bool {
        if !matches!(within(self.stream.read_buf(&mut self.read)).await, Ok(1..)) {
            return false;
        }
        while let Some(len) = unit_length(&self.read, FRAME_BYTES_MAX).unwrap() {
            if len > self.read.len() {
                break;
            }
            let unit = self.read.split_to(len).freeze();
            self.listen(&unit);
            let handled = self.machine.handle_unit(unit);
            self.events.extend(std::iter::from_fn(|| self.machine.poll_event()));
            if handled.is_err() {
                return false;
            }
        }
        true
    }

    /// What our own machine does not tell: the server's word on outcomes that we left open, and on how
    /// much it sent.
    fn listen(&mut self, unit: &Bytes) {
        let Ok(Frame { kind: Kind::Amqp, body, .. }) = Frame::parse(unit.clone()) else { return };
        self.signs += u32::from(body.is_empty());
        match Performative::decode(&mut Input::new(body, CodecLimits::default())) {
            Ok(Performative::Disposition(said)) if said.role == Role::Sender => self.agreed.push_back(said),
            Ok(Performative::Flow(said)) if said.is_drain => self.flows.push_back(said),
            _ => {}
        }
    }

    /// Says frames that our own machine would not.
    pub fn say(&mut self, channel: u16, performative: &Performative) {
        put_frame(&mut self.machine.out, Kind::Amqp, channel, |out| performative.encode(out));
    }

    /// An outcome that the server is to agree to.
    pub fn propose(&mut self, channel: u16, delivery: DeliveryId, outcome: Outcome) {
        let state = Some(outcome);
        let said = Disposition { role: Role::Receiver, first: delivery, state, ..Disposition::default() };
        self.say(channel, &Performative::Disposition(said));
    }

    /// What the server agrees to.
    pub async fn agreed(&mut self) -> Disposition {
        loop {
            if let Some(agreed) = self.agreed.pop_front() {
                return agreed;
            }
            assert!(self.turn().await, "the server went");
        }
    }

    /// The answer to a drain.
    pub async fn flow(&mut self) -> Flow {
        loop {
            if let Some(flow) = self.flows.pop_front() {
                return flow;
            }
            assert!(self.turn().await, "the server went");
        }
    }

    /// How many messages came on a link, without keeping them.
    pub fn drop_deliveries(&mut self, link: LinkId) -> u64 {
        let before = self.events.len();
        self.events.retain(|event| !matches!(event, Event::Delivery { link: known, .. } if *known == link));
        (before - self.events.len()) as u64
    }

    /// The next event that is meant; others stay.
    pub async fn wait(&mut self, is_meant: impl Fn(&Event) -> bool) -> Event {
        self.next(is_meant).await.unwrap_or_else(|| panic!("the server went; {:?}", self.events))
    }

    async fn next(&mut self, is_meant: impl Fn(&Event) -> bool) -> Option<Event> {
        loop {
            self.events.extend(std::iter::from_fn(|| self.machine.poll_event()));
            if let Some(at) = self.events.iter().position(&is_meant) {
                return self.events.remove(at);
            }
            if !self.turn().await {
                return None;
            }
        }
    }

    /// What came and nobody looked at.
    pub fn left(&self) -> &VecDeque<Event> {
        &self.events
    }

    /// The server closes the connection; with its reason, if it says one.
    pub async fn closed(&mut self) -> Option<Fault> {
        let mut reason = None;
        while let Some(event) = self.next(|event| matches!(event, Event::Closed { .. })).await {
            let Event::Closed { fault } = event else { unreachable!() };
            reason = fault;
        }
        reason
    }

    /// Nothing but signs of life came that was not asked for: the answer to a question comes next.
    pub async fn is_silent(&mut self) -> bool {
        self.put_token("hub1.iot.test/devices/silence", "good").await;
        self.events.iter().all(|event| matches!(event, Event::Credit { .. }))
    }

    pub fn session(&mut self) -> SessionId {
        self.machine.begin().unwrap()
    }

    /// Asks for a link; accepted, or refused, which comes next.
    pub async fn attach(&mut self, session: SessionId, offer: Offer) -> (LinkId, Box<Attach>) {
        let link = self.machine.attach(session, offer).unwrap();
        let attached =
            self.wait(|event| matches!(event, Event::Attached { link: known, .. } if *known == link));
        let Event::Attached { attach, .. } = attached.await else { unreachable!() };
        (link, attach)
    }

    /// A link in a session of its own.
    pub async fn link(&mut self, role: Role, address: &str) -> LinkId {
        let session = self.session();
        self.attach(session, offer("link", role, address)).await.0
    }

    pub async fn sender(&mut self, address: &str) -> LinkId {
        let link = self.link(Role::Sender, address).await;
        self.ready(link).await;
        link
    }

    pub async fn receiver(&mut self, address: &str) -> LinkId {
        self.link(Role::Receiver, address).await
    }

    pub async fn ready(&mut self, link: LinkId) {
        while !self.machine.is_ready(link) {
            self.wait(|event| matches!(event, Event::Credit { link: known } if *known == link)).await;
        }
    }

    /// The server ends a link.
    pub async fn detached(&mut self, link: LinkId) -> Fault {
        let detached =
            self.wait(|event| matches!(event, Event::Detached { link: known, .. } if *known == link));
        let Event::Detached { fault, .. } = detached.await else { unreachable!() };
        fault.expect("the server says why")
    }

    pub async fn send(&mut self, link: LinkId, outgoing: Outgoing) -> DeliveryId {
        self.ready(link).await;
        self.machine.send(link, outgoing).unwrap()
    }

    pub async fn outcome(&mut self, link: LinkId, delivery: DeliveryId) -> Outcome {
        let told = self.wait(|event| {
            matches!(event, Event::Outcome { link: on, delivery: of, .. } if *on == link && *of == delivery)
        });
        let Event::Outcome { outcome, is_settled, .. } = told.await else { unreachable!() };
        assert!(is_settled, "the server settles at once");
        outcome.unwrap()
    }

    /// Sends a message, and what became of it.
    pub async fn deliver(&mut self, link: LinkId, payload: impl Into<Bytes>) -> Outcome {
        let delivery = self.send(link, unsettled(payload)).await;
        self.outcome(link, delivery).await
    }

    pub async fn delivery(&mut self, link: LinkId) -> Delivery {
        let came =
            self.wait(|event| matches!(event, Event::Delivery { link: known, .. } if *known == link)).await;
        let Event::Delivery { delivery, .. } = came else { unreachable!() };
        delivery
    }

    /// The next message on a link whose sender wants no outcome.
    pub async fn message(&mut self, link: LinkId) -> Sections {
        let delivery = self.delivery(link).await;
        assert!(delivery.is_settled);
        self.machine.forget(link, 1);
        sections(&delivery)
    }

    /// Shows a token: the status, and what it says.
    pub async fn put_token(&mut self, audience: &str, token: &str) -> (i64, String) {
        let (sender, receiver) = match self.cbs {
            Some(cbs) => cbs,
            None => {
                let session = self.session();
                let (receiver, _) = self.attach(session, offer("answers", Role::Receiver, "$cbs")).await;
                let (sender, _) = self.attach(session, offer("requests", Role::Sender, "$cbs")).await;
                *self.cbs.insert((sender, receiver))
            }
        };
        let request = token_request(Value::Ulong(7), audience, token);
        assert_eq!(self.deliver(sender, request).await, Outcome::Accepted);
        let answer = self.message(receiver).await;
        assert_eq!(answer.properties.correlation_id, Value::Ulong(7));
        status(&answer)
    }
}

/// What the answer to a token says.
pub fn status(answer: &Sections) -> (i64, String) {
    let status = answer.property("status-code");
    assert!(matches!(status, Some(Value::Int(_))), "{status:?}");
    let said = answer.property("status-description").and_then(Value::as_text).unwrap();
    (status.and_then(Value::as_integer).unwrap(), said.to_owned())
}
