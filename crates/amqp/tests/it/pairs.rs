//! A client's machine and a server's, wired back to back: bytes arrive in pieces of any size, both do
//! whatever they may at any time, and in the end they agree.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use skerry_amqp::codec::Value;
use skerry_amqp::connection::{
    Connection, Event, LinkId, Offer, Options, Outgoing, Reply, SessionId, unit_length,
};
use skerry_amqp::performative::{Attach, Outcome, ReceiverSettles, Role, SenderSettles, Source, Target};

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    /// A client's link in one of its sessions; whether it sends, and the receiver's window.
    Attach {
        session: usize,
        sends: bool,
        window: u32,
    },
    /// Something to send on one of the links, by whoever sends on it.
    Send {
        link: usize,
        len: usize,
        is_settled: bool,
    },
    /// The receiver's word about the oldest messages of a link.
    Settle {
        link: usize,
        count: usize,
    },
    Detach {
        link: usize,
        by_client: bool,
    },
    End {
        session: usize,
        by_client: bool,
    },
    /// The server accepts the links that it was asked for.
    Accept,
    /// So many bytes go one way.
    Carry {
        to_server: bool,
        bytes: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let any_link = 0..6_usize;
    prop_oneof![
        1 => Just(Step::Begin),
        3 => (0..3_usize, any::<bool>(), 1..6_u32)
            .prop_map(|(session, sends, window)| Step::Attach { session, sends, window }),
        8 => (any_link.clone(), prop_oneof![0..50_usize, 300..3000_usize], any::<bool>())
            .prop_map(|(link, len, is_settled)| Step::Send { link, len, is_settled }),
        5 => (any_link.clone(), 1..4_usize).prop_map(|(link, count)| Step::Settle { link, count }),
        1 => (any_link, any::<bool>()).prop_map(|(link, by_client)| Step::Detach { link, by_client }),
        1 => (0..3_usize, any::<bool>()).prop_map(|(session, by_client)| Step::End { session, by_client }),
        3 => Just(Step::Accept),
        10 => (any::<bool>(), 1..2000_usize).prop_map(|(to_server, bytes)| Step::Carry { to_server, bytes }),
    ]
}

fn options(frame_bytes_max: u32, window: u32, unsettled_max: usize, out_bytes_max: usize) -> Options {
    Options { frame_bytes_max, window, unsettled_max, out_bytes_max, ..Options::new("test".into()) }
}

/// What tells one message of a link from others: its byte, and how often it stands there.
type Shape = (Option<u8>, usize);

fn shape(payload: &[u8]) -> Shape {
    let first = payload.first().copied();
    assert!(payload.iter().all(|byte| Some(*byte) == first), "two messages were mixed");
    (first, payload.len())
}

/// One end, with what its user knows.
struct End {
    machine: Connection,
    /// What came of the other end and is no whole unit yet.
    read: BytesMut,
    /// By the link's name: its id here.
    links: BTreeMap<String, LinkId>,
    /// Wants to go out, in its order.
    queued: BTreeMap<String, VecDeque<(Bytes, bool)>>,
    /// Went out and has no outcome.
    waiting: BTreeMap<(LinkId, u32), String>,
    /// Came and was not settled, with its number.
    held: BTreeMap<String, VecDeque<(u32, bool)>>,
    came: BTreeMap<String, Vec<Shape>>,
    outcomes: BTreeMap<String, u32>,
    faults: Vec<String>,
    asked: Vec<(LinkId, Box<Attach>)>,
    /// Links that the other end ended.
    gone: Vec<String>,
    /// There was more to send than fits.
    was_full: bool,
}

impl End {
    fn new(machine: Connection) -> Self {
        Self {
            machine,
            read: BytesMut::new(),
            links: BTreeMap::new(),
            queued: BTreeMap::new(),
            waiting: BTreeMap::new(),
            held: BTreeMap::new(),
            came: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            faults: Vec::new(),
            asked: Vec::new(),
            gone: Vec::new(),
            was_full: false,
        }
    }

