//! Letters of senders that the hub does not let in: they wait apart, in order, and keep nobody else waiting.

use std::collections::BTreeMap;
use std::sync::Arc;

use skerry_model::IdentityId;
use skerry_store::log::{
    AppendError, Batch, CursorError, CursorId, CursorKind, Draft, Durability, From, Log, Order, Queue,
    QueueOptions, Record, Start,
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
    senders: BTreeMap<IdentityId, Sender>,
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

    pub(super) fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.senders.len()
    }

    /// Senders in turn, beginning behind one that had its own.
    pub(super) fn after<'p>(&'p self, last: Option<&'p IdentityId>) -> impl Iterator<Item = &'p IdentityId> {
        let behind = self.senders.keys().filter(move |id| last.is_none_or(|last| *id > last));
        let before = self.senders.keys().filter(move |id| last.is_some_and(|last| *id <= last));
        behind.chain(before)
    }

    /// Puts letters of one sender apart, in their order; how many are durable, and why not the others.
    pub(super) async fn park(&mut self, id: &IdentityId, records: &[Record]) -> (usize, Option<NotParked>) {
        let sender = match self.sender(id).await {
            Ok(sender) => sender,
            Err(error) => return (0, Some(error)),
        };
        let (cursor, mut bytes) = (sender.cursor, sender.bytes);
        let fits = |record: &&Record| {
            bytes += size(record);
            bytes <= BYTES_MAX
        };
        let fitting: Vec<&Record> = records.iter().take_while(fits).collect();
        let draft = |record: &&Record| Draft {
            wanted_by: [cursor].into(),
            headers: record.headers.clone(),
            payload: record.payload.clone(),
            ..Draft::default()
        };
        let drafts: Vec<Draft> = fitting.iter().map(draft).collect();
        let mut error = (fitting.len() < records.len()).then_some(NotParked::Full);
        let mut count = fitting.len();
        if !drafts.is_empty() {
            // After one that fails the later ones do.
            let batch = Batch::new(drafts, self.durability).in_order(&Order::default()).patient();
            let outcomes = self.log.append(batch).await;
            count = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
            error = outcomes.into_iter().find_map(Result::err).map(NotParked::from).or(error);
        }
        if let Some(sender) = self.senders.get_mut(id) {
            sender.bytes += fitting.iter().take(count).map(|record| size(record)).sum::<u64>();
            sender.records += count as u64;
        }
        (count, error)
    }

    async fn sender(&mut self, id: &IdentityId) -> Result<&Sender, NotParked> {
        if !self.senders.contains_key(id) && self.senders.len() >= SENDERS_MAX {
            return Err(NotParked::Crowded);
        }
        let start = Start { kind: CursorKind::Wanted, from: From::Newest, ..Start::default() };
        let cursor = self.log.cursor(&format!("{NAME}{id}"), start).await?;
        let sender = Sender { cursor: cursor.id, bytes: cursor.bytes, records: cursor.records };
        Ok(self.senders.entry(id.clone()).or_insert(sender))
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
        sender.bytes = sender.bytes.saturating_sub(size(record));
        sender.records == 0
    }

    /// Counts again what the log has of a sender; `true` when that is nothing.
    pub(super) fn is_empty_of(&mut self, id: &IdentityId) -> bool {
        let Some(sender) = self.senders.get_mut(id) else { return true };
        let cursors = self.log.cursors().into_iter();
        for cursor in cursors.filter(|cursor| cursor.id == sender.cursor) {
            (sender.records, sender.bytes) = (cursor.records, cursor.bytes);
        }
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

fn size(record: &Record) -> u64 {
    (record.headers.len() + record.payload.len()) as u64
}

/// What lies in a record that waits apart.
pub(super) fn read(record: &Record) -> Option<Stored> {
    Stored::decode(&record.headers, record.payload.clone()).ok()
}
