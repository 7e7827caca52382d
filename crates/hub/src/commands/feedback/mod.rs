//! Feedback: what became of commands, for whoever sent them.
//!
//! A record is a document of the device, written by the commit that settled the command, so it goes
//! with the device. Readers get batches of at most 64 records, or what has come together after 15
//! seconds, under a lock of their own.

mod record;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use skerry_model::{DeviceId, Timestamp};
use skerry_store::documents::{Action, Change, Expect, Key, Lane, Update};
use tokio::time::{Instant, sleep_until};

use super::error::{LeaseError, SettleError};
use super::figures::count;
use super::lock::LockToken;
use super::{Commands, Shared};
use crate::registry::{CHANGE_TRIES_MAX, RegistryError};
pub use record::Outcome;
pub(super) use record::Record;
use waiting::Place;
pub(super) use waiting::Waiting;

/// What a batch says that it is.
pub const FEEDBACK_TYPE: &str = "application/vnd.microsoft.iothub.feedback.json";

/// One record as readers see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub message_id: String,
    pub outcome: Outcome,
    pub device: String,
    pub generation: String,
    pub enqueued: Timestamp,
}

/// A batch that a reader holds.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedbackBatch {
    pub token: LockToken,
    /// Of its newest record.
    pub enqueued: Timestamp,
    pub records: Vec<Told>,
}

impl FeedbackBatch {
    /// As applications read it, whatever it comes by.
    pub fn json(&self) -> Value {
        let record = |told: &Told| {
            json!({
                "originalMessageId": told.message_id,
                "description": told.outcome.as_str(),
                "deviceGenerationId": told.generation,
                "deviceId": told.device,
                "enqueuedTimeUtc": told.enqueued,
                "statusCode": told.outcome.as_str(),
            })
        };
        self.records.iter().map(record).collect()
    }
}

/// The feedback of one hub. Clones are the same.
#[derive(Clone)]
pub struct Feedback {
    pub(super) shared: Arc<Shared>,
}

impl Commands {
    pub fn feedback(&self) -> Feedback {
        Feedback { shared: Arc::clone(&self.shared) }
    }
}

impl Feedback {
    /// The next batch, if it is time for one.
    pub async fn lease(&self) -> Result<Option<FeedbackBatch>, LeaseError> {
        let shared = &self.shared;
        shared.open().await?;
        for _ in 0..CHANGE_TRIES_MAX {
            let places = shared.feedback.next(shared.clock.now());
            if places.is_empty() {
                return Ok(None);
            }
            let (there, gone) = shared.read(places).await?;
            shared.feedback.remove(&gone);
            let enqueued = there.iter().map(|(_, record)| record.enqueued).max().unwrap_or_default();
            let records = there.iter().map(|(place, record)| told(&place.key, record)).collect();
            let places: Vec<Place> = there.into_iter().map(|(place, _)| place).collect();
            if places.is_empty() {
                continue;
            }
            let token = LockToken::new(shared.random.as_ref());
            if shared.feedback.hold(places, token, shared.limits.feedback_lock) {
                return Ok(Some(FeedbackBatch { token, enqueued, records }));
            }
        }
        Err(RegistryError::Contended.into())
    }

    /// The reader has it.
    pub async fn complete(&self, token: LockToken) -> Result<(), SettleError> {
        let shared = &self.shared;
        let places =
            shared.feedback.begin(token, shared.limits.feedback_lock).ok_or(SettleError::LockLost)?;
        let outcome = shared.drop_feedback(&places).await;
        shared.feedback.free(token);
        outcome?;
        count(&shared.counters.feedback_completed, places.len());
        Ok(())
    }

    /// The reader gives it back, which counts.
    pub async fn abandon(&self, token: LockToken) -> Result<(), SettleError> {
        let shared = &self.shared;
        let places =
            shared.feedback.begin(token, shared.limits.feedback_lock).ok_or(SettleError::LockLost)?;
        let outcome = shared.put_feedback_back(places).await;
        shared.feedback.free(token);
        outcome
    }

    /// The reader is gone: what it held is others', without counting.
    pub(crate) fn release(&self, token: LockToken) {
        self.shared.feedback.release(token);
    }

    /// Done when there may be a batch.
    pub async fn wait(&self) {
        loop {
            let mut rung = std::pin::pin!(self.shared.feedback.bell.notified());
            rung.as_mut().enable();
            match self.shared.feedback.moment(self.shared.clock.now()) {
                Some(moment) if moment <= Instant::now() => return,
                Some(moment) => tokio::select! {
                    () = rung => {}
                    () = sleep_until(moment) => {}
                },
                None => rung.await,
            }
        }
    }
}

impl Shared {
    /// The records that are there, and the places of those that went with their device.
    async fn read(&self, places: Vec<Place>) -> Result<(Vec<(Place, Record)>, Vec<Place>), RegistryError> {
        let documents = self.registry.documents();
        let keys: Vec<Key> = places.iter().map(|place| place.key.clone()).collect();
        let found = documents.get_many(&keys, Some(documents.revision())).await?;
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for (place, document) in places.into_iter().zip(found) {
            match document.as_ref().and_then(Record::read) {
                Some(record) => there.push((place, record)),
                None => gone.push(place),
            }
        }
        Ok((there, gone))
    }

    /// A commit for each device; what could not be dropped comes again.
    async fn drop_feedback(&self, places: &[Place]) -> Result<(), RegistryError> {
        let mut of_devices: BTreeMap<&str, Vec<&Place>> = BTreeMap::new();
        for place in places {
            of_devices.entry(place.key.group.as_str()).or_default().push(place);
        }
        for (device, places) in of_devices {
            let change = |place: &&Place| Change {
                key: place.key.clone(),
                expect: Expect::Anything,
                action: Action::Delete,
                note: Vec::new(),
            };
            self.change_feedback(device, places.iter().map(change).collect()).await?;
            self.feedback.remove(places);
        }
        Ok(())
    }

    async fn put_feedback_back(&self, places: Vec<Place>) -> Result<(), SettleError> {
        let (there, mut gone) = self.read(places).await?;
        for (place, mut record) in there {
            record.deliveries += 1;
            if record.deliveries >= self.limits.feedback_deliveries_max {
                count(&self.counters.feedback_expired, 1);
                gone.push(place);
                continue;
            }
            let update = Update { identity: Some(record.encode()), ..Update::default() };
            let change = Change {
                key: place.key.clone(),
                expect: Expect::Present,
                action: Action::Update(update),
                note: Vec::new(),
            };
            self.change_feedback(&place.key.group, vec![change]).await?;
        }
        Ok(self.drop_feedback(&gone).await?)
    }

    async fn change_feedback(&self, device: &str, changes: Vec<Change>) -> Result<(), RegistryError> {
        // A device that is gone took its feedback along.
        let Ok(device) = device.parse::<DeviceId>() else { return Ok(()) };
        self.registry.settle(&device, changes, Lane::Interactive).await.map(drop)
    }

    /// Drops what nobody has read in time.
    pub(super) async fn expire_feedback(&self) -> Result<(), RegistryError> {
        loop {
            let places = self.feedback.expired(self.clock.now());
            if places.is_empty() {
                return Ok(());
            }
            self.drop_feedback(&places).await?;
            count(&self.counters.feedback_expired, places.len());
        }
    }
}

fn told(key: &Key, record: &Record) -> Told {
    Told {
        message_id: record.message_id.clone(),
        outcome: record.outcome,
        device: key.group.clone(),
        generation: record.generation.clone(),
        enqueued: record.enqueued,
    }
}
