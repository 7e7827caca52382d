//! Whether there is room for letters, and who gives way where there is none.

use std::collections::BTreeMap;
use std::fmt;

use skerry_store::log::{AppendError, CursorId, Draft, Full, Log};

use crate::endpoint::QueueName;
use crate::spool::Queues;

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
    /// Endpoints have them, and the log could not keep them.
    Seen(AppendError),
    Queue {
        queue: QueueName,
        bytes: u64,
        bytes_max: u64,
    },
}

impl NotStored {
    /// As figures have it.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Log(_) | Self::Queue { .. } => "storage_failure",
            Self::Seen(_) => "storage_failure_after_delivery",
        }
    }

    /// What would have to give way, where anything would help.
    pub(crate) fn lacks_room(&self) -> Option<Lacking<'_>> {
        match self {
            Self::Log(AppendError::Full(_)) => Some(Lacking::Store),
            Self::Log(_) | Self::Seen(_) => None,
            Self::Queue { queue, .. } => Some(Lacking::Queue(queue)),
        }
    }
}

impl fmt::Display for NotStored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(error) => error.fmt(f),
            Self::Seen(error) => write!(f, "it may have been delivered, and {error}"),
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
    pub(crate) fn refuses(self, log: &dyn Log, queues: &Queues, drafts: &[Draft]) -> Option<NotStored> {
        if let Some(bytes_max) = self.bytes.filter(|max| log.figures().disk_bytes >= *max) {
            let bytes = log.cursors().iter().map(|cursor| cursor.bytes).sum();
            if bytes >= bytes_max {
                return Some(NotStored::Log(Full::Cap { bytes, bytes_max }.into()));
            }
        }
        let bytes_max = self.queue_bytes?;
        // Most letters of a call go where the one before them went: each queue is looked at once.
        let mut looked_at: Vec<CursorId> = Vec::new();
        for id in drafts.iter().flat_map(|draft| draft.wanted_by.iter()) {
            if looked_at.contains(id) {
                continue;
            }
            looked_at.push(*id);
            if let Some(bytes) = log.cursor_bytes(*id).filter(|bytes| *bytes >= bytes_max)
                && let Some((queue, _)) = queues.iter().find(|(_, known)| *known == id)
            {
                return Some(NotStored::Queue { queue: queue.clone(), bytes, bytes_max });
            }
        }
        None
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
