//! What one connection is told, one thing after the other.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use skerry_front::device::{self, CloseReason, Command, Lease, Order};
use skerry_mqtt::topic::Subscription;
use skerry_store::bus::{Mail, Mailbox};
use tokio::time::{Instant, sleep_until};

use super::calls::hold;
use super::events::Event;
use super::live::Live;
use crate::commands::{Holder, Leased};

/// How long commands rest after the store failed to give them.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the orders come from. Dropping it ends the session.
pub(super) struct Sources {
    pub(super) live: Arc<Live>,
    pub(super) mailbox: Mailbox,
}

impl Sources {
    async fn next(mut self) -> (Order, Self) {
        let mut rests_until = None;
        loop {
            if let Some(order) = self.ready() {
                return (order, self);
            }
            let takes_commands = self.live.takes_commands();
            if takes_commands && rests_until.is_none() {
                match self.command().await {
                    Ok(Some(order)) => return (order, self),
                    Ok(None) => {}
                    Err(()) => rests_until = Some(Instant::now() + PAUSE),
                }
            }
            let live = Arc::clone(&self.live);
            let may_come = takes_commands && rests_until.is_none();
            let ends = self.live.ends();
            // One timer for all of them: there is a place for it in each connection.
            let next = [rests_until, ends, self.live.calls.deadline()].into_iter().flatten().min();
            tokio::select! {
                () = self.live.post.rung() => {}
                mail = self.mailbox.next() => match mail {
                    Some(Mail::Request(request)) => hold(&self.live.calls, request),
                    Some(Mail::Superseded) => return (Order::Close(CloseReason::Superseded), self),
                    None => return (Order::Close(CloseReason::Stopping), self),
                },
                () = live.shared.commands.wait(&live.recipient), if may_come => {}
                () = at(next) => {
                    let now = Instant::now();
                    if ends.is_some_and(|ends| ends <= now) {
                        return (Order::Close(CloseReason::Expired), self);
                    }
                    rests_until = rests_until.filter(|rests_until| *rests_until > now);
                    self.live.calls.expire(self.live.listens_to(Subscription::Methods));
                }
            }
        }
    }

    /// The next command, held by this connection.
    async fn command(&self) -> Result<Option<Order>, ()> {
        let Live { shared, recipient, session, .. } = &*self.live;
        match shared.commands.lease(recipient, Holder::Held(*session)).await {
            Ok(leased) => Ok(leased.map(|leased| {
                let lease = Lease(leased.token.0);
                let Leased { message, again, sequence, enqueued, deliveries, .. } = leased;
                let command = Command { lease, message, again, sequence, enqueued, deliveries, input: None };
                Order::Command(Box::new(command))
            })),
            Err(error) => {
                tracing::warn!(identity = %recipient.identity, %error, "Commands cannot be delivered at the moment.");
                Err(())
            }
        }
    }

    fn ready(&self) -> Option<Order> {
        let live = &self.live;
        if let Some(order) = live.post.pop() {
            return Some(order);
        }
        if live.listens_to(Subscription::Methods)
            && let Some(call) = live.calls.open()
        {
            return Some(Order::Call(call));
        }
        None
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        let Live { shared, device, module, sender, recipient, session, .. } = &*self.live;
        shared.commands.release(recipient, *session);
        let epoch = self.mailbox.claim().epoch;
        let at = shared.clock.now();
        shared.directory.remove(epoch, &self.live);
        // A newer connection has taken its place otherwise, and nobody is gone.
        if shared.connections.disconnected(device, module.as_ref(), epoch, at) {
            shared.events.note(Event { sender: sender.clone(), came: false, epoch, at });
        }
    }
}

/// Never, without a moment.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

pub(super) struct Orders {
    next: Pin<Box<dyn Future<Output = (Order, Sources)> + Send>>,
}

impl Orders {
    pub(super) fn new(sources: Sources) -> Self {
        Self { next: Box::pin(sources.next()) }
    }
}

impl device::Orders for Orders {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Order> {
        let (order, sources) = std::task::ready!(self.next.as_mut().poll(context));
        self.next = Box::pin(sources.next());
        Poll::Ready(order)
    }
}
