//! How the edge hub stands, for whoever shows it to people.

use skerry_front::DurationCounts;

use crate::service::EdgeHub;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The hub above is reached.
    pub is_reached: bool,
    pub clients: usize,
    pub queues: Vec<Queue>,
    /// On the disk, with what is done with and not removed yet.
    pub store_bytes: u64,
    /// Counters since the process began.
    pub received: u64,
    pub sent: u64,
    pub dropped: u64,
    pub refused: u64,
    pub parked: u64,
    pub damaged: u64,
    pub connects_failed: u64,
    pub offline: u64,
    pub durable: DurationCounts,
    pub upstream: DurationCounts,
}

/// Messages that wait for an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    pub endpoint: String,
    pub priority: u32,
    pub messages: u64,
    pub bytes: u64,
}

impl EdgeHub {
    pub fn snapshot(&self) -> Snapshot {
        let shared = &self.shared;
        let figures = &shared.figures;
        let log = shared.spool.log.figures();
        let queues = shared.spool.lengths().into_iter().map(|(queue, messages, bytes)| Queue {
            endpoint: shared.endpoint(&queue.endpoint.to_string()),
            priority: queue.priority,
            messages,
            bytes,
        });
        Snapshot {
            is_reached: shared.lines.is_reached(),
            clients: shared.directory.len(),
            queues: queues.collect(),
            store_bytes: log.disk_bytes,
            received: figures.messages_received.total(),
            sent: figures.messages_sent.total(),
            dropped: figures.messages_dropped.total(),
            refused: shared.spool.refused(),
            parked: figures.parked.get(),
            damaged: log.damaged,
            connects_failed: figures.connect_failures.total(),
            offline: figures.offline.total(),
            durable: figures.durable.counts(),
            upstream: figures.upstream.counts(),
        }
    }

    /// Whether clients are let in: the hub has said which routes there are, now or on an earlier day.
    pub fn is_ready(&self) -> bool {
        self.shared.configured.borrow().version > 0
    }
}