    fn name_of(&self, id: LinkId) -> Option<String> {
        self.links.iter().find(|(_, known)| **known == id).map(|(name, _)| name.clone())
    }

    /// Sends what may be sent. Only what an event or empty output says is tried again.
    fn push(&mut self, name: &str, out_bytes_max: usize) {
        let (Some(id), Some(queue)) = (self.links.get(name).copied(), self.queued.get_mut(name)) else {
            return;
        };
        while self.machine.is_ready(id) {
            let Some((payload, is_settled)) = queue.pop_front() else { break };
            let outgoing = Outgoing { is_settled, payload, ..Outgoing::default() };
            let delivery = self.machine.send(id, outgoing).unwrap();
            if !is_settled {
                self.waiting.insert((id, delivery), name.to_owned());
            }
        }
        self.was_full |= self.machine.out.len() >= out_bytes_max;
    }

    fn take_events(&mut self, windows: &BTreeMap<String, u32>, out_bytes_max: usize) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::Attach { link, attach } => {
                    self.links.insert(attach.name.to_string(), link);
                    self.asked.push((link, attach));
                }
                Event::Credit { link } => {
                    if let Some(name) = self.name_of(link) {
                        self.push(&name, out_bytes_max);
                    }
                }
                Event::Delivery { link, delivery } => {
                    let name = self.name_of(link).unwrap();
                    let held = self.held.entry(name.clone()).or_default();
                    held.push_back((delivery.id, delivery.is_settled));
                    assert!(held.len() <= windows[&name] as usize, "more than the window of {name}");
                    self.came.entry(name).or_default().push(shape(&delivery.payload));
                }
                Event::Outcome { link, delivery, outcome, is_settled } => {
                    assert_eq!((outcome, is_settled), (Some(Outcome::Accepted), true));
                    let name = self.waiting.remove(&(link, delivery)).expect("it had no outcome yet");
                    *self.outcomes.entry(name).or_default() += 1;
                }
                Event::Detached { link, fault } => {
                    self.faults.extend(fault.map(|fault| format!("{fault:?}")));
                    self.gone.extend(self.name_of(link));
                    self.links.retain(|_, known| *known != link);
                    self.waiting.retain(|(known, _), _| *known != link);
                }
                Event::Recalled { .. } => panic!("nobody recalled anything"),
                Event::Opened(_) | Event::Attached { .. } | Event::Sasl(_) | Event::Closed { .. } => {}
            }
        }
    }

    /// Whether there was something to accept.
    fn accept(&mut self, windows: &BTreeMap<String, u32>, out_bytes_max: usize) -> bool {
        let asked = std::mem::take(&mut self.asked);
        for (link, attach) in &asked {
            // It may be over already.
            self.machine.accept(*link, Reply::to(attach, windows[&*attach.name], 1 << 20));
        }
        self.take_events(windows, out_bytes_max);
        !asked.is_empty()
    }

    fn settle(&mut self, name: &str, count: usize) {
        let Some(id) = self.links.get(name).copied() else { return };
        for _ in 0..count {
            match self.held.entry(name.to_owned()).or_default().pop_front() {
                Some((_, true)) => self.machine.forget(id, 1),
                Some((number, false)) => self.machine.settle(id, number, number, Outcome::Accepted),
                None => return,
            }
        }
    }
}

struct Pair {
    client: End,
    server: End,
    /// On its way, to the server and to the client.
    wires: [VecDeque<u8>; 2],
    sessions: Vec<SessionId>,
    /// Every link that ever was: its name, whether the client sends, its session.
    links: Vec<(String, bool, usize)>,
    windows: BTreeMap<String, u32>,
    sent: BTreeMap<String, Vec<(Shape, bool)>>,
    /// Links that somebody ended.
    ended: Vec<String>,
    out_bytes_max: usize,
}

