//! Taking a message in.

use std::sync::Arc;

use skerry_model::limits::DEVICE_MESSAGE_BYTES_MAX;
use skerry_model::message::{Message, MessageError};
use skerry_store::log::{AppendError, Batch, Draft, Durability, Log, Order};

use super::partition::partition_of;
use super::stamp::{Sender, Source, Stamp};

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
        let partition = partition_of(&sender.device, self.partitions);
        let drafts = messages.into_iter().map(|message| Draft {
            partition,
            headers: stamped(sender, &message).encode(),
            payload: message.body,
            ..Draft::default()
        });
        let batch = Batch::new(drafts.collect(), self.durability).in_order(&Order::default());
        for outcome in self.log.append(batch).await {
            outcome?;
        }
        Ok(())
    }

    /// Counters and gauges of the log behind it.
    pub fn figures(&self) -> skerry_store::log::Figures {
        self.log.figures()
    }
}

fn stamped(sender: &Sender, message: &Message) -> Stamp {
    Stamp {
        device: sender.device.as_str().to_owned(),
        module: sender.module.as_ref().map(|module| module.as_str().to_owned()),
        generation: sender.generation.clone(),
        method: sender.method_json(),
        source: Source::Telemetry,
        model: None,
        system: message.system.clone(),
        application: message.application.clone(),
    }
}
