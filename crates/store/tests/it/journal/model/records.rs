//! Records that can be told apart by their bytes.

use std::sync::Arc;

use bytes::Bytes;
use skerry_model::Timestamp;
use skerry_store::log::{CursorId, Draft, Durability, Name, Partition, Sequence};

use crate::samples::Dice;

/// The how manieth record it is.
pub(crate) type Id = usize;

#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) partition: Partition,
    pub(crate) name: Option<Name>,
    pub(crate) wanted_by: Arc<[CursorId]>,
    pub(super) headers: Bytes,
    pub(super) payload: Bytes,
    /// Who sent it in order, and as the how manieth.
    pub(crate) order: Option<(usize, usize)>,
    /// Tries that were not answered yet.
    pub(super) tries: usize,
    /// Some try may have placed it; nobody knows.
    pub(super) is_unsure: bool,
    /// Its sender never got an answer, and so will send it again.
    pub(super) is_unanswered: bool,
    /// It was placed, as safe as this.
    pub(super) acked: Option<Durability>,
    pub(super) at: Option<(Sequence, Timestamp)>,
    /// Bytes placed up to here, for judging what retention took.
    pub(super) placed_bytes: u64,
    /// They count already, though nobody was told of its place.
    pub(super) is_counted: bool,
    /// It is among what was removed, rightly, if it was placed: its name may still be known, and a
    /// removal may be undone by a crash.
    pub(super) is_retired: bool,
}

impl Sent {
    /// Record `id`; its bytes follow from its number. Some have no headers, some no payload, most
    /// are small and some are large.
    pub(crate) fn new(id: Id, partition: Partition, bytes_max: usize) -> Self {
        let mut dice = Dice(id as u64 ^ 0x5e_ed);
        let length = match dice.roll(8) {
            0 => 0,
            1 => dice.roll(bytes_max),
            _ => dice.roll(bytes_max / 8 + 1),
        };
        let fill = |length: usize, dice: &mut Dice| -> Vec<u8> {
            let start = (id as u64).to_be_bytes().into_iter();
            start.chain(std::iter::repeat_with(|| dice.roll(256) as u8)).take(8 + length).collect()
        };
        let (headers, payload) = match dice.roll(4) {
            0 => (Vec::new(), fill(length, &mut dice)),
            1 => (fill(length, &mut dice), Vec::new()),
            _ => (fill(dice.roll(40), &mut dice), fill(length, &mut dice)),
        };
        Self {
            partition,
            name: None,
            wanted_by: Arc::new([]),
            headers: headers.into(),
            payload: payload.into(),
            order: None,
            tries: 0,
            is_unsure: false,
            is_unanswered: false,
            acked: None,
            at: None,
            placed_bytes: 0,
            is_counted: false,
            is_retired: false,
        }
    }

    /// Whose bytes these are; they may still be torn.
    pub(super) fn recognize(headers: &[u8], payload: &[u8]) -> Option<Id> {
        let number = if headers.is_empty() { payload } else { headers }.first_chunk()?;
        usize::try_from(u64::from_be_bytes(*number)).ok()
    }

    pub(super) fn draft(&self) -> Draft {
        Draft {
            partition: self.partition,
            name: self.name,
            wanted_by: self.wanted_by.clone(),
            headers: self.headers.clone(),
            payload: self.payload.clone(),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.headers.len() + self.payload.len()) as u64
    }

    pub(crate) fn sequence(&self) -> Option<Sequence> {
        self.at.map(|(sequence, _)| sequence)
    }

    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.at.map(|(_, time)| time)
    }

    /// Somebody was told that it was placed, and nothing happened that takes this back.
    pub(crate) fn is_there(&self) -> bool {
        self.acked.is_some()
    }

    pub(super) fn may_be_there(&self) -> bool {
        self.is_there() || self.is_unsure || self.is_retired || self.tries > 0
    }

    /// Its sender will send it again, and can.
    pub(crate) fn is_to_be_retried(&self) -> bool {
        self.is_unanswered && self.name.is_some()
    }
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{{{:?} {:?} at {:?}, {} bytes, acked {:?}, {} tries, unsure {}, retired {}, wanted by {:?}}}",
            self.partition,
            self.name,
            self.at.map(|(sequence, _)| sequence.number()),
            self.bytes(),
            self.acked,
            self.tries,
            self.is_unsure,
            self.is_retired,
            self.wanted_by,
        )
    }
}