impl Pair {
    fn open(client: Options, server: Options) -> Self {
        let out_bytes_max = client.out_bytes_max;
        let mut pair = Self {
            client: End::new(Connection::client(client, None)),
            server: End::new(Connection::server(server)),
            wires: [VecDeque::new(), VecDeque::new()],
            sessions: Vec::new(),
            links: Vec::new(),
            windows: BTreeMap::new(),
            sent: BTreeMap::new(),
            ended: Vec::new(),
            out_bytes_max,
        };
        pair.run_dry();
        assert!(pair.client.machine.is_open() && pair.server.machine.is_open());
        pair
    }

    fn carry(&mut self, to_server: bool, bytes: usize) -> bool {
        let (from, to) = match to_server {
            true => (&mut self.client, &mut self.server),
            false => (&mut self.server, &mut self.client),
        };
        let wire = &mut self.wires[usize::from(to_server)];
        // What is written leaves in pieces, too.
        let len = bytes.min(from.machine.out.len());
        wire.extend(from.machine.out.drain(..len));
        if from.machine.out.is_empty() && std::mem::take(&mut from.was_full) {
            let names: Vec<String> = from.queued.keys().cloned().collect();
            names.iter().for_each(|name| from.push(name, self.out_bytes_max));
        }
        let len = bytes.min(wire.len());
        to.read.extend(wire.drain(..len));
        while let Some(len) = unit_length(&to.read, 64 << 10).unwrap() {
            if len > to.read.len() {
                break;
            }
            let unit = to.read.split_to(len).freeze();
            to.machine.handle_unit(unit).unwrap();
            to.take_events(&self.windows, self.out_bytes_max);
        }
        len > 0
    }

