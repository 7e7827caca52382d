//! Why a connection ends.

use skerry_mqtt::server::Violation;
use skerry_mqtt::topic::TopicError;

use crate::device::{CloseReason, PublishRefused, Unavailable};
use crate::figures::{Figure, Figures};
use crate::mqtt::wire::{Gone, Stuck};

#[derive(Debug, thiserror::Error)]
pub(in crate::mqtt) enum End {
    #[error("the client said goodbye")]
    Goodbye,
    #[error(transparent)]
    Gone(#[from] Gone),
    #[error(transparent)]
    Stuck(#[from] Stuck),
    #[error("the client was silent for too long")]
    Silent,
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("the topic cannot be used: {0}")]
    Topic(#[from] TopicError),
    #[error("there is nothing to subscribe to under {filter}")]
    Filter { filter: String },
    #[error("a message is not kept: {0}")]
    Publish(#[from] PublishRefused),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error("the service ended the connection ({})", .0.word())]
    Told(CloseReason),
    #[error("the hub stops")]
    Stopping,
}

impl End {
    /// Whether the client may still be listening, and in good faith.
    pub(super) fn is_worth_a_farewell(&self) -> bool {
        let is_fault = matches!(self, Self::Told(CloseReason::Fault | CloseReason::Barred));
        !is_fault && !matches!(self, Self::Gone(_) | Self::Stuck(_) | Self::Silent)
    }
}

impl Figures {
    pub(super) fn mqtt_ended(&self, end: &End) -> &Figure {
        match end {
            End::Goodbye | End::Gone(Gone::Closed | Gone::Broken(_)) | End::Stopping => &self.mqtt_left,
            End::Gone(Gone::Malformed(_) | Gone::Stranger)
            | End::Violation(_)
            | End::Topic(_)
            | End::Filter { .. } => &self.mqtt_broken,
            End::Stuck(_) => &self.mqtt_writes_stalled,
            End::Silent => &self.mqtt_silent,
            End::Publish(_) | End::Unavailable(_) => &self.mqtt_publishes_refused,
            End::Told(CloseReason::Superseded) => &self.mqtt_superseded,
            End::Told(CloseReason::Expired) => &self.mqtt_expired,
            End::Told(_) => &self.mqtt_told_to_go,
        }
    }
}
