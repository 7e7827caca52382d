//! Taking a command in.

use std::sync::Arc;

use serde_json::json;
use skerry_model::limits::CLOUD_MESSAGE_BYTES_MAX;
use skerry_model::message::Message;
use skerry_model::{DeviceId, IdentityId, ModuleId, Timestamp};
use skerry_store::documents::{Action, Body, Change, Expect, Json, Lane};

use super::doubt::Doubt;
use super::error::SendError;
use super::figures::count;
use super::name::{command_key, head_key};
use super::stored::{Slip, body};
use super::{Commands, Shared};
use crate::registry::{CHANGE_TRIES_MAX, RegistryError, Settled};
use crate::spaces::identity_key;
use crate::to_its_end::to_its_end;

/// A command that waits for its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub sequence: u64,
    pub enqueued: Timestamp,
    pub expires: Timestamp,
}

impl Commands {
    /// Durable when it answers.
    pub async fn send(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        mut message: Message,
    ) -> Result<Sent, SendError> {
        message.check(CLOUD_MESSAGE_BYTES_MAX)?;
        let now = self.shared.clock.now();
        let expires = match message.system.expiry {
            Some(expiry) if expiry <= now => return Err(SendError::Expired { expiry }),
            Some(expiry) => expiry,
            None => now.plus(self.shared.limits.ttl),
        };
        message.system.to.get_or_insert_with(|| address(device, module));
        let slip = Slip {
            message_id: message.system.message_id.clone().unwrap_or_default(),
            ack: message.system.ack.unwrap_or_default(),
            enqueued: now,
            expires,
            deliveries: 0,
        };
        self.shared.open().await?;
        // Nothing is kept for one that is not there.
        self.shared.registry.get_twin(device, module).await?;
        let (shared, identity) = (Arc::clone(&self.shared), identity(device, module));
        let sequence = to_its_end(async move { shared.enqueue(&identity, slip, message).await }).await?;
        Ok(Sent { sequence, enqueued: now, expires })
    }
}

impl Commands {
    /// The same to the first of several that is registered: ids may hold a percent sign themselves,
    /// and senders differ in what they encode.
    pub async fn send_to_one_of(&self, to: &[IdentityId], message: Message) -> Result<Sent, SendError> {
        let mut others = to.iter();
        let Some(mut next) = others.next() else {
            let what = "the message is for nobody".to_owned();
            return Err(RegistryError::Invalid { what }.into());
        };
        loop {
            let sent = self.send(&next.device, next.module.as_ref(), message.clone()).await;
            let is_absent = matches!(
                &sent,
                Err(SendError::Registry(
                    RegistryError::DeviceNotFound { .. } | RegistryError::ModuleNotFound { .. }
                ))
            );
            match others.next() {
                Some(other) if is_absent => next = other,
                _ => return sent,
            }
        }
    }
}

impl Shared {
    async fn enqueue(&self, to: &IdentityId, slip: Slip, message: Message) -> Result<u64, SendError> {
        let (device, module) = (&to.device, to.module.as_ref());
        let queue = self.queues.get(to);
        let _turn = queue.turn.lock().await;
        let body = body(&slip, message);
        for _ in 0..CHANGE_TRIES_MAX {
            let record = self.registry.get_twin(device, module).await?;
            let generation = record.identity.generation;
            if !queue.meet(&generation) {
                continue;
            }
            self.load(&queue).await?;
            self.expire(&queue).await?;
            let depth = self.limits.depth_max;
            if queue.count() >= depth as u64 {
                count(&self.counters.refused_full, 1);
                return Err(SendError::Full { identity: to.to_string(), depth });
            }
            let (expect, last) = self.head(device, module).await?;
            let sequence = last.max(queue.last_sequence()) + 1;
            // The identity is still the one that was read.
            let alive = Change {
                key: identity_key(device, module),
                expect: Expect::Revision(record.revision),
                action: Action::Check,
                note: Vec::new(),
            };
            let head = Body { identity: Json::encode(&json!({"last": sequence})), ..Body::default() };
            let head =
                Change { key: head_key(device, module), expect, action: Action::Put(head), note: Vec::new() };
            let command = Change {
                key: command_key(to, &generation, sequence),
                expect: Expect::Absent,
                action: Action::Put(body.clone()),
                note: Vec::new(),
            };
            let doubt = Doubt::of(&queue);
            match self.registry.settle(device, vec![alive, head, command], Lane::Interactive).await? {
                Settled::Committed => {
                    doubt.end();
                    queue.insert(sequence, slip);
                    count(&self.counters.enqueued, 1);
                    self.tell(&queue);
                    return Ok(sequence);
                }
                Settled::Conflict => doubt.end(),
            }
        }
        Err(RegistryError::Contended.into())
    }

    /// What the queue's head has to be, and the last sequence number by it.
    async fn head(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
    ) -> Result<(Expect, u64), RegistryError> {
        let documents = self.registry.documents();
        let head = documents.get(&head_key(device, module), Some(documents.revision())).await?;
        let Some(head) = head else { return Ok((Expect::Absent, 0)) };
        let value = head.body.identity.decode().unwrap_or_default();
        Ok((Expect::Revision(head.revision), value["last"].as_u64().unwrap_or(0)))
    }
}

pub(super) fn identity(device: &DeviceId, module: Option<&ModuleId>) -> IdentityId {
    IdentityId { device: device.clone(), module: module.cloned() }
}

/// Where a command goes, as its receivers read it.
fn address(device: &DeviceId, module: Option<&ModuleId>) -> String {
    match module {
        Some(module) => format!("/devices/{device}/modules/{module}/messages/devicebound"),
        None => format!("/devices/{device}/messages/devicebound"),
    }
}
