//! Subscriptions that outlive a connection, written only when they change.

use serde::{Deserialize, Serialize};
use skerry_front::device::Subscriptions;
use skerry_model::{IdentityId, ModuleId};
use skerry_mqtt::packet::Qos;
use skerry_mqtt::topic::Subscription;
use skerry_store::documents::Key;

use crate::cabinet::{Cabinet, CabinetError, SUBSCRIPTIONS};

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

fn key(id: &IdentityId) -> Key {
    Key::new(SUBSCRIPTIONS, id.device.as_str(), id.module.as_ref().map_or("", ModuleId::as_str))
}

pub(super) async fn load(
    cabinet: &Cabinet,
    id: &IdentityId,
    generation: &str,
) -> Result<Option<Subscriptions>, CabinetError> {
    let stored: Option<Stored> = match cabinet.get(&key(id)).await {
        Err(CabinetError::Sealed { .. }) => None,
        other => other?,
    };
    let Some(stored) = stored.filter(|stored| stored.generation == generation) else { return Ok(None) };
    let mut subscriptions = Subscriptions::default();
    for (name, qos) in &stored.granted {
        let kind = Subscription::ALL.into_iter().find(|kind| word(*kind) == name);
        let qos = if *qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
        if let Some(kind) = kind {
            subscriptions.set(kind, Some(qos));
        }
    }
    Ok(Some(subscriptions))
}

pub(super) async fn save(
    cabinet: &Cabinet,
    id: &IdentityId,
    generation: &str,
    subscriptions: &Subscriptions,
) -> Result<(), CabinetError> {
    let granted = subscriptions.iter().map(|(kind, qos)| (word(kind).to_owned(), qos.bits())).collect();
    cabinet.put(key(id), &Stored { generation: generation.to_owned(), granted }).await
}

pub(super) async fn remove(cabinet: &Cabinet, id: &IdentityId) -> Result<(), CabinetError> {
    cabinet.remove(key(id)).await
}
