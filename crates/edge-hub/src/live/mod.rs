//! Connected modules and devices: what the front door's sessions ask of the edge, and what it wants of them.
//!
//! ```text
//!  connect ──► scope: who is it? ──► Live (one connection's session) ──► spool, twins, calls
//!                                      ▲ inbox: letters of pumps, commands of the hub
//!                                      ▲ post: desired properties, the end
//! ```

mod connect;
mod directory;
mod inbox;
mod orders;
mod session;
mod subscriptions;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use skerry_front::device::{
    CallReply, Caller, Calls, CloseReason, Desired, Order, Post, Proof, Subscriptions, WantedCall,
};
use skerry_model::IdentityId;
use skerry_model::identity::AuthChain;
use skerry_mqtt::topic::Subscription;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::letter::Letterhead;
use crate::service::Shared;
use crate::spool::Line;
pub(crate) use directory::{Directory, Seen};
use inbox::Inbox;
pub(crate) use inbox::Item;

/// One connection of an identity.
pub(crate) struct Live {
    pub(crate) id: IdentityId,
    shared: Arc<Shared>,
    generation: String,
    /// What the client showed; looked at again when its identity changes.
    proof: Mutex<Proof>,
    /// On whose word it came.
    chain: Option<AuthChain>,
    ends: Mutex<Option<Instant>>,
    letterhead: Letterhead,
    /// Of its letters.
    line: Line,
    keeps_session: bool,
    subscriptions: Mutex<Subscriptions>,
    /// As they are kept; held by whoever writes.
    saved: tokio::sync::Mutex<Option<Subscriptions>>,
    post: Post,
    calls: Calls<Waiting>,
    inbox: Inbox,
    has_room: AtomicBool,
}

/// Somebody who called a method.
struct Waiting(oneshot::Sender<CallReply>);

impl Caller for Waiting {
    fn reply(self, reply: CallReply) {
        // Who called may be gone.
        drop(self.0.send(reply));
    }
}

impl Live {
    pub(crate) fn listens_to(&self, kind: Subscription) -> bool {
        self.now_subscribed().has(kind)
    }

    pub(crate) fn now_subscribed(&self) -> Subscriptions {
        *self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A letter for it; it comes back by its ticket, whatever happens.
    pub(crate) fn hand(&self, item: Item) {
        self.inbox.push(item);
        if self.has_room.load(SeqCst) {
            self.post.ring();
        }
    }

    pub(crate) fn tell_desired(&self, desired: Desired) {
        if self.listens_to(Subscription::Desired) {
            self.post.push(Order::Desired(desired));
        }
    }

    pub(crate) fn close(&self, reason: CloseReason) {
        self.post.push(Order::Close(reason));
    }

    /// Calls a method; waits until the client listens to them.
    pub(crate) async fn call(&self, wanted: WantedCall) -> CallReply {
        let (reply, replied) = oneshot::channel();
        self.calls.hold(Waiting(reply), wanted);
        self.post.ring();
        // A connection that ends drops its calls.
        replied.await.unwrap_or(CallReply::NotOnline)
    }

    /// Looks again whether it may stay.
    pub(crate) fn look_again(&self) {
        let proof = self.proof.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let counts = self.shared.check(&self.id, &proof, self.chain.as_ref());
        match counts {
            Ok(admitted) if admitted.generation == self.generation => {}
            Ok(_) => self.close(CloseReason::Revoked),
            Err(error) => {
                tracing::info!(id = %self.id, %error, "A client does not count any more.");
                self.close(CloseReason::Revoked);
            }
        }
    }
}

impl Shared {
    /// Nobody needs the line of an identity, unless it has come again meanwhile.
    pub(crate) fn leave_line(&self, id: &IdentityId) {
        self.lines.leave(id);
        let Some(live) = self.directory.get(id) else { return };
        self.noted.came(id, self.clock.now());
        let mut wanted = None;
        while wanted != Some(live.now_subscribed()) {
            let now = live.now_subscribed();
            self.lines.want(id, now);
            wanted = Some(now);
        }
    }
}
