//! Machines of both sides that hear anything, in any order, while their users do what they may: no
//! panic, one end, and bounds that hold.

use bytes::Bytes;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use skerry_amqp::codec::Value;
use skerry_amqp::connection::{
    Connection, Credentials, Event, LinkId, Offer, Options, Outgoing, Reply, unit_length,
};
use skerry_amqp::frame::{Kind, put_frame};
use skerry_amqp::performative::*;
use std::time::Duration;

use crate::arbitrary::performative;
use crate::dice::{Dice, mutate, often};

/// Connections per test; for a long night: `SKERRY_TEST_FUZZ_RUNS=10000000`.
const RUNS: u64 = 1500;
const UNITS_MAX: usize = 60;
const PARTIAL_BYTES_MAX: usize = 4000;

fn options() -> Options {
    Options {
        frame_bytes_max: 2000,
        sessions_max: 4,
        links_max: 6,
        window: 16,
        unsettled_max: 8,
        partial_bytes_max: PARTIAL_BYTES_MAX,
        out_bytes_max: 8000,
        hostname: Some("here".into()),
        ..Options::new("test".into())
    }
}

/// A peer that mostly keeps to what it began itself.
struct Peer {
    is_server: bool,
    handles: Vec<(u32, Role)>,
    next_handle: u32,
    next_delivery: u32,
    is_in_message: bool,
}

impl Peer {
    /// A number, or a wrong one.
    fn wrong_or(dice: &mut Dice, right: u32) -> u32 {
        if dice.roll(40) == 0 { dice.number() } else { right }
    }

    fn handle(&self, dice: &mut Dice, role: Role) -> u32 {
        let mine: Vec<u32> =
            self.handles.iter().filter(|(_, known)| *known == role).map(|(handle, _)| *handle).collect();
        let right = if mine.is_empty() { 0 } else { *dice.pick(&mine) };
        Self::wrong_or(dice, right)
    }

    fn fault(dice: &mut Dice) -> Option<Fault> {
        (dice.roll(3) == 0).then(|| Fault::new(condition::NOT_ALLOWED, "no"))
    }

    /// The next frame, with what makes it plausible.
    fn say(&mut self, dice: &mut Dice) -> Performative {
        if self.handles.is_empty() && dice.roll(3) > 0 {
            return self.attach(dice);
        }
        match dice.roll(100) {
            0 => Performative::Open(Box::new(Open { container: "peer".into(), ..Open::default() })),
            1..=3 => Performative::Begin(Begin {
                remote_channel: (self.is_server || dice.roll(8) == 0).then(|| dice.roll(4) as u16),
                next_outgoing: dice.number(),
                incoming_window: dice.number(),
                outgoing_window: 100,
                ..Begin::default()
            }),
            4..=15 => self.attach(dice),
            16..=35 => self.flow(dice),
            36..=75 => self.transfer(dice),
            76..=89 => Performative::Disposition(Disposition {
                role: if dice.roll(4) == 0 { Role::Sender } else { Role::Receiver },
                first: Self::wrong_or(dice, 1),
                last: (dice.roll(2) == 0).then(|| dice.roll(10) as u32),
                is_settled: dice.roll(2) == 0,
                state: match dice.roll(6) {
                    0 => None,
                    1 => Some(Outcome::Released),
                    2 => Some(Outcome::Rejected(None)),
                    3 => Some(Outcome::Received { section: 0, offset: 1 }),
                    _ => Some(Outcome::Accepted),
                },
                is_batchable: false,
            }),
            90..=95 => {
                let role = if dice.roll(2) == 0 { Role::Sender } else { Role::Receiver };
                let handle = self.handle(dice, role);
                self.handles.retain(|(known, _)| *known != handle);
                let is_closed = dice.roll(2) == 0;
                Performative::Detach(Detach { handle, is_closed, fault: Self::fault(dice) })
            }
            96 => {
                self.handles.clear();
                Performative::End(End { fault: Self::fault(dice) })
            }
            97 if dice.roll(3) == 0 => Performative::Close(Close { fault: Self::fault(dice) }),
            _ => Performative::Flow(Flow { incoming_window: 100, ..Flow::default() }),
        }
    }

