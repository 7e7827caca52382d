//! Whether there is room for letters, and who gives way where there is none.

use std::collections::BTreeMap;
use std::fmt;

use skerry_store::log::{AppendError, CursorId, Draft, Full, Log};

use crate::endpoint::QueueName;

/// What the manifest allows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowed {
    /// Of everything.
    pub(crate) bytes: Option<u64>,
    /// Of each queue.
    pub(crate) queue_bytes: Option<u64>,
}

/// Why letters are not stored.
#[derive(Clone, Debug)]
pub(crate) enum NotStored {
    Log(AppendError),
    Queue { queue: QueueName, bytes: u64, bytes_max: u64 },
}

impl NotStored {
    /// What would have to give way, where anything would help.
    pub(crate) fn lacks_room(&self) -> Option<Lacking<'_>> {
        match self {
            Self::Log(AppendError::Full(_)) => Some(Lacking::Store),
            Self::Log(_) => None,
            Self::Queue { queue, .. } => Some(Lacking::Queue(queue)),
        }
    }
}

impl fmt::Display for NotStored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(error) => error.fmt(f),
            Self::Queue { queue, bytes, bytes_max } => {
                let name = queue.cursor();
                write!(f, "{name} holds {bytes} bytes that are not delivered, and may hold {bytes_max}")
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lacking<'q> {
    Store,
    Queue(&'q QueueName),
}

impl Allowed {
    /// What there is no room for. Files keep what is done with for a while, which does not count.
    pub(crate) fn refuses(self, log: &dyn Log, drafts: &[Draft]) -> Option<NotStored> {
        let bytes_max = self.bytes.filter(|max| log.figures().disk_bytes >= *max);
        if bytes_max.is_none() && self.queue_bytes.is_none() {
            return None;
        }
        let cursors = log.cursors();
        if let Some(bytes_max) = bytes_max {
            let bytes = cursors.iter().map(|cursor| cursor.bytes).sum();
            if bytes >= bytes_max {
                return Some(NotStored::Log(Full::Cap { bytes, bytes_max }.into()));
            }
        }
        let bytes_max = self.queue_bytes?;
        let goes_to = |id: CursorId| drafts.iter().any(|draft| draft.wanted_by.contains(&id));
        let mut full = cursors.iter().filter(|cursor| cursor.bytes >= bytes_max && goes_to(cursor.id));
        full.find_map(|cursor| {
            let queue = QueueName::parse(&cursor.name)?;
            Some(NotStored::Queue { queue, bytes: cursor.bytes, bytes_max })
        })
    }
}

/// How many letters were asked to give way, ever.
#[derive(Clone, Debug, Default)]
pub(crate) struct GivingWay {
    /// Wherever they are.
    anywhere: u64,
    /// One of each queue that was ever full.
    queues: BTreeMap<QueueName, u64>,
}

impl GivingWay {
    pub(crate) fn ask(&mut self, lacking: Lacking<'_>, count: u64) {
        match lacking {
            Lacking::Store => self.anywhere += count,
            Lacking::Queue(queue) => *self.queues.entry(queue.clone()).or_default() += count,
        }
    }

    pub(crate) fn anywhere_since(&self, before: &Self) -> u64 {
        self.anywhere - before.anywhere
    }

    pub(crate) fn of_queue_since(&self, before: &Self, queue: &QueueName) -> u64 {
        let count = |asked: &Self| asked.queues.get(queue).copied().unwrap_or(0);
        count(self) - count(before)
    }
}
