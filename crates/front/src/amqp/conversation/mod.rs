//! One connection, until it goes.
//!
//! ```text
//!  wire ──► machine ──► events ──► links ──► identities: publishes, answers, twin requests
//!   ▲                                  └───► tokens, sources, targets, requests
//!   └── machine ◄── mail of the links ◄──── orders of the identities, sources, answers
//! ```
//!
//! Whatever takes time is under way as a question ([`asked`]); questions, orders and sources have
//! bells, and only those that ring are looked at.

mod asked;
mod attach;
mod commands;
mod end;
mod events;
mod faults;
mod identity;
mod link;
mod methods;
mod service;
mod telemetry;
mod tokens;
mod twin;

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use skerry_amqp::codec::Symbol;
use skerry_amqp::connection::{Connection, LinkId, unit_length};
use skerry_amqp::performative::{Fault, condition};
use skerry_model::IdentityId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::bells::Bells;
use super::wire::{Turn, Wire};
use super::{ASKED_MAX, Shared};
use crate::device::{PeerCertificates, Soon};
use crate::ingest::Taken;
use crate::listen::Stopping;
use asked::Asked;
use end::End;
use identity::Identity;
use link::Link;
use telemetry::Batches;
use tokens::Tokens;

/// How long the last messages of a client that is gone are waited for.
const LAST_ASKED: Duration = Duration::from_secs(10);

/// Who rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Asked(u32),
    Identity(u32),
    Source(LinkId),
    /// There is room again for what waits on a link.
    Credit(LinkId),
}