    fn attach(&mut self, dice: &mut Dice) -> Performative {
        let role = if dice.roll(2) == 0 { Role::Sender } else { Role::Receiver };
        let handle = Self::wrong_or(dice, self.next_handle);
        self.next_handle += 1;
        self.handles.push((handle, role));
        let name = match dice.roll(4) {
            0 => "ours0".to_owned(),
            1 => "ours1".to_owned(),
            2 => "again".to_owned(),
            _ => format!("link{handle}"),
        };
        Performative::Attach(Box::new(Attach {
            name: (&*name).into(),
            handle,
            role,
            receiver_settles: *dice.pick(&[ReceiverSettles::First, ReceiverSettles::Second]),
            source: (dice.roll(2) == 0).then(Source::default),
            target: (dice.roll(2) == 0).then(|| Target::at("/there")),
            delivery_count: (dice.roll(2) == 0).then_some(0),
            message_bytes_max: (dice.roll(3) == 0).then(|| dice.roll(3000) as u64),
            ..Attach::default()
        }))
    }

    fn flow(&mut self, dice: &mut Dice) -> Performative {
        let role = if dice.roll(5) == 0 { Role::Sender } else { Role::Receiver };
        Performative::Flow(Flow {
            next_incoming: (dice.roll(4) > 0).then(|| Self::wrong_or(dice, 1)),
            incoming_window: Self::wrong_or(dice, 50),
            next_outgoing: dice.number(),
            outgoing_window: dice.number(),
            handle: (dice.roll(4) > 0).then(|| self.handle(dice, role)),
            delivery_count: (dice.roll(2) == 0).then(|| Self::wrong_or(dice, 0)),
            credit: Some(Self::wrong_or(dice, 5)),
            is_drain: dice.roll(4) == 0,
            wants_echo: dice.roll(4) == 0,
            ..Flow::default()
        })
    }

    fn transfer(&mut self, dice: &mut Dice) -> Performative {
        let begins = !std::mem::replace(&mut self.is_in_message, dice.roll(4) == 0);
        if begins {
            self.next_delivery += 1;
        }
        Performative::Transfer(Transfer {
            handle: self.handle(dice, Role::Sender),
            delivery: (begins || dice.roll(2) == 0).then(|| Self::wrong_or(dice, self.next_delivery)),
            tag: begins.then(|| Bytes::from_static(b"tag")),
            is_settled: (dice.roll(2) == 0).then(|| dice.roll(2) == 0),
            has_more: self.is_in_message,
            state: (dice.roll(10) == 0).then_some(Outcome::Accepted),
            is_aborted: dice.roll(20) == 0,
            ..Transfer::default()
        })
    }
}

fn framed(said: &Performative, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut unit = Vec::new();
    put_frame(&mut unit, Kind::Amqp, channel, |out| {
        said.encode(out);
        out.extend_from_slice(payload);
    });
    unit
}

/// What a peer says first, mostly right.
fn greeting(dice: &mut Dice, is_of_server: bool, has_sasl: bool) -> Vec<Vec<u8>> {
    let mut units = Vec::new();
    let sasl = |said: &SaslFrame| {
        let mut unit = Vec::new();
        put_frame(&mut unit, Kind::Sasl, 0, |out| said.encode(out));
        unit
    };
    if has_sasl {
        units.push(b"AMQP\x03\x01\x00\x00".to_vec());
        if is_of_server {
            let names = vec![skerry_amqp::codec::Symbol::known("ANONYMOUS")];
            units.push(sasl(&SaslFrame::Mechanisms(Mechanisms { names })));
            units.push(sasl(&SaslFrame::Outcome(SaslOutcome { code: SaslCode::Ok })));
        } else {
            let mechanism = skerry_amqp::codec::Symbol::known("ANONYMOUS");
            units.push(sasl(&SaslFrame::Init(Init { mechanism, response: None, hostname: None })));
        }
    }
    units.push(b"AMQP\x00\x01\x00\x00".to_vec());
    let open = Open {
        container: "peer".into(),
        frame_bytes_max: (dice.roll(2) == 0).then_some(512),
        idle_timeout_ms: (dice.roll(2) == 0).then(|| dice.number()),
        ..Open::default()
    };
    units.push(framed(&Performative::Open(Box::new(open)), 0, b""));
    units
}

