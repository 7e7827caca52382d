//! One connection's session, as its client uses it.

use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Map, Value};
use skerry_front::device::{
    self, Calls, Lease, NotSettled, Post, Proof, PublishRefused, Refused, Settlement, Soon, Subscriptions,
    TwinRefused, Unavailable,
};
use skerry_model::identity::AuthChain;
use skerry_model::message::Message;
use skerry_model::twin::device_document;
use skerry_model::{DeviceId, ErrorCode, ModuleId};
use skerry_mqtt::topic::Subscription;
use skerry_store::bus::Address;
use skerry_store::log::{Line, Partition};
use tokio::time::Instant;

use super::Shared;
use super::calls::OverBus;
use super::refusal::refusal;
use super::subscriptions;
use super::throttle::Throttle;
use crate::commands::{LockToken, Recipient, SessionId, SettleError};
use crate::registry::RegistryError;
use crate::telemetry::{Letterhead, PublishError, Sender};

pub(super) struct Live {
    pub(super) shared: Arc<Shared>,
    pub(super) device: DeviceId,
    pub(super) module: Option<ModuleId>,
    /// What the client showed; looked at again when its identity changes.
    pub(super) proof: Mutex<Proof>,
    /// The gateways on whose word it came.
    pub(super) chain: Option<AuthChain>,
    /// When that stops counting.
    pub(super) ends: Mutex<Option<Instant>>,
    pub(super) sender: Sender,
    pub(super) letterhead: Letterhead,
    pub(super) partition: Partition,
    pub(super) line: Line,
    /// A refusal does not end the connection, as in AMQP.
    pub(super) goes_on: bool,
    /// Whose commands these are, and by which name this connection holds them.
    pub(super) recipient: Recipient,
    pub(super) session: SessionId,
    pub(super) keeps_session: bool,
    pub(super) subscriptions: Mutex<Subscriptions>,
    /// As the documents have them; held by whoever writes.
    pub(super) saved: tokio::sync::Mutex<Option<Subscriptions>>,
    pub(super) post: Post,
    pub(super) calls: Calls<OverBus>,
    /// The version of the desired properties that the client was told last.
    pub(super) told: AtomicU64,
    pub(super) has_room: AtomicBool,
    /// Of the identity's messages.
    pub(super) throttle: Option<Arc<Throttle>>,
    pub(super) address: Address,
    /// The second of the last activity that was noted.
    pub(super) active_at: AtomicI64,
}

impl Live {
    /// Something new to stay in by, if it counts as much as what was shown before.
    async fn renew(&self, proof: Proof) -> Result<(), Refused> {
        let (device, module) = (self.device.clone(), self.module.clone());
        let admitted = self.shared.authorizer.admit_by(&proof, self.chain.as_ref(), device, module).await?;
        if admitted.sender.generation != self.sender.generation {
            return Err(Refused::Unauthorised { what: "the identity was registered anew".to_owned() });
        }
        let now = self.shared.clock.now();
        let ends = admitted.ends.map(|ends| Instant::now() + ends.since(now));
        *self.proof.lock().unwrap_or_else(PoisonError::into_inner) = proof;
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
        self.post.ring();
        Ok(())
    }

