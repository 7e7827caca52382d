//! One connected client, until it goes.
//!
//! ```text
//!  wire ──► machine ──► inbound ──► turns (publishes, acknowledged in order)
//!   ▲                      └──────► asked (twin requests, subscriptions, settlements)
//!   └── machine ◄── outbound ◄──── told (commands, calls, desired properties, the end)
//! ```

mod asked;
mod end;
mod inbound;
mod outbound;
mod told;
mod turns;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use skerry_mqtt::packet::{Qos, Will};
use skerry_mqtt::server::Server;
use skerry_mqtt::topic::{Subscription, UserName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::greet::Welcomed;
use super::wire::Wire;
use super::{ASKED_MAX, Shared, TURNS_MAX};
use crate::device::{self, Lease, Order, Soon, Subscriptions};
use crate::ingest::Taken;
use crate::listen::Stopping;
use asked::Asked;
use end::End;
use inbound::Work;
use told::Told;
use turns::Turns;

/// How long the last publishes of a client that is gone are waited for.
const LAST_TURNS: Duration = Duration::from_secs(10);
/// Orders are written when they come to so much, which is a record of TLS.
const TOGETHER_BYTES: usize = 16 << 10;

/// What is kept with a delivery until it is acknowledged.
pub(super) type Held = Lease;

pub(super) struct Session<S> {
    shared: Arc<Shared>,
    wire: Wire<S>,
    machine: Server<Held>,
    began: Instant,
    user: UserName,
    peer: SocketAddr,
    will: Option<Will>,
    client: Arc<dyn device::Session>,
    told: Told,
    subscriptions: Subscriptions,
    turns: Turns,
    asked: Asked,
    /// Packets that wait for room, with the wait.
    waiting: Option<(Bytes, Soon<Taken>)>,
    /// Packets that wait for answers to those before them.
    work: Option<Work>,
    has_room: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn new(shared: Arc<Shared>, welcomed: Welcomed<S>) -> Self {
        let Welcomed { wire, machine, began, connected, user, will, peer, rest } = welcomed;
        let mut session = Self {
            shared,
            wire,
            machine,
            began,
            user,
            peer,
            will,
            client: connected.session,
            told: Told::new(connected.orders),
            subscriptions: connected.kept.unwrap_or_default(),
            turns: Turns::default(),
            asked: Asked::default(),
            waiting: None,
            work: None,
            has_room: false,
        };
        let rest = rest.into_block();
        if !rest.is_empty() {
            session.receive(rest);
        }
        session
    }

    pub(super) async fn run(&mut self, mut stopping: Stopping) {
        let shared = Arc::clone(&self.shared);
        let _open = shared.figures.mqtt_open.raise(1);
        let end = self.live(&mut stopping).await;
        self.shared.figures.mqtt_ended(&end).increment();
        tracing::debug!(
            peer = %self.peer, device = %self.user.device,
            module = self.user.module.as_ref().map(skerry_model::ModuleId::as_str),
            why = %end, "A client is gone."
        );
        // Boxed: most of its life a connection does not need the room of its end.
        Box::pin(self.leave(end)).await;
    }

    async fn leave(&mut self, end: End) {
        match self.will.take().filter(|_| !matches!(end, End::Goodbye)) {
            Some(will) => self.publish_will(will).await,
            // What it published before is kept first.
            None => drop(tokio::time::timeout(LAST_TURNS, self.finish_turns()).await),
        }
        // The identity counts as gone before its connection does.
        self.told.end();
        if end.is_worth_a_farewell() {
            self.wire.close().await;
        }
    }

    async fn live(&mut self, stopping: &mut Stopping) -> End {
        let mut quiet = Box::pin(tokio::time::sleep_until(self.deadline()));
        // Made once, for it takes its place in a line.
        let mut stop = std::pin::pin!(stopping.wait());
        loop {
            if let Err(end) = self.work() {
                return end;
            }
            self.tell_room();
            if let Err(stuck) = self.wire.flush(self.shared.limits.write_timeout).await {
                return stuck.into();
            }
            let may_read = self.may_read();
            let outcome = tokio::select! {
                biased;
                () = &mut stop => Err(End::Stopping),
                outcome = self.turns.next(), if !self.turns.is_empty() => self.acknowledge(outcome).await,
                answer = self.asked.next(), if !self.asked.is_empty() => self.tell(answer),
                order = poll_fn(|context| self.told.poll_next(context)) => self.obey_all(order).await,
                taken = poll_fn(|context| match &mut self.waiting {
                    Some((_, wait)) => wait.as_mut().poll(context),
                    None => Poll::Pending,
                }), if self.waiting.is_some() => {
                    self.go_on(taken);
                    Ok(())
                }
                block = self.wire.read(), if may_read => match block {
                    Ok(block) => {
                        self.machine.hear(self.began.elapsed());
                        self.receive(block);
                        Ok(())
                    }
                    Err(gone) => Err(gone.into()),
                },
                () = &mut quiet => {
                    let deadline = self.deadline();
                    quiet.as_mut().reset(deadline);
                    if deadline <= Instant::now() { Err(End::Silent) } else { Ok(()) }
                }
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    /// With an order go those that wait behind it: what they write is encrypted and sent together.
    async fn obey_all(&mut self, first: Order) -> Result<(), End> {
        self.obey(first)?;
        while self.wire.out.len() < TOGETHER_BYTES {
            self.tell_room();
            let told = poll_fn(|context| match self.told.poll_next(context) {
                Poll::Ready(order) => Poll::Ready(Some(order)),
                Poll::Pending => Poll::Ready(None),
            });
            let Some(order) = told.await else { break };
            if let Err(end) = self.obey(order) {
                // What came before it is written all the same.
                self.wire.flush(self.shared.limits.write_timeout).await?;
                return Err(end);
            }
        }
        Ok(())
    }

    async fn finish_turns(&mut self) {
        while !self.turns.is_empty() {
            drop(self.turns.next().await);
        }
    }

    fn deadline(&self) -> Instant {
        // Silence counts only while we listen.
        let now = self.began.elapsed();
        let silence = self.machine.deadline().unwrap_or(now + Duration::from_secs(60));
        let deadline = if self.may_read() { silence } else { silence.max(now + Duration::from_secs(1)) };
        self.began + deadline
    }

    fn may_read(&self) -> bool {
        self.waiting.is_none()
            && self.work.is_none()
            && self.turns.len() < TURNS_MAX
            && self.asked.len() < ASKED_MAX
            && self.turns.bytes() < self.shared.limits.unacknowledged_bytes_max
    }

    /// Commands may come while one more delivery may be under way.
    fn tell_room(&mut self) {
        let has_room = self.machine.has_room()
            && self.asked.len() < ASKED_MAX
            && (self.subscriptions.has(Subscription::Commands)
                || self.subscriptions.has(Subscription::Inputs));
        if has_room != self.has_room {
            self.has_room = has_room;
            self.client.room(has_room);
        }
    }

    fn granted(&self, kind: Subscription) -> Option<Qos> {
        self.subscriptions.get(kind)
    }
}
