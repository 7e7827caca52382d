//! Letters of senders that the hub does not let in: they wait apart, in order, and keep nobody else waiting.

use std::collections::HashMap;
use std::sync::Arc;

use skerry_model::IdentityId;
use skerry_store::log::{
    AppendError, Batch, CursorError, CursorId, CursorKind, Draft, Durability, From, Log, Queue, QueueOptions,
    Record, Start,
};

use crate::letter::Stored;

/// What one sender's letters may take; beyond it the new ones are dropped, with their reason.
const BYTES_MAX: u64 = 16 << 20;
/// Senders whose letters wait apart.
const SENDERS_MAX: usize = 256;
const NAME: &str = "parked/";

pub(super) struct Parked {
    log: Arc<dyn Log>,
    durability: Durability,
    senders: HashMap<IdentityId, Sender>,
}

struct Sender {
    cursor: CursorId,
    bytes: u64,
    records: u64,
}

/// Why a letter does not wait apart either.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotParked {
    #[error("{BYTES_MAX} bytes of its sender wait already")]
    Full,
    #[error("letters of {SENDERS_MAX} senders wait already")]
    Crowded,
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Cursor(#[from] CursorError),
}

impl Parked {
    /// With those that the log has.
    pub(super) fn open(log: Arc<dyn Log>, durability: Durability) -> Self {
        let senders = log.cursors().into_iter().filter_map(|cursor| {
            let (device, module) = match cursor.name.strip_prefix(NAME)?.split_once('/') {
                None => (cursor.name.strip_prefix(NAME)?, None),
                Some((device, module)) => (device, Some(module.parse().ok()?)),
            };
            let id = IdentityId { device: device.parse().ok()?, module };
            Some((id, Sender { cursor: cursor.id, bytes: cursor.bytes, records: cursor.records }))
        });
        let senders = senders.collect();
        Self { log, durability, senders }
    }

    pub(super) fn has(&self, id: &IdentityId) -> bool {
        self.senders.contains_key(id)
    }

    pub(super) fn senders(&self) -> impl Iterator<Item = &IdentityId> {
        self.senders.keys()
    }

    /// Puts a letter apart; durable when it answers.
    pub(super) async fn park(&mut self, id: &IdentityId, record: &Record) -> Result<(), NotParked> {
        if !self.senders.contains_key(id) {
            if self.senders.len() >= SENDERS_MAX {
                return Err(NotParked::Crowded);
            }
            let start = Start { kind: CursorKind::Wanted, from: From::Newest, ..Start::default() };
            let cursor = self.log.cursor(&format!("{NAME}{id}"), start).await?;
            self.senders.insert(id.clone(), Sender { cursor: cursor.id, bytes: 0, records: 0 });
        }
        let Some(sender) = self.senders.get_mut(id) else { return Err(NotParked::Full) };
        let bytes = (record.headers.len() + record.payload.len()) as u64;
        if sender.bytes + bytes > BYTES_MAX {
            return Err(NotParked::Full);
        }
        let draft = Draft {
            wanted_by: [sender.cursor].into(),
            headers: record.headers.clone(),
            payload: record.payload.clone(),
            ..Draft::default()
        };
        let outcome = self.log.append(Batch::new(vec![draft], self.durability).patient()).await;
        outcome.into_iter().find_map(Result::err).map_or(Ok(()), Err)?;
        sender.bytes += bytes;
        sender.records += 1;
        Ok(())
    }

    /// The letters of a sender, the oldest first.
    pub(super) async fn queue(&self, id: &IdentityId) -> Result<Queue, CursorError> {
        let start = Start { kind: CursorKind::Wanted, ..Start::default() };
        let options = QueueOptions { in_flight_max: 32, prefetch_records: 32, ..QueueOptions::default() };
        Queue::open(Arc::clone(&self.log), &format!("{NAME}{id}"), start, options).await
    }

    /// A letter of the sender is done with; `true` when it was the last.
    pub(super) fn is_done(&mut self, id: &IdentityId, record: &Record) -> bool {
        let Some(sender) = self.senders.get_mut(id) else { return true };
        sender.records = sender.records.saturating_sub(1);
        sender.bytes = sender.bytes.saturating_sub((record.headers.len() + record.payload.len()) as u64);
        sender.records == 0
    }

    /// Nothing of the sender waits any more.
    pub(super) async fn forget(&mut self, id: &IdentityId) {
        if let Some(sender) = self.senders.remove(id)
            && let Err(error) = self.log.drop_cursor(sender.cursor).await
        {
            tracing::warn!(%id, %error, "A queue that is empty stays.");
        }
    }
}

/// What lies in a record that waits apart.
pub(super) fn read(record: &Record) -> Option<Stored> {
    Stored::decode(&record.headers, record.payload.clone()).ok()
}