    fn run_dry(&mut self) {
        for _ in 0..10_000 {
            let moved = self.carry(true, usize::MAX) | self.carry(false, usize::MAX);
            let is_dry = self.client.machine.out.is_empty() && self.server.machine.out.is_empty();
            if !moved && is_dry {
                return;
            }
        }
        panic!("they never stop talking");
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Begin => self.sessions.extend(self.client.machine.begin()),
            Step::Attach { session, sends, window } => {
                if self.sessions.is_empty() || self.links.len() >= 40 {
                    return;
                }
                let session = session % self.sessions.len();
                let name = format!("link{}", self.links.len());
                let offer = Offer {
                    name: (&*name).into(),
                    role: if sends { Role::Sender } else { Role::Receiver },
                    source: Source::at("here"),
                    target: Target::at("there"),
                    sender_settles: SenderSettles::Mixed,
                    receiver_settles: ReceiverSettles::First,
                    properties: Value::Null,
                    window,
                    message_bytes_max: 1 << 20,
                };
                let Some(id) = self.client.machine.attach(self.sessions[session], offer) else { return };
                self.windows.insert(name.clone(), window);
                self.client.links.insert(name.clone(), id);
                self.links.push((name, sends, session));
            }
            Step::Send { link, len, is_settled } => {
                let Some((name, sends, _)) = self.links.iter().rev().nth(link).cloned() else { return };
                let sent = self.sent.entry(name.clone()).or_default();
                let byte = (sent.len() % 251) as u8;
                let payload = Bytes::from(vec![byte; len]);
                sent.push((shape(&payload), is_settled));
                let end = if sends { &mut self.client } else { &mut self.server };
                end.queued.entry(name.clone()).or_default().push_back((payload, is_settled));
                end.push(&name, self.out_bytes_max);
            }
            Step::Settle { link, count } => {
                let Some((name, sends, _)) = self.links.iter().rev().nth(link).cloned() else { return };
                let end = if sends { &mut self.server } else { &mut self.client };
                end.settle(&name, count);
            }
            Step::Detach { link, by_client } => {
                let Some((name, ..)) = self.links.iter().rev().nth(link).cloned() else { return };
                let end = if by_client { &mut self.client } else { &mut self.server };
                if let Some(id) = end.links.remove(&name) {
                    end.machine.detach(id, None);
                    end.waiting.retain(|(known, _), _| *known != id);
                    self.ended.push(name);
                }
            }
            Step::End { session, by_client } => {
                if self.sessions.is_empty() {
                    return;
                }
                let session = session % self.sessions.len();
                let named = self.links.iter().filter(|(_, _, of)| *of == session);
                let names: Vec<String> = named.map(|(name, ..)| name.clone()).collect();
                let end = if by_client { &mut self.client } else { &mut self.server };
                // The server knows its sessions by the links in them.
                let id = names.iter().find_map(|name| end.links.get(name)).map(|id| id.session());
                let id = if by_client { Some(self.sessions[session]) } else { id };
                let Some(id) = id else { return };
                end.machine.end(id, None);
                end.take_events(&self.windows, self.out_bytes_max);
                self.ended.extend(names);
                if by_client {
                    self.sessions.remove(session);
                    for (_, _, of) in &mut self.links {
                        *of = match *of {
                            of if of == session => usize::MAX,
                            of if of > session && of != usize::MAX => of - 1,
                            of => of,
                        };
                    }
                }
            }
            Step::Accept => drop(self.server.accept(&self.windows, self.out_bytes_max)),
            Step::Carry { to_server, bytes } => drop(self.carry(to_server, bytes)),
        }
    }

    /// Everything is settled and carried until nothing moves; then both must agree.
    fn finish(mut self) {
        loop {
            self.run_dry();
            let mut is_moving = self.server.accept(&self.windows, self.out_bytes_max);
            for (name, sends, _) in &self.links {
                let end = if *sends { &mut self.server } else { &mut self.client };
                if end.links.contains_key(name) && end.held.get(name).is_some_and(|held| !held.is_empty()) {
                    end.settle(name, usize::MAX);
                    is_moving = true;
                }
            }
            if !is_moving {
                break;
            }
        }
        assert_eq!((&self.client.faults, &self.server.faults), (&Vec::new(), &Vec::new()));
        assert!(self.client.machine.is_open() && self.server.machine.is_open());
        self.ended.extend(self.client.gone.drain(..).chain(self.server.gone.drain(..)));
        for (name, sends, _) in &self.links {
            let (from, to) = match sends {
                true => (&self.client, &self.server),
                false => (&self.server, &self.client),
            };
            let sent = self.sent.get(name).cloned().unwrap_or_default();
            let shapes: Vec<Shape> = sent.iter().map(|(shape, _)| *shape).collect();
            let came = to.came.get(name).cloned().unwrap_or_default();
            if self.ended.contains(name) {
                assert!(shapes.starts_with(&came), "{name}: nothing is out of its order");
                continue;
            }
            assert_eq!(came, shapes, "{name}");
            let unsettled = sent.iter().filter(|(_, is_settled)| !is_settled).count();
            assert_eq!(from.outcomes.get(name).copied().unwrap_or_default() as usize, unsettled, "{name}");
            // More is given when half of it is used.
            let (credit, window) = (from.machine.credit(from.links[name]), self.windows[name]);
            assert!(credit > window / 2 && credit <= window, "{name}: {credit} of {window}");
        }
        assert!(self.client.waiting.is_empty() && self.server.waiting.is_empty());
    }
}

proptest! {
    #[test]
    fn two_machines_agree_whatever_they_do_and_however_bytes_arrive(
        steps in vec(step(), 1..120),
        frames in (512..2000_u32, 512..2000_u32),
        windows in (1..20_u32, 1..20_u32),
        (unsettled_max, out_bytes_max) in (1..6_usize, 100..5000_usize),
    ) {
        let client = options(frames.0, windows.0, unsettled_max, out_bytes_max);
        let server = options(frames.1, windows.1, unsettled_max, out_bytes_max);
        let mut pair = Pair::open(client, server);
        pair.take(Step::Begin);
        for step in steps {
            pair.take(step);
        }
        pair.finish();
    }
}
