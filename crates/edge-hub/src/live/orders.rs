//! What one connection is told, one thing after the other.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};

use skerry_front::device::{self, CloseReason, Order};
use skerry_mqtt::topic::Subscription;
use tokio::time::Instant;

use crate::moment::at;

use super::Live;

/// Dropping it ends the session.
pub(super) struct Sources {
    pub(super) live: Arc<Live>,
}

impl Sources {
    async fn next(self) -> (Order, Self) {
        loop {
            if let Some(order) = self.ready() {
                return (order, self);
            }
            let ends = *self.live.ends.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let next = [ends, self.live.calls.deadline()].into_iter().flatten().min();
            tokio::select! {
                () = self.live.post.rung() => {}
                () = at(next) => {
                    if ends.is_some_and(|ends| ends <= Instant::now()) {
                        return (Order::Close(CloseReason::Expired), self);
                    }
                    self.live.calls.expire(self.live.listens_to(Subscription::Methods));
                }
            }
        }
    }

    fn ready(&self) -> Option<Order> {
        let live = &self.live;
        if let Some(order) = live.post.pop() {
            return Some(order);
        }
        let listens = live.now_subscribed();
        if listens.has(Subscription::Methods)
            && let Some(call) = live.calls.open()
        {
            return Some(Order::Call(call));
        }
        if !live.has_room.load(SeqCst) {
            return None;
        }
        let command = live.inbox.pop(listens.has(Subscription::Inputs), listens.has(Subscription::Commands));
        command.map(|command| Order::Command(Box::new(command)))
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        let live = &self.live;
        let shared = &live.shared;
        let was_current = shared.directory.leave(live);
        // After that nobody hands it anything, and what it had goes back.
        live.inbox.close();
        if was_current {
            shared.noted.went(&live.id, shared.clock.now());
            shared.leave_line(&live.id);
        }
        shared.figures.disconnects.add(&[("id", &live.id.to_string())], 1);
    }
}

pub(super) struct Orders(State);

enum State {
    /// Nobody waits: what is there can be taken.
    Looking(Sources),
    Waiting(Pin<Box<dyn Future<Output = (Order, Sources)> + Send>>),
    /// Only while one becomes the other.
    Between,
}

impl Orders {
    pub(super) fn new(sources: Sources) -> Self {
        Self(State::Looking(sources))
    }
}

impl device::Orders for Orders {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Order> {
        // A wait is made only where there is nothing: most orders come with others.
        let mut next = match std::mem::replace(&mut self.0, State::Between) {
            State::Looking(sources) => match sources.ready() {
                Some(order) => {
                    self.0 = State::Looking(sources);
                    return Poll::Ready(order);
                }
                None => Box::pin(sources.next()) as Pin<Box<dyn Future<Output = _> + Send>>,
            },
            State::Waiting(next) => next,
            State::Between => return Poll::Pending,
        };
        let Poll::Ready((order, sources)) = next.as_mut().poll(context) else {
            self.0 = State::Waiting(next);
            return Poll::Pending;
        };
        self.0 = State::Looking(sources);
        Poll::Ready(order)
    }
}
