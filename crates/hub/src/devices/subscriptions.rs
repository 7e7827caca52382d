//! Subscriptions that outlive a connection: a document each, written only when they change.

use serde::{Deserialize, Serialize};
use skerry_front::device::Subscriptions;
use skerry_model::{DeviceId, ModuleId};
use skerry_mqtt::packet::Qos;
use skerry_mqtt::topic::Subscription;
use skerry_store::documents::{Action, Body, Change, Commit, CommitError, Document, Documents, Expect, Json};

use crate::spaces::subscriptions_key;

/// A commit whose outcome is unknown is made again: it writes the same.
const TRIES_MAX: usize = 8;

#[derive(Serialize, Deserialize)]
struct Stored {
    /// Of the identity that subscribed: one that was deleted and created anew has none.
    generation: String,
    granted: Vec<(String, u8)>,
}

fn word(kind: Subscription) -> &'static str {
    match kind {
        Subscription::Commands => "commands",
        Subscription::Inputs => "inputs",
        Subscription::Methods => "methods",
        Subscription::TwinAnswers => "twinAnswers",
        Subscription::Desired => "desired",
    }
}

/// What a stored document says, if it is of this generation.
pub(super) fn read(document: &Document, generation: &str) -> Option<Subscriptions> {
    let stored: Stored = serde_json::from_value(document.body.identity.decode().ok()?).ok()?;
    if stored.generation != generation {
        return None;
    }
    let mut subscriptions = Subscriptions::default();
    for (name, qos) in &stored.granted {
        let kind = Subscription::ALL.into_iter().find(|kind| word(*kind) == name)?;
        let qos = if *qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
        subscriptions.set(kind, Some(qos));
    }
    Some(subscriptions)
}

/// Writes them, or removes what was there.
pub(super) async fn write(
    documents: &dyn Documents,
    device: &DeviceId,
    module: Option<&ModuleId>,
    generation: &str,
    subscriptions: Option<&Subscriptions>,
) -> Result<(), CommitError> {
    let key = subscriptions_key(device, module);
    let action = match subscriptions {
        None => Action::Delete,
        Some(subscriptions) => {
            let granted =
                subscriptions.iter().map(|(kind, qos)| (word(kind).to_owned(), qos.bits())).collect();
            let stored = Stored { generation: generation.to_owned(), granted };
            let value = serde_json::to_value(stored).expect("texts and numbers are JSON");
            Action::Put(Body { identity: Json::encode(&value), ..Body::default() })
        }
    };
    let change = Change { key, expect: Expect::Anything, action, note: Vec::new() };
    let commit = Commit::new(device.as_str(), vec![change]);
    let mut outcome = Err(CommitError::Unknown);
    for _ in 0..TRIES_MAX {
        outcome = documents.commit(commit.clone()).await;
        if !matches!(outcome, Err(CommitError::Unknown)) {
            break;
        }
    }
    outcome.map(drop)
}