    pub(super) fn proof(&self) -> Proof {
        self.proof.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn ends(&self) -> Option<Instant> {
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn module_name(&self) -> &str {
        self.module.as_ref().map_or("", ModuleId::as_str)
    }

    /// People look at the moment of the last activity; a second's precision is enough for them.
    fn note_activity(&self) {
        let now = self.shared.clock.now();
        if now.unix_seconds() > self.active_at.swap(now.unix_seconds(), Relaxed) {
            self.shared.connections.active(&self.address, now);
        }
    }

    pub(super) fn listens_to(&self, kind: Subscription) -> bool {
        self.now_subscribed().has(kind)
    }

    /// Whether commands may be given to the client.
    pub(super) fn takes_commands(&self) -> bool {
        self.has_room.load(SeqCst) && self.listens_to(Subscription::Commands)
    }

    fn now_subscribed(&self) -> Subscriptions {
        *self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what the client listens to, if that is kept and not written yet.
    async fn save(&self) -> Result<(), Unavailable> {
        if !self.keeps_session {
            return Ok(());
        }
        // One after the other, and each writes what is true by then.
        let mut saved = self.saved.lock().await;
        let now = self.now_subscribed();
        if *saved == Some(now) {
            return Ok(());
        }
        let documents = self.shared.registry.documents().as_ref();
        let generation = &self.sender.generation;
        let written =
            subscriptions::write(documents, &self.device, self.module.as_ref(), generation, Some(&now)).await;
        written.map_err(|error| unavailable(&error))?;
        *saved = Some(now);
        Ok(())
    }

    async fn twin(&self) -> Result<Bytes, TwinRefused> {
        let record = self.shared.registry.get_twin(&self.device, self.module.as_ref()).await;
        let record = record.map_err(|error| self.refused(&error))?;
        Ok(Bytes::from(device_document(&record.twin).to_string()))
    }

    async fn report(&self, patch: &[u8], version: Option<u64>) -> Result<u64, TwinRefused> {
        let malformed = |what: &str| self.refusal(ErrorCode::ArgumentInvalid, what);
        let mut patch: Map<String, Value> = serde_json::from_slice(patch)
            .map_err(|error| malformed(&format!("reported properties must be a JSON object, {error}")))?;
        // Clients send back what they read.
        patch.shift_remove("$version");
        patch.shift_remove("$metadata");
        let reported = self.shared.registry.report(&self.device, self.module.as_ref(), &patch, version).await;
        Ok(reported.map_err(|error| self.refused(&error))?.twin.reported.version())
    }

    fn refused(&self, error: &RegistryError) -> TwinRefused {
        self.refusal(error.code(), &error.to_string())
    }

    fn refusal(&self, code: ErrorCode, text: &str) -> TwinRefused {
        refusal(code, text, self.shared.random.as_ref(), self.shared.clock.now())
    }
}

/// The session of a connection, for the front door.
pub(super) struct Handle(pub(super) Arc<Live>);

impl device::Session for Handle {
    fn publish(&self, messages: Vec<Message>) -> Soon<Result<(), PublishRefused>> {
        let live = Arc::clone(&self.0);
        Box::pin(async move {
            let mut messages = messages;
            live.shared.faults.check_publish(live.device.as_str(), live.module_name())?;
            live.shared.faults.take(&live, &mut messages);
            if messages.is_empty() {
                return Ok(());
            }
            live.shared.faults.wait(live.device.as_str(), live.module_name()).await;
            let turn = live.shared.pace.wait(live.throttle.as_deref(), messages.len()).await;
            turn.map_err(|error| PublishRefused::Throttled { what: error.to_string() })?;
            live.note_activity();
            let _under_way = live.goes_on.then(|| live.line.enter());
            let (telemetry, order) = (&live.shared.telemetry, live.line.order());
            let kept = telemetry.publish_in_order(&live.letterhead, live.partition, order, messages).await;
            kept.map_err(|error| match error {
                PublishError::Message(error) => PublishRefused::Invalid { what: error.to_string() },
                PublishError::Log(error) => Unavailable { what: error.to_string() }.into(),
            })
        })
    }

    fn subscribe(&self, to: Subscriptions) -> Soon<Result<(), Unavailable>> {
        let live = Arc::clone(&self.0);
        *live.subscriptions.lock().unwrap_or_else(PoisonError::into_inner) = to;
        live.post.ring();
        Box::pin(async move { live.save().await })
    }

    fn room(&self, is_there: bool) {
        self.0.has_room.store(is_there, SeqCst);
        self.0.post.ring();
    }

    fn settle(&self, lease: Lease, how: Settlement) -> Soon<Result<(), NotSettled>> {
        let (commands, to, token) = (&self.0.shared.commands, &self.0.recipient, LockToken(lease.0));
        let settled: Soon<Result<(), SettleError>> = match how {
            Settlement::Complete => Box::pin(commands.complete(to, token)),
            Settlement::Reject => Box::pin(commands.reject(to, token)),
            Settlement::Abandon => Box::pin(commands.abandon(to, token)),
            Settlement::GiveBack => {
                commands.give_back(to, token);
                return Box::pin(async { Ok(()) });
            }
        };
        Box::pin(async move {
            settled.await.map_err(|error| match error {
                SettleError::LockLost => NotSettled::LockLost,
                error => Unavailable { what: format!("a command was not settled: {error}") }.into(),
            })
        })
    }

    fn renew(&self, proof: Proof) -> Soon<Result<(), Refused>> {
        let live = Arc::clone(&self.0);
        Box::pin(async move { live.renew(proof).await })
    }

    fn twin(&self) -> Soon<Result<Bytes, TwinRefused>> {
        let live = Arc::clone(&self.0);
        Box::pin(async move { live.twin().await })
    }

    fn report(&self, patch: Bytes, version: Option<u64>) -> Soon<Result<Option<u64>, TwinRefused>> {
        let live = Arc::clone(&self.0);
        Box::pin(async move { live.report(&patch, version).await.map(Some) })
    }

    fn answer(&self, call: &str, status: i64, payload: Bytes) {
        // A slice of what was read would keep the whole block.
        self.0.calls.answer(call, status, Bytes::copy_from_slice(&payload));
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> Unavailable {
    Unavailable { what: format!("subscriptions could not be kept: {error}") }
}
