//! An identity that is connected to the scripted hub.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use skerry_edge_hub::{Heard, Told};
use skerry_front::device::{
    Call, CloseReason, Command, Connected, Desired, Lease, NotSettled, Order, Orders, Proof, PublishRefused,
    Refused, Session, Settlement, Soon, Subscriptions, TwinRefused, Unavailable,
};
use skerry_model::Timestamp;
use skerry_model::message::Message;
use skerry_mqtt::topic::Subscription;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

use super::door::Inside;
use crate::sim::Acks;

pub(super) fn admitted(inside: &Arc<Inside>, id: String, lasts: Duration) -> Connected {
    let (line, heard) = mpsc::unbounded_channel();
    let mut state = inside.hub.state();
    *state.dials.entry(id.clone()).or_default() += 1;
    let weak = line.downgrade();
    state.lines.insert(id.clone(), line);
    drop(state);
    let seat = Arc::new(Mutex::new(Seat { ends: Instant::now() + lasts, ..Seat::default() }));
    let mut cuts = inside.hub.cuts();
    let orders = TestOrders {
        inside: Arc::clone(inside),
        seat: Arc::clone(&seat),
        heard,
        cut: Box::pin(async move { drop(cuts.changed().await) }),
        end: Box::pin(tokio::time::sleep(lasts)),
    };
    let session = TestSession { inside: Arc::clone(inside), id, seat, line: weak };
    Connected { session: Arc::new(session), orders: Box::new(orders), kept: None }
}

struct Seat {
    ends: Instant,
    listens: Subscriptions,
    has_room: bool,
    /// A letter was swallowed: what comes behind it must not be here before it.
    swallows: bool,
    /// Commands that wait for room.
    commands: VecDeque<(u64, Told)>,
    waker: Option<Waker>,
}

impl Default for Seat {
    fn default() -> Self {
        Self {
            ends: Instant::now(),
            listens: Subscriptions::default(),
            has_room: false,
            swallows: false,
            commands: VecDeque::new(),
            waker: None,
        }
    }
}

struct TestSession {
    inside: Arc<Inside>,
    id: String,
    seat: Arc<Mutex<Seat>>,
    /// The newest connection of an identity has it.
    line: mpsc::WeakUnboundedSender<Heard>,
}

impl TestSession {
    fn ring(&self) {
        if let Some(waker) = self.seat.lock().unwrap().waker.take() {
            waker.wake();
        }
    }
}

impl Session for TestSession {
    fn publish(&self, messages: Vec<Message>) -> Soon<Result<(), PublishRefused>> {
        let hub = &self.inside.hub;
        let (acks, is_deaf) = {
            let state = hub.state();
            (state.acks, state.deaf_to.contains(&self.id))
        };
        let mut seat = self.seat.lock().unwrap();
        seat.swallows |= is_deaf || acks == Acks::Swallowed;
        if seat.swallows {
            return Box::pin(std::future::pending());
        }
        drop(seat);
        let mut state = self.inside.state();
        if state.throttles > 0 {
            state.throttles -= 1;
            let what = "too much at once".to_owned();
            return Box::pin(async { Err(PublishRefused::Throttled { what }) });
        }
        for message in messages {
            if !hub.take(&self.id, &message) {
                let what = "it is not to the hub's taste".to_owned();
                return Box::pin(async { Err(PublishRefused::Invalid { what }) });
            }
            state.messages.push((self.id.clone(), message));
        }
        drop(state);
        Box::pin(async move {
            match acks {
                Acks::After(pause) => tokio::time::sleep(pause).await,
                Acks::Never | Acks::Swallowed => std::future::pending().await,
            }
            Ok(())
        })
    }

    fn subscribe(&self, to: Subscriptions) -> Soon<Result<(), Unavailable>> {
        let before = std::mem::replace(&mut self.seat.lock().unwrap().listens, to);
        let begins = to.has(Subscription::Commands) && !before.has(Subscription::Commands);
        if begins && let Some(line) = self.line.upgrade() {
            self.inside.hub.commands(&self.id).into_iter().for_each(|heard| line.send(heard).unwrap());
        }
        self.ring();
        Box::pin(async { Ok(()) })
    }

