//! How commands end: completed, rejected, given up, expired, purged. What their senders want to hear
//! of it is part of the same commit.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use skerry_model::{DeviceId, IdentityId, ModuleId};
use skerry_store::documents::{Action, Body, Change, Expect, Lane, Update};

use super::doubt::Doubt;
use super::error::SettleError;
use super::feedback::{Outcome, Record};
use super::figures::count;
use super::lock::{LockToken, Recipient};
use super::name::{command_key, feedback_key};
use super::queue::Queue;
use super::send::identity;
use super::stored::Slip;
use super::{Commands, Shared};
use crate::registry::{CHANGE_TRIES_MAX, RegistryError, Settled};
use crate::to_its_end::to_its_end;

#[derive(Clone, Copy)]
enum Wish {
    Complete,
    Reject,
    Abandon,
}

/// A command that is being settled; free again when that fails.
struct Claim {
    queue: Arc<Queue>,
    sequence: u64,
    token: LockToken,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.queue.give_up(self.sequence, self.token);
    }
}

impl Commands {
    /// The command was done. It begins in the call, and goes on whatever becomes of the connection or
    /// of what is returned.
    pub fn complete(
        &self,
        to: &Recipient,
        token: LockToken,
    ) -> impl Future<Output = Result<(), SettleError>> + Send + 'static {
        self.settle(to, token, Wish::Complete)
    }

    /// The command is refused for good.
    pub fn reject(
        &self,
        to: &Recipient,
        token: LockToken,
    ) -> impl Future<Output = Result<(), SettleError>> + Send + 'static {
        self.settle(to, token, Wish::Reject)
    }

    /// The delivery failed, which counts; it may be delivered again, in its old place.
    pub fn abandon(
        &self,
        to: &Recipient,
        token: LockToken,
    ) -> impl Future<Output = Result<(), SettleError>> + Send + 'static {
        self.settle(to, token, Wish::Abandon)
    }

    /// It was not delivered, which does not count; it may be delivered again, in its old place.
    pub fn give_back(&self, to: &Recipient, token: LockToken) {
        // As when its settling fails.
        drop(self.claim(to, token));
    }

    fn claim(&self, to: &Recipient, token: LockToken) -> Option<Claim> {
        let queue = self.shared.queues.find(&to.identity).filter(|queue| queue.meet(&to.generation))?;
        let sequence = queue.begin(token)?;
        Some(Claim { queue, sequence, token })
    }

    fn settle(
        &self,
        to: &Recipient,
        token: LockToken,
        wish: Wish,
    ) -> impl Future<Output = Result<(), SettleError>> + Send + use<> {
        let claim = self.claim(to, token);
        let shared = Arc::clone(&self.shared);
        to_its_end(async move {
            match claim {
                Some(claim) => shared.settle_claimed(&claim, wish).await,
                None => Err(SettleError::LockLost),
            }
        })
    }

    /// Takes everything out of a queue, held or not; how much that was.
    pub async fn purge(&self, device: &DeviceId, module: Option<&ModuleId>) -> Result<usize, SettleError> {
        self.shared.open().await?;
        self.shared.registry.get_twin(device, module).await?;
        let (shared, identity) = (Arc::clone(&self.shared), identity(device, module));
        to_its_end(async move { shared.purge(&identity).await }).await
    }
}

impl Shared {
    async fn purge(&self, of: &IdentityId) -> Result<usize, SettleError> {
        let queue = self.queues.get(of);
        let _turn = queue.turn.lock().await;
        for _ in 0..CHANGE_TRIES_MAX {
            let record = self.registry.get_twin(&of.device, of.module.as_ref()).await?;
            if !queue.meet(&record.identity.generation) {
                continue;
            }
            self.load(&queue).await?;
            let waiting = queue.slips();
            if self.end(&queue, &waiting, Outcome::Purged).await? {
                count(&self.counters.purged, waiting.len());
                return Ok(waiting.len());
            }
        }
        Err(RegistryError::Contended.into())
    }

