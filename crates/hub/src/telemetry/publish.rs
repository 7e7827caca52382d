//! Taking a message in.

use std::sync::Arc;

use skerry_model::DeviceId;
use skerry_model::limits::DEVICE_MESSAGE_BYTES_MAX;
use skerry_model::message::{Message, MessageError};
use skerry_store::log::{AppendError, Batch, Draft, Durability, Log, Order, Partition};

use super::partition::partition_of;
use super::stamp::{Letterhead, Sender, Source};

pub struct TelemetryOptions {
    pub log: Arc<dyn Log>,
    /// Never fewer than before, or messages would no longer be found.
    pub partitions: u32,
    pub durability: Durability,
}

/// Messages from devices. Clones are the same.
#[derive(Clone)]
pub struct Telemetry {
    pub(super) log: Arc<dyn Log>,
    pub(super) partitions: u32,
    durability: Durability,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Message(#[from] MessageError),
    /// Ours; the sender may try again.
    #[error(transparent)]
    Log(#[from] AppendError),
}

impl Telemetry {
    pub fn new(options: TelemetryOptions) -> Self {
        let TelemetryOptions { log, partitions, durability } = options;
        Self { log, partitions: partitions.max(1), durability }
    }

    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Keeps the messages of one sender, in order; when it answers they are as safe as configured.
    /// All of them are checked first, and after one that could not be kept none follows.
    pub async fn publish(&self, sender: &Sender, messages: Vec<Message>) -> Result<(), PublishError> {
        let bytes: usize = messages.iter().map(Message::bytes).sum();
        if bytes > DEVICE_MESSAGE_BYTES_MAX {
            return Err(MessageError::Size { bytes, bytes_max: DEVICE_MESSAGE_BYTES_MAX }.into());
        }
        messages.iter().try_for_each(|message| message.check(DEVICE_MESSAGE_BYTES_MAX))?;
        let letterhead = Letterhead::new(sender, Source::Telemetry, None);
        let partition = partition_of(&sender.device, self.partitions);
        Ok(self.append(batch(&letterhead, partition, messages, self.durability)).await?)
    }

    /// The same for a sender that is connected, with what is known of it already. Each message is
    /// checked on its own.
    pub async fn publish_in_order(
        &self,
        letterhead: &Letterhead,
        partition: Partition,
        order: &Order,
        messages: Vec<Message>,
    ) -> Result<(), PublishError> {
        messages.iter().try_for_each(|message| message.check(DEVICE_MESSAGE_BYTES_MAX))?;
        let batch = batch(letterhead, partition, messages, self.durability).in_order(order);
        // Its connection is not read while too much waits.
        Ok(self.append(batch.patient()).await?)
    }

    /// Keeps an event of our own.
    pub(crate) async fn note(
        &self,
        letterhead: &Letterhead,
        partition: Partition,
        order: &Order,
        message: Message,
        durability: Durability,
    ) -> Result<(), AppendError> {
        self.append(batch(letterhead, partition, vec![message], durability).in_order(order)).await
    }

    async fn append(&self, batch: Batch) -> Result<(), AppendError> {
        for outcome in self.log.append(batch).await {
            outcome?;
        }
        Ok(())
    }

    /// Where the messages of a device lie.
    pub fn partition_of(&self, device: &DeviceId) -> Partition {
        partition_of(device, self.partitions)
    }

    /// Counters and gauges of the log behind it.
    pub fn figures(&self) -> skerry_store::log::Figures {
        self.log.figures()
    }
}

fn batch(
    letterhead: &Letterhead,
    partition: Partition,
    messages: Vec<Message>,
    durability: Durability,
) -> Batch {
    let drafts = messages.into_iter().map(|message| Draft {
        partition,
        headers: letterhead.stamp(&message.system, &message.application),
        payload: message.body,
        ..Draft::default()
    });
    Batch::new(drafts.collect(), durability)
}
