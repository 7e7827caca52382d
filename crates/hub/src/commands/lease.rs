//! Giving commands out, the oldest first.

use skerry_model::Timestamp;
use skerry_model::message::Message;
use tokio::time::sleep_until;

use super::Commands;
use super::error::LeaseError;
use super::figures::count;
use super::holds::Prospect;
use super::lock::{Holder, LockToken, Recipient, SessionId};
use super::name::command_key;
use super::stored::message;
use crate::registry::{CHANGE_TRIES_MAX, RegistryError};

/// A command that somebody holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Leased {
    pub token: LockToken,
    pub message: Message,
    pub sequence: u64,
    pub enqueued: Timestamp,
    /// How often it was given up before.
    pub deliveries: u32,
    /// Whether it was delivered before, as far as this process knows.
    pub again: bool,
}

impl Commands {
    /// The next command that may be delivered, held from now on.
    pub async fn lease(&self, to: &Recipient, holder: Holder) -> Result<Option<Leased>, LeaseError> {
        let shared = &self.shared;
        shared.open().await?;
        let queue = shared.queues.get(&to.identity);
        for _ in 0..CHANGE_TRIES_MAX {
            if !queue.meet(&to.generation) || !queue.admits(holder) {
                return Ok(None);
            }
            let now = shared.clock.now();
            if !queue.is_loaded() {
                let _turn = queue.turn.lock().await;
                shared.load(&queue).await?;
            }
            let Some(sequence) = queue.next(now) else {
                if queue.is_loaded() {
                    return Ok(None);
                }
                continue;
            };
            let key = command_key(&to.identity, &to.generation, sequence);
            let documents = shared.registry.documents();
            let found = documents.get(&key, Some(documents.revision())).await.map_err(RegistryError::from)?;
            let Some(document) = found else {
                // Settled in this moment, or gone with its identity.
                let _turn = queue.turn.lock().await;
                if queue.slip(sequence).is_some() {
                    queue.doubt();
                }
                continue;
            };
            let message = message(&document)?;
            let token = LockToken::new(shared.random.as_ref());
            if let Some((slip, again)) = queue.hold(sequence, token, holder) {
                count(&shared.counters.redelivered, usize::from(again));
                let (enqueued, deliveries) = (slip.enqueued, slip.deliveries);
                return Ok(Some(Leased { token, message, sequence, enqueued, deliveries, again }));
            }
        }
        Err(RegistryError::Contended.into())
    }

    /// Done when something may be deliverable. Between two calls nothing is missed: whoever finds
    /// nothing to lease waits for what came since.
    pub async fn wait(&self, to: &Recipient) {
        let queue = self.shared.queues.get(&to.identity);
        loop {
            let mut rung = std::pin::pin!(queue.bell.notified());
            rung.as_mut().enable();
            match queue.prospect(&to.generation, self.shared.clock.now()) {
                Prospect::Now => return,
                Prospect::At(moment) => tokio::select! {
                    () = rung => {}
                    // Boxed: a timer is large, and seldom needed.
                    () = Box::pin(sleep_until(moment)) => {}
                },
                Prospect::Unknown => rung.await,
            }
        }
    }

    /// A connection has the identity: what older ones held may be delivered again as if they had
    /// ended, and they get nothing more. A connection may be stuck long after a newer one has come.
    pub fn take_over(&self, to: &Recipient, session: SessionId) {
        if let Some(queue) = self.shared.queues.find(&to.identity) {
            queue.take_over(session);
        }
    }

    /// A connection ended: what it held may be delivered again, in its old place, without counting.
    pub fn release(&self, to: &Recipient, session: SessionId) {
        if let Some(queue) = self.shared.queues.find(&to.identity) {
            queue.release(session);
        }
    }
}