    async fn settle_claimed(&self, claim: &Claim, wish: Wish) -> Result<(), SettleError> {
        let Claim { queue, sequence, .. } = claim;
        let _turn = queue.turn.lock().await;
        self.load(queue).await?;
        let Some(slip) = queue.slip(*sequence) else { return Err(SettleError::LockLost) };
        let (outcome, counter): (_, &AtomicU64) = match wish {
            Wish::Complete => (Outcome::Success, &self.counters.completed),
            Wish::Reject => (Outcome::Rejected, &self.counters.rejected),
            Wish::Abandon => {
                count(&self.counters.abandoned, 1);
                let slip = Slip { deliveries: slip.deliveries + 1, ..slip.clone() };
                if slip.deliveries < self.limits.deliveries_max {
                    return self.put_back(queue, *sequence, slip).await;
                }
                (Outcome::DeliveryCountExceeded, &self.counters.undeliverable)
            }
        };
        match self.end(queue, &[(*sequence, slip)], outcome).await? {
            true => {
                count(counter, 1);
                Ok(())
            }
            // Gone with its identity.
            false => Err(SettleError::LockLost),
        }
    }

    async fn put_back(&self, queue: &Arc<Queue>, sequence: u64, slip: Slip) -> Result<(), SettleError> {
        let update = Update { identity: Some(slip.encode()), ..Update::default() };
        let change = Change {
            key: command_key(&queue.identity, &queue.generation(), sequence),
            expect: Expect::Present,
            action: Action::Update(update),
            note: Vec::new(),
        };
        let doubt = Doubt::of(queue);
        match self.registry.settle(&queue.identity.device, vec![change], Lane::Interactive).await? {
            Settled::Committed => {
                doubt.end();
                queue.replace(sequence, slip);
                Ok(())
            }
            Settled::Conflict => Err(SettleError::LockLost),
        }
    }

    /// Takes commands out, with what their senders want to hear. `false` when one of them was gone.
    /// Whoever calls has the turn.
    async fn end(
        &self,
        queue: &Arc<Queue>,
        commands: &[(u64, Slip)],
        outcome: Outcome,
    ) -> Result<bool, RegistryError> {
        if commands.is_empty() {
            return Ok(true);
        }
        let (now, generation) = (self.clock.now(), queue.generation());
        let mut changes = Vec::with_capacity(commands.len());
        let mut told = Vec::new();
        for (sequence, slip) in commands {
            let key = command_key(&queue.identity, &generation, *sequence);
            if outcome.is_wanted(slip.ack) {
                if self.feedback.len() + told.len() < self.limits.feedback_max {
                    let record = Record {
                        message_id: slip.message_id.clone(),
                        outcome,
                        generation: generation.clone(),
                        enqueued: now,
                        expires: now.plus(self.limits.feedback_ttl),
                        deliveries: 0,
                    };
                    let key = feedback_key(&key);
                    let body = Body { identity: record.encode(), ..Body::default() };
                    changes.push(put(key.clone(), body));
                    told.push((key, record));
                } else {
                    count(&self.counters.feedback_dropped, 1);
                }
            }
            changes.push(Change { key, expect: Expect::Present, action: Action::Delete, note: Vec::new() });
        }
        let doubt = Doubt::of(queue);
        match self.registry.settle(&queue.identity.device, changes, Lane::Interactive).await? {
            Settled::Committed => {
                doubt.end();
                queue.remove(&commands.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>());
                for (key, record) in told {
                    self.feedback.add(&key, &record);
                }
                self.tell(queue);
                Ok(true)
            }
            Settled::Conflict => Ok(false),
        }
    }

    /// Ends what has waited for too long. Whoever calls has the turn.
    pub(super) async fn expire(&self, queue: &Arc<Queue>) -> Result<(), RegistryError> {
        let expired = queue.expired(self.clock.now());
        if self.end(queue, &expired, Outcome::Expired).await? {
            count(&self.counters.expired, expired.len());
            return Ok(());
        }
        self.load(queue).await
    }
}

fn put(key: skerry_store::documents::Key, body: Body) -> Change {
    Change { key, expect: Expect::Anything, action: Action::Put(body), note: Vec::new() }
}