pub(super) struct Conversation<S> {
    shared: Arc<Shared>,
    wire: Wire<S>,
    machine: Connection,
    began: Instant,
    peer: SocketAddr,
    certificates: Option<PeerCertificates>,
    /// As the client named us.
    host: String,
    tokens: Tokens,
    bells: Bells<Key>,
    asked: Asked,
    links: BTreeMap<LinkId, Box<Link>>,
    identities: BTreeMap<u32, Box<Identity>>,
    by_name: HashMap<IdentityId, u32>,
    next_identity: u32,
    /// Units that wait until it is known who the client is.
    units: Bytes,
    batches: Batches,
    /// Messages wait for room.
    waiting: Option<Soon<Taken>>,
    /// Sent, and without an outcome.
    open_bytes: usize,
    /// It said nothing by which one could know it.
    is_disbelieved: bool,
    /// Until then something has to count.
    proven_by: Option<Instant>,
    /// Since then nothing went out that should.
    stuck_since: Option<Instant>,
    /// So much was to be sent that links had to wait.
    was_full: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) fn new(
        shared: Arc<Shared>,
        stream: S,
        peer: SocketAddr,
        certificates: Option<PeerCertificates>,
    ) -> Self {
        let limits = &shared.limits;
        let wire = Wire::new(stream, limits.machine.frame_bytes_max as usize);
        let began = Instant::now();
        Self {
            wire,
            machine: Connection::server(limits.machine.clone()),
            began,
            peer,
            certificates,
            host: String::new(),
            tokens: Tokens::default(),
            bells: Bells::new(),
            asked: Asked::default(),
            links: BTreeMap::new(),
            identities: BTreeMap::new(),
            by_name: HashMap::new(),
            next_identity: 0,
            units: Bytes::new(),
            batches: Batches::default(),
            waiting: None,
            open_bytes: 0,
            is_disbelieved: false,
            proven_by: Some(began + limits.unproven_timeout),
            stuck_since: None,
            was_full: false,
            shared,
        }
    }

    pub(super) async fn run(&mut self, mut stopping: Stopping) {
        let shared = Arc::clone(&self.shared);
        let _open = shared.figures.amqp_open.raise(1);
        let end = self.live(&mut stopping).await;
        shared.figures.amqp_ended(&end).increment();
        tracing::debug!(peer = %self.peer, why = %end, "An AMQP client is gone.");
        // Boxed: most of its life a connection does not need the room of its end.
        Box::pin(self.leave(end)).await;
    }

    async fn leave(&mut self, end: End) {
        self.publish_batches();
        let last = async {
            while self.asked.has_publishes() {
                let Key::Asked(number) = poll_fn(|context| self.bells.poll_next(context)).await else {
                    continue;
                };
                // What is kept is said to be, where the client still listens.
                if let Some(answer) = self.asked.poll(number) {
                    self.tell(answer).ok();
                }
            }
        };
        tokio::time::timeout(LAST_ASKED, last).await.ok();
        // Identities count as gone before their connection does.
        self.identities.clear();
        let links = std::mem::take(&mut self.links);
        if let Some(fault) = end.farewell() {
            // There are clients that, told only of the connection's end, wait for the ends of its links;
            // and they try again only after this condition.
            if let Some(fault) = &fault {
                let condition = Symbol::known(condition::DETACH_FORCED);
                let ended = Fault { condition, ..fault.clone() };
                links.keys().for_each(|link| self.machine.end(link.session(), Some(ended.clone())));
            }
            self.machine.close(fault);
            self.wire.close(&mut self.machine.out).await;
        }
    }

    async fn live(&mut self, stopping: &mut Stopping) -> End {
        let mut alarm = Box::pin(tokio::time::sleep_until(self.deadline()));
        let mut stop = std::pin::pin!(stopping.wait());
        loop {
            if let Err(end) = self.take_units() {
                return end;
            }
            // What was told to the machine in the meantime may have moved it.
            self.take_events();
            self.machine.rest();
            if self.machine.is_closed() {
                return if self.is_disbelieved { End::Disbelieved } else { End::Goodbye };
            }
            self.watch_out();
            let deadline = self.deadline();
            if deadline < alarm.deadline() {
                alarm.as_mut().reset(deadline);
            }
            let may_read = self.may_read();
            let (wire, out) = (&mut self.wire, &mut self.machine.out);
            let (bells, waiting) = (&self.bells, &mut self.waiting);
            // In any order: neither whoever has much to say nor what is told may keep the other waiting.
            let outcome = tokio::select! {
                () = &mut stop => Err(End::Stopping),
                key = poll_fn(|context| bells.poll_next(context)) => self.answer_bell(key),
                turn = poll_fn(|context| wire.poll_turn(context, out, may_read)) => match turn {
                    Ok(turn) => {
                        self.take_turn(turn);
                        Ok(())
                    }
                    Err(gone) => Err(gone.into()),
                },
                taken = poll_fn(|context| match waiting {
                    Some(wait) => wait.as_mut().poll(context),
                    None => Poll::Pending,
                }) => {
                    self.waiting = None;
                    self.publish_taken(taken);
                    Ok(())
                }
                () = &mut alarm => {
                    let outcome = self.ring_alarm();
                    let deadline = self.deadline();
                    alarm.as_mut().reset(deadline);
                    outcome
                }
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    fn take_turn(&mut self, turn: Turn) {
        let now = self.began.elapsed();
        match turn {
            Turn::Units(units) => {
                self.machine.hear(now);
                self.units = units;
            }
            Turn::Wrote => {
                self.machine.speak(now);
                self.stuck_since = None;
                if self.machine.out.is_empty() && std::mem::take(&mut self.was_full) {
                    self.ring_sources();
                }
            }
        }
    }

    /// Hands over what came, as far as it may be.
    fn take_units(&mut self) -> Result<(), End> {
        let frame_bytes_max = self.shared.limits.machine.frame_bytes_max as usize;
        while !self.machine.is_deciding() {
            let Ok(Some(len)) = unit_length(&self.units, frame_bytes_max) else { break };
            let unit = self.units.split_to(len.min(self.units.len()));
            let handled = self.machine.handle_unit(unit);
            self.take_events();
            if let Err(violation) = handled {
                self.publish_batches();
                return Err(violation.into());
            }
        }
        if self.units.is_empty() {
            self.units = Bytes::new();
        }
        self.publish_batches();
        Ok(())
    }

    fn may_read(&self) -> bool {
        let limits = &self.shared.limits;
        self.units.is_empty()
            && self.waiting.is_none()
            && self.asked.len() < ASKED_MAX
            && self.open_bytes < limits.unacknowledged_bytes_max
            && self.machine.out.len() < limits.machine.out_bytes_max
    }

    fn watch_out(&mut self) {
        self.was_full |= self.machine.out.len() >= self.shared.limits.machine.out_bytes_max;
        if self.machine.out.is_empty() {
            self.stuck_since = None;
        } else if self.stuck_since.is_none() {
            self.stuck_since = Some(Instant::now());
        }
    }

    fn deadline(&self) -> Instant {
        let machine = self.machine.deadline().map(|deadline| self.began + deadline);
        let stuck = self.stuck_since.map(|since| since + self.shared.limits.write_timeout);
        let candidates = [machine, stuck, self.proven_by, self.tokens.next_end()];
        candidates.into_iter().flatten().min().unwrap_or(Instant::now() + Duration::from_secs(3600))
    }

    fn ring_alarm(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.proven_by.is_some_and(|by| by <= now) {
            return Err(End::Unproven);
        }
        let write_timeout = self.shared.limits.write_timeout;
        if self.stuck_since.is_some_and(|since| since + write_timeout <= now) {
            return Err(End::Stuck);
        }
        self.expire_tokens(now);
        if !self.may_read() {
            // Silence counts only while we listen; signs of life are due all the same.
            self.machine.hear(self.began.elapsed());
        }
        self.machine.handle_time(self.began.elapsed())?;
        Ok(())
    }

    fn answer_bell(&mut self, key: Key) -> Result<(), End> {
        match key {
            Key::Asked(number) => match self.asked.poll(number) {
                Some(answer) => self.tell(answer),
                None => Ok(()),
            },
            Key::Identity(key) => self.ask_identity(key),
            Key::Source(link) => {
                self.ask_source(link);
                Ok(())
            }
            Key::Credit(link) => {
                self.take_credit(link);
                Ok(())
            }
        }
    }
}