    fn room(&self, is_there: bool) {
        self.seat.lock().unwrap().has_room = is_there;
        self.ring();
    }

    fn settle(&self, lease: Lease, how: Settlement) -> Soon<Result<(), NotSettled>> {
        let number = u64::try_from(lease.0).unwrap();
        self.inside.state().settled.push((number, how));
        if matches!(how, Settlement::Complete | Settlement::Reject) {
            self.inside.hub.is_settled(&self.id, number);
        }
        Box::pin(async { Ok(()) })
    }

    fn renew(&self, proof: Proof) -> Soon<Result<(), Refused>> {
        let Proof::Token(token) = proof else { panic!("{proof:?}") };
        let lasts = self.inside.lasts(&token);
        if let Some(lasts) = lasts {
            self.inside.state().renewals += 1;
            self.seat.lock().unwrap().ends = Instant::now() + lasts;
            self.ring();
        }
        let refused = Refused::Unauthorised { what: "the token is unknown".to_owned() };
        Box::pin(async move { lasts.map(drop).ok_or(refused) })
    }

    fn twin(&self) -> Soon<Result<Bytes, TwinRefused>> {
        let reply = self.inside.hub.twin(&self.id);
        Box::pin(async move { Ok(reply.body) })
    }

    fn report(&self, patch: Bytes, _: Option<u64>) -> Soon<Result<Option<u64>, TwinRefused>> {
        let reply = self.inside.hub.report(&self.id, &patch);
        Box::pin(async move { Ok(reply.version) })
    }

    fn answer(&self, call: &str, status: i64, payload: Bytes) {
        self.inside.hub.state().answers.insert(call.to_owned(), (status, payload));
    }
}

struct TestOrders {
    inside: Arc<Inside>,
    seat: Arc<Mutex<Seat>>,
    heard: mpsc::UnboundedReceiver<Heard>,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    end: Pin<Box<Sleep>>,
}

impl Orders for TestOrders {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Order> {
        let mut seat = self.seat.lock().unwrap();
        seat.waker = Some(context.waker().clone());
        if self.cut.as_mut().poll(context).is_ready() {
            self.cut = Box::pin(std::future::pending());
            return Poll::Ready(Order::Close(CloseReason::Fault));
        }
        if self.end.deadline() != seat.ends {
            self.end.as_mut().reset(seat.ends);
        }
        if self.end.as_mut().poll(context).is_ready() {
            seat.ends = Instant::now() + Duration::from_secs(24 * 3600);
            self.inside.state().expired += 1;
            return Poll::Ready(Order::Close(CloseReason::Expired));
        }
        loop {
            let may_command = seat.has_room && seat.listens.has(Subscription::Commands);
            if may_command && let Some((number, told)) = seat.commands.pop_front() {
                return Poll::Ready(Order::Command(Box::new(Command {
                    lease: Lease(number.into()),
                    message: told.message,
                    again: told.again,
                    sequence: number,
                    enqueued: Timestamp::from_unix_seconds(1_800_000_000),
                    deliveries: told.deliveries,
                    input: None,
                })));
            }
            match self.heard.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Order::Close(CloseReason::Superseded)),
                Poll::Ready(Some(Heard::Command { number, command })) => {
                    seat.commands.push_back((number, *command));
                }
                Poll::Ready(Some(Heard::Call { id, method, payload })) => {
                    return Poll::Ready(Order::Call(Call { id, method, payload }));
                }
                Poll::Ready(Some(Heard::Desired { version, mut patch })) => {
                    if seat.listens.has(Subscription::Desired) {
                        patch.insert("$version".to_owned(), version.into());
                        let patch = Bytes::from(serde_json::Value::Object(patch).to_string());
                        return Poll::Ready(Order::Desired(Desired { version, patch }));
                    }
                }
                Poll::Ready(Some(heard)) => panic!("{heard:?}"),
            }
        }
    }
}