/// The machine's user, who does what is allowed and too much of it.
struct User {
    machine: Connection,
    links: Vec<LinkId>,
    sent: Vec<(LinkId, u32)>,
    deliveries: u64,
}

impl User {
    fn take_events(&mut self, dice: &mut Dice) {
        let mut count = 0;
        while let Some(event) = self.machine.poll_event() {
            count += 1;
            assert!(count <= 100, "what one unit says is told in a few words");
            match event {
                Event::Sasl(_) if dice.roll(10) == 0 => self.machine.answer_sasl(SaslCode::Auth),
                Event::Sasl(_) => self.machine.answer_sasl(SaslCode::Ok),
                Event::Attach { link, attach } => {
                    self.links.push(link);
                    match dice.roll(6) {
                        0 => self.machine.refuse(link, &attach, Fault::new(condition::NOT_FOUND, "no")),
                        // Decided later, or never.
                        1 => {}
                        _ => self.machine.accept(link, Reply::to(&attach, dice.roll(8) as u32, 3000)),
                    }
                }
                Event::Delivery { link, delivery } => {
                    self.deliveries += 1;
                    assert!(delivery.payload.len() <= 3000);
                    match dice.roll(3) {
                        0 => {}
                        _ if delivery.is_settled => self.machine.forget(link, 1),
                        _ => self.machine.settle(link, delivery.id, delivery.id, Outcome::Accepted),
                    }
                }
                Event::Outcome { link, delivery, is_settled, .. } => {
                    if !is_settled {
                        self.machine.settle_sent(link, delivery, Outcome::Accepted);
                    }
                }
                Event::Detached { link, .. } => {
                    assert!(!self.machine.is_ready(link), "it is over");
                    self.links.retain(|known| *known != link);
                }
                Event::Credit { link } => self.send(link, dice),
                Event::Opened(_) | Event::Attached { .. } | Event::Recalled { .. } | Event::Closed { .. } => {
                }
            }
        }
    }

    fn send(&mut self, link: LinkId, dice: &mut Dice) {
        let payload = Bytes::from(vec![1; dice.roll(3000)]);
        let outgoing = Outgoing { is_settled: dice.roll(2) == 0, payload, ..Outgoing::default() };
        let was_ready = self.machine.is_ready(link);
        if let Some(delivery) = self.machine.send(link, outgoing) {
            assert!(was_ready);
            self.sent.push((link, delivery));
        }
    }

    fn act(&mut self, dice: &mut Dice) {
        let link = (!self.links.is_empty()).then(|| *dice.pick(&self.links));
        match (dice.roll(13), link) {
            (0, _) => drop(self.machine.begin().map(|session| {
                for number in 0..2 {
                    let role = if dice.roll(2) == 0 { Role::Sender } else { Role::Receiver };
                    self.links.extend(self.machine.attach(session, offer(number, role)));
                }
            })),
            (1..=5, Some(link)) => self.send(link, dice),
            (6, Some(link)) => self.machine.drain(link),
            (7, Some(link)) => self.machine.widen(link, dice.roll(9) as u32),
            (8, Some(link)) => {
                self.machine.detach(link, None);
                assert!(!self.machine.is_ready(link));
            }
            (9, Some(link)) if dice.roll(4) == 0 => self.machine.end(link.session(), None),
            (10, _) if dice.roll(20) == 0 => self.machine.close(None),
            (11, _) => {
                let now = Duration::from_millis(dice.roll(100_000) as u64);
                drop(self.machine.handle_time(now));
                self.machine.hear(now);
            }
            (12, Some(link)) => self.machine.recall(link),
            _ => {}
        }
        // Links that are gone may be named for a while.
        if let Some((link, delivery)) = self.sent.pop()
            && dice.roll(4) == 0
        {
            self.machine.settle_sent(link, delivery, Outcome::Released);
        }
    }
}

