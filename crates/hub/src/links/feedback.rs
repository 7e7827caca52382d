//! What became of commands, in batches under locks.

use std::sync::Arc;

use skerry_amqp::performative::Fault;
use skerry_front::link::LinkEnd;

use super::Shared;
use super::fault::Refusal;
use super::figures::count;
use super::held::{Held, HeldSource, Locked, message};
use crate::commands::{FEEDBACK_TYPE, LockToken};

#[derive(Clone)]
struct FeedbackQueue(Arc<Shared>);

impl Shared {
    pub(super) fn feedback_source(self: &Arc<Self>) -> LinkEnd {
        LinkEnd::Source(Box::new(HeldSource::new(FeedbackQueue(Arc::clone(self)))))
    }
}

impl Locked for FeedbackQueue {
    async fn lease(&self) -> Result<Option<Held>, Refusal> {
        let Some(batch) = self.0.commands.feedback().lease().await? else { return Ok(None) };
        count(&self.0.counters.feedback_given, 1);
        let body = batch.json().to_string();
        let payload = message(FEEDBACK_TYPE, &self.0.hub_name, batch.enqueued, body.as_bytes());
        Ok(Some(Held { key: batch.token.0, payload, lock: self.0.commands.limits().feedback_lock }))
    }

    async fn wait(&self) {
        self.0.commands.feedback().wait().await;
    }

    async fn complete(&self, key: u128) -> Result<(), Refusal> {
        self.0.commands.feedback().complete(LockToken(key)).await?;
        count(&self.0.counters.feedback_settled, 1);
        Ok(())
    }

    async fn abandon(&self, key: u128) -> Result<(), Refusal> {
        self.0.commands.feedback().abandon(LockToken(key)).await?;
        count(&self.0.counters.feedback_settled, 1);
        Ok(())
    }

    fn release(&self, key: u128) {
        self.0.commands.feedback().release(LockToken(key));
    }

    fn fault(&self, refusal: Refusal) -> Fault {
        self.0.hub_fault(refusal)
    }
}
