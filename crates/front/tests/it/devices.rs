//! A device service that does what a test says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use skerry_front::device::{
    Claim, Connected, DeviceService, Lease, NotSettled, Order, Orders, Proof, PublishRefused, Refused,
    Session, SessionKind, Settlement, Soon, Subscriptions, TwinRefused, Unavailable,
};
use skerry_model::message::Message;
use tokio::sync::watch;

/// Lets in who has a token that begins with `good` or `short`, or a certificate. Its clones are the same.
#[derive(Clone, Default)]
pub struct TestDevices(pub Arc<State>);

#[derive(Default)]
pub struct State {
    pub claims: Mutex<Vec<Claim>>,
    /// Bodies in the order in which they were taken.
    pub bodies: Mutex<Vec<Bytes>>,
    pub messages: Mutex<Vec<Message>>,
    pub answers: Mutex<Vec<(String, i64, Bytes)>>,
    pub settled: Mutex<Vec<(Lease, Settlement)>>,
    /// Who showed what again.
    pub renewed: Mutex<Vec<(String, Proof)>>,
    /// Reported properties, and the version that they are meant for.
    pub reported: Mutex<Vec<(Bytes, Option<u64>)>>,
    /// Commands that nobody holds any more, whatever a client thinks.
    pub lost: Mutex<Vec<Lease>>,
    pub subscribed: Mutex<Option<Subscriptions>>,
    pub rooms: Mutex<Vec<bool>>,
    /// While true nothing becomes durable.
    pub is_stuck: watch::Sender<bool>,
    /// While true nobody is let in, or refused.
    pub is_undecided: watch::Sender<bool>,
    /// For whoever asks first, and for one identity each.
    post: Mutex<Post>,
    posts: Mutex<BTreeMap<String, Post>>,
    pub gone: watch::Sender<usize>,
    /// The same by name.
    pub left: Mutex<Vec<String>>,
}

/// Orders, and who waits for them.
type Post = (VecDeque<Order>, Option<Waker>);

impl State {
    pub fn order(&self, order: Order) {
        let mut post = self.post.lock().unwrap();
        post.0.push_back(order);
        if let Some(waker) = post.1.take() {
            waker.wake();
        }
    }
}

impl State {
    pub fn order_to(&self, name: &str, order: Order) {
        let mut posts = self.posts.lock().unwrap();
        let post = posts.entry(name.to_owned()).or_default();
        post.0.push_back(order);
        if let Some(waker) = post.1.take() {
            waker.wake();
        }
    }

    pub fn has_left(&self, name: &str) -> bool {
        self.left.lock().unwrap().iter().any(|left| left == name)
    }
}

impl DeviceService for TestDevices {
    fn connect(&self, claim: Claim) -> Soon<Result<Connected, Refused>> {
        let state = Arc::clone(&self.0);
        Box::pin(async move {
            let (proof, keeps) = (claim.proof.clone(), claim.session == SessionKind::Kept);
            let name = match &claim.module {
                Some(module) => format!("{}/{module}", claim.device),
                None => claim.device.to_string(),
            };
            state.claims.lock().unwrap().push(claim);
            state.is_undecided.subscribe().wait_for(|undecided| !undecided).await.unwrap();
            match proof {
                Proof::Token(token) if token.starts_with("good") || token.starts_with("short") => {}
                Proof::Certificate(_) => {}
                Proof::Token(token) if token == "disabled" => return Err(Refused::Disabled),
                _ => return Err(Refused::Unauthorised { what: "no".into() }),
            }
            let kept = state.subscribed.lock().unwrap().filter(|_| keeps);
            let orders = Box::new(TestOrders(Arc::clone(&state), name.clone()));
            Ok(Connected { session: Arc::new(TestSession(state, name)), orders, kept })
        })
    }
}

struct TestSession(Arc<State>, String);

impl Session for TestSession {
    fn publish(&self, messages: Vec<Message>) -> Soon<Result<(), PublishRefused>> {
        let state = Arc::clone(&self.0);
        Box::pin(async move {
            if messages.iter().any(|message| message.body == "poison"[..]) {
                return Err(PublishRefused::Invalid { what: "poison".into() });
            }
            if messages.iter().any(|message| message.body == "too much"[..]) {
                return Err(PublishRefused::Throttled { what: "too much".into() });
            }
            let mut stuck = state.is_stuck.subscribe();
            state.bodies.lock().unwrap().extend(messages.iter().map(|message| message.body.clone()));
            state.messages.lock().unwrap().extend(messages);
            stuck.wait_for(|stuck| !stuck).await.unwrap();
            Ok(())
        })
    }

    fn subscribe(&self, to: Subscriptions) -> Soon<Result<(), Unavailable>> {
        *self.0.subscribed.lock().unwrap() = Some(to);
        Box::pin(async { Ok(()) })
    }

    fn room(&self, is_there: bool) {
        self.0.rooms.lock().unwrap().push(is_there);
    }

    fn settle(&self, lease: Lease, how: Settlement) -> Soon<Result<(), NotSettled>> {
        self.0.settled.lock().unwrap().push((lease, how));
        let is_lost = self.0.lost.lock().unwrap().contains(&lease);
        Box::pin(async move { if is_lost { Err(NotSettled::LockLost) } else { Ok(()) } })
    }

    fn renew(&self, proof: Proof) -> Soon<Result<(), Refused>> {
        self.0.renewed.lock().unwrap().push((self.1.clone(), proof));
        Box::pin(async { Ok(()) })
    }

    fn twin(&self) -> Soon<Result<Bytes, TwinRefused>> {
        Box::pin(async { Ok(Bytes::from_static(b"{}")) })
    }

    fn report(&self, patch: Bytes, version: Option<u64>) -> Soon<Result<Option<u64>, TwinRefused>> {
        self.0.reported.lock().unwrap().push((patch.clone(), version));
        Box::pin(async move {
            match patch.as_ref() {
                b"bad" => {
                    Err(TwinRefused { status: 400, body: Bytes::from_static(b"{\"errorCode\":400004}") })
                }
                _ => Ok(Some(7)),
            }
        })
    }

    fn answer(&self, call: &str, status: i64, payload: Bytes) {
        self.0.answers.lock().unwrap().push((call.to_owned(), status, payload));
    }
}

struct TestOrders(Arc<State>, String);

impl Orders for TestOrders {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Order> {
        let mut posts = self.0.posts.lock().unwrap();
        let own = posts.entry(self.1.clone()).or_default();
        if let Some(order) = own.0.pop_front() {
            return Poll::Ready(order);
        }
        own.1 = Some(context.waker().clone());
        let mut post = self.0.post.lock().unwrap();
        match post.0.pop_front() {
            Some(order) => Poll::Ready(order),
            None => {
                post.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for TestOrders {
    fn drop(&mut self) {
        self.0.left.lock().unwrap().push(self.1.clone());
        self.0.gone.send_modify(|gone| *gone += 1);
    }
}