fn offer(number: usize, role: Role) -> Offer {
    Offer {
        name: (&*format!("ours{number}")).into(),
        role,
        source: Source::at("here"),
        target: Target::at("there"),
        sender_settles: SenderSettles::Mixed,
        receiver_settles: ReceiverSettles::First,
        properties: Value::Null,
        window: 5,
        message_bytes_max: 3000,
    }
}

/// One connection; how many messages came through it.
fn converse(seed: u64, strange: &[Vec<u8>]) -> u64 {
    let mut dice = Dice::new(seed);
    let is_client = dice.roll(3) == 0;
    let has_sasl = dice.roll(2) == 0;
    let machine = if is_client {
        let credentials = has_sasl.then_some(Credentials { mechanism: Mechanism::Anonymous, response: None });
        Connection::client(options(), credentials)
    } else {
        Connection::server(options())
    };
    let mut user = User { machine, links: Vec::new(), sent: Vec::new(), deliveries: 0 };
    let mut units = greeting(&mut dice, is_client, has_sasl);
    if !is_client {
        let begin = Begin { incoming_window: 100, ..Begin::default() };
        units.push(framed(&Performative::Begin(begin), 0, b""));
    }
    let mut peer = Peer {
        is_server: is_client,
        handles: Vec::new(),
        next_handle: 0,
        next_delivery: 0,
        is_in_message: false,
    };
    for _ in 0..dice.roll(UNITS_MAX) {
        units.push(match dice.roll(40) {
            0 => dice.pick(strange).clone(),
            1 => vec![0, 0, 0, 8, 2, 0, 0, 0],
            _ => {
                let said = peer.say(&mut dice);
                let channel = if dice.roll(20) == 0 { dice.number() as u16 } else { 0 };
                let len = if matches!(said, Performative::Transfer(_)) { dice.roll(1500) } else { 0 };
                framed(&said, channel, &vec![3; len])
            }
        });
    }
    if dice.roll(2) == 0 {
        let (at, with) = (dice.roll(units.len()), dice.roll(units.len()));
        match dice.roll(4) {
            0 => units.swap(at, with),
            1 => drop(units.remove(at)),
            2 => units.insert(at, units[with].clone()),
            _ => {
                let other = units[with].clone();
                mutate(&mut units[at], &other, &mut dice);
            }
        }
    }
    let mut bytes = Bytes::from(units.concat());
    while let Ok(Some(len)) = unit_length(&bytes, 2000) {
        if len > bytes.len() {
            break;
        }
        let outcome = user.machine.handle_unit(bytes.split_to(len));
        user.take_events(&mut dice);
        if outcome.is_err() {
            assert!(user.machine.is_closed());
            assert_eq!(user.machine.deadline(), None);
            break;
        }
        user.act(&mut dice);
        user.take_events(&mut dice);
        // A message may begin while there is room, and its answers are short.
        assert!(user.machine.out.len() < 8000 + 2 * 3000 * 5, "{}", user.machine.out.len());
        if dice.roll(3) > 0 {
            user.machine.out.clear();
        }
        let _ = user.machine.deadline();
    }
    user.deliveries
}

#[test]
fn machines_bear_whatever_a_peer_says() {
    let mut runner = TestRunner::deterministic();
    let strange: Vec<Vec<u8>> = (0..300)
        .map(|number| framed(&performative().new_tree(&mut runner).unwrap().current(), number % 3, b"rest"))
        .collect();
    let runs = often(RUNS);
    let mut deliveries = 0;
    for seed in 0..runs {
        let outcome = std::panic::catch_unwind(|| converse(seed, &strange));
        deliveries += outcome.unwrap_or_else(|_| panic!("the conversation with the seed {seed} broke"));
    }
    assert!(deliveries > runs / 10, "only {deliveries} messages came in {runs} conversations");
}
