//! What changes in the registry reaches the connections that it is about.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use serde_json::{Map, Value};
use skerry_front::device::{CloseReason, Desired, Order};
use skerry_mqtt::topic::Subscription;
use skerry_store::documents::{ChangeKind, ChangeRecord, FollowError};
use tokio::sync::watch;

use super::Shared;
use super::live::Live;
use crate::access::{AccessError, SenderError};
use crate::registry::{Note, Record, RegistryError};
use crate::spaces::{DEVICES, MODULES};

/// Follows the documents until `stopping`.
pub(super) async fn follow(shared: &Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    let documents = shared.registry.documents();
    let mut follower = documents.follow(shared.follow_from);
    loop {
        let changes = tokio::select! {
            changes = follower.next() => changes,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        match changes {
            Ok(changes) => {
                for change in changes {
                    shared.pass_on(&change).await;
                }
            }
            Err(FollowError::Lagged(lagged)) => {
                tracing::warn!(
                    "Changes came faster than they could be passed on; every connection is looked at."
                );
                follower = documents.follow(lagged.resume);
                look_at_everybody(shared).await;
            }
            Err(error) => {
                tracing::error!(%error, "Changes are not passed on to devices any more; restart the hub.");
                return;
            }
        }
    }
}

pub(super) async fn look_at_everybody(shared: &Arc<Shared>) {
    let mut everybody = Vec::new();
    shared.directory.each(|live| everybody.push(Arc::clone(live)));
    for live in everybody {
        live.look_again().await;
    }
}

impl Shared {
    async fn pass_on(&self, change: &ChangeRecord) {
        let is_device = change.key.space == DEVICES;
        if !is_device && change.key.space != MODULES {
            return;
        }
        if change.kind == ChangeKind::Delete {
            self.commands.look_again(&change.key);
        }
        let of_device = self.directory.of_device(&change.key.group);
        if of_device.is_empty() {
            return;
        }
        let note = Note::decode(&change.note);
        for live in of_device {
            let is_own = live.module_name() == change.key.name;
            match &note {
                Some(note) if is_own => live.tell_desired(note),
                Some(_) => {}
                None if change.kind == ChangeKind::Delete && (is_own || is_device) => {
                    live.post.push(Order::Close(CloseReason::Revoked));
                }
                // A module goes with its device.
                None if is_own || is_device => drop(live.check_again().await),
                None => {}
            }
        }
    }
}

impl Live {
    fn tell_desired(&self, note: &Note) {
        if let Some(desired) = &note.desired {
            self.push_desired(desired.version, desired.patch.clone());
        }
    }

    fn push_desired(&self, version: u64, mut patch: Map<String, Value>) {
        // The same change may come twice.
        if self.told.fetch_max(version, SeqCst) >= version || !self.listens_to(Subscription::Desired) {
            return;
        }
        patch.insert("$version".to_owned(), version.into());
        let patch = Bytes::from(Value::Object(patch).to_string());
        self.post.push(Order::Desired(Desired { version, patch }));
    }

    /// After changes that were told to nobody: whether the client may still be here, and what is
    /// desired by now.
    pub(super) async fn look_again(&self) {
        if let Some(record) = self.check_again().await {
            let desired = &record.twin.desired;
            self.push_desired(desired.version(), desired.properties().clone());
        }
    }

    /// Whether the client may still be here.
    async fn check_again(&self) -> Option<Record> {
        let (device, module) = (self.device.clone(), self.module.clone());
        let proof = self.proof();
        match self.shared.authorizer.admit_by(&proof, self.chain.as_ref(), device, module).await {
            Ok(admitted) if admitted.sender.generation == self.sender.generation => Some(admitted.record),
            // The time of what it showed is watched over elsewhere.
            Err(SenderError::Access(AccessError::Unavailable { .. } | AccessError::Expired { .. })) => None,
            Err(SenderError::Registry(RegistryError::Read(_))) => None,
            Ok(_) | Err(_) => {
                self.post.push(Order::Close(CloseReason::Revoked));
                None
            }
        }
    }
}
