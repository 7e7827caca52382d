//! The letters of one sender that waited apart, on their way after all.

use std::collections::HashMap;

use skerry_model::IdentityId;
use skerry_store::log::{CursorError, Leased, Queue, Record, Sequence};
use tokio::sync::mpsc;

use super::parked::{Parked, read};
use super::station::Ends;
use crate::line::{Lines, Parcel};
use crate::spool::Spool;
use crate::ticket::{Fate, Fates, Place, Ticket};

/// Settled letters that the log was not told of: so many go out again after a crash.
const UNSAVED_MAX: usize = 64;

pub(super) struct Drain {
    id: IdentityId,
    queue: Queue,
    records: HashMap<Sequence, Record>,
    fates: mpsc::UnboundedReceiver<(Place, Fate)>,
    tell: Fates,
    unsaved: usize,
    is_barred: bool,
}

pub(super) enum Step {
    Leased(Leased),
    Fate(Place, Fate),
    Failed(String),
}

/// How it stands after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    GoesOn,
    /// Nothing waits apart any more.
    Empty,
    /// Later again.
    Broken,
}

impl Drain {
    pub(super) async fn open(parked: &Parked, id: IdentityId) -> Result<Self, CursorError> {
        let queue = parked.queue(&id).await?;
        let (tell, fates) = mpsc::unbounded_channel();
        Ok(Self { id, queue, records: HashMap::new(), fates, tell, unsaved: 0, is_barred: false })
    }

    pub(super) fn id(&self) -> &IdentityId {
        &self.id
    }

    /// The next thing that happens. Giving up the wait loses nothing.
    pub(super) async fn next(&mut self, may_lease: bool) -> Step {
        let may_lease = may_lease && !self.is_barred;
        tokio::select! {
            biased;
            Some((place, fate)) = self.fates.recv() => Step::Fate(place, fate),
            leased = self.queue.lease(), if may_lease => match leased {
                Ok(leased) => Step::Leased(leased),
                Err(error) => Step::Failed(error.to_string()),
            },
        }
    }

    pub(super) async fn take(
        &mut self,
        step: Step,
        parked: &mut Parked,
        lines: &Lines,
        (spool, ends): (&Spool, &Ends),
    ) -> Stands {
        match step {
            Step::Leased(Leased { record, .. }) => {
                let stored = match read(&record) {
                    None => {
                        spool.drop_counted("unreadable", &self.id.to_string(), "");
                        return self.settle(record, parked).await;
                    }
                    Some(stored) => stored,
                };
                if ends.is_over(&stored) {
                    spool.drop_letter("ttl_expiry", &stored.letter);
                    return self.settle(record, parked).await;
                }
                let place = Place { queue: 0, sequence: record.sequence };
                self.records.insert(record.sequence, record);
                let ticket = Ticket::of_pump(self.tell.clone(), place);
                lines.send(&self.id, Parcel { letter: stored.letter, ticket, is_again: true });
                Stands::GoesOn
            }
            Step::Fate(place, fate) => {
                let Some(record) = self.records.remove(&place.sequence) else { return Stands::GoesOn };
                match fate {
                    Fate::Delivered => return self.settle(record, parked).await,
                    Fate::Refused { why } => {
                        tracing::warn!(id = %self.id, why, "A letter is dropped: the hub will never take it.");
                        spool.drop_counted("refused", &self.id.to_string(), "");
                        return self.settle(record, parked).await;
                    }
                    Fate::Returned | Fate::Abandoned | Fate::Barred { .. } => {
                        self.is_barred |= !matches!(fate, Fate::Returned);
                        self.queue.give_back(place.sequence);
                    }
                }
                if self.is_barred && self.records.is_empty() { Stands::Broken } else { Stands::GoesOn }
            }
            Step::Failed(error) => {
                tracing::warn!(id = %self.id, error, "Letters that wait apart cannot be read.");
                Stands::Broken
            }
        }
    }

    async fn settle(&mut self, record: Record, parked: &mut Parked) -> Stands {
        self.queue.settle(record.sequence);
        self.unsaved += 1;
        let is_last = parked.is_done(&self.id, &record) && self.records.is_empty();
        if is_last || self.unsaved >= UNSAVED_MAX {
            self.save().await;
        }
        match () {
            // Only the log knows for certain: what it still has must not be forgotten.
            () if is_last && parked.is_empty_of(&self.id) => Stands::Empty,
            () if self.is_barred && self.records.is_empty() => Stands::Broken,
            () => Stands::GoesOn,
        }
    }

    /// Tells the log what has gone.
    pub(super) async fn save(&mut self) {
        self.unsaved = 0;
        if let Err(error) = self.queue.save().await {
            tracing::warn!(id = %self.id, %error, "What was delivered could not be noted, it may go out again.");
        }
    }
}
