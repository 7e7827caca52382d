//! All partitions at once, as messages come in.

use std::sync::Arc;

use skerry_model::Timestamp;
use skerry_store::log::{Follower, From, Log, Partition, ReadError, Reading};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::event::Event;
use super::publish::Telemetry;

/// Events that wait for a slow reader; then reading waits.
const WAITING_MAX: usize = 64;

/// Where a stream begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamStart {
    /// With what comes after the call.
    #[default]
    Now,
    Oldest,
    Time(Timestamp),
}

/// Events of all partitions, each partition in its order. Dropping it ends the reading.
pub struct Stream {
    events: mpsc::Receiver<Result<Event, ReadError>>,
    _readers: JoinSet<()>,
}

impl Telemetry {
    pub fn stream(&self, start: StreamStart) -> Stream {
        let (sender, events) = mpsc::channel(WAITING_MAX);
        let mut readers = JoinSet::new();
        for number in 0..self.partitions {
            let partition = Partition::new(number);
            let from = match start {
                StreamStart::Now => From::Newest,
                StreamStart::Oldest => From::Oldest,
                StreamStart::Time(time) => From::Time(time),
            };
            // "Now" is this call, not the first time that a reader is run.
            let follower = self.log.follow(Reading::new(partition, from));
            readers.spawn(read(follower, partition, sender.clone(), Arc::clone(&self.log)));
        }
        Stream { events, _readers: readers }
    }
}

async fn read(
    mut follower: Box<dyn Follower>,
    partition: Partition,
    sender: mpsc::Sender<Result<Event, ReadError>>,
    // A log stays open for as long as somebody reads it.
    _log: Arc<dyn Log>,
) {
    loop {
        let page = match follower.next().await {
            Ok(page) => page,
            Err(error) => {
                drop(sender.send(Err(error)).await);
                return;
            }
        };
        for record in page.records {
            let sequence = record.sequence;
            match Event::new(partition, record) {
                Ok(event) => {
                    if sender.send(Ok(event)).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::warn!(
                    partition = partition.number(),
                    sequence = sequence.number(),
                    %error,
                    "A stored message is passed over."
                ),
            }
        }
    }
}

impl Stream {
    /// The next event; `None` when the log was closed.
    pub async fn next(&mut self) -> Option<Result<Event, ReadError>> {
        match self.events.recv().await {
            Some(Err(ReadError::Closed)) | None => None,
            other => other,
        }
    }
}
