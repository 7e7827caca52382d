//! Why a connection ends.

use skerry_amqp::connection::Violation;
use skerry_amqp::performative::{Fault, condition};

use crate::amqp::wire::Gone;
use crate::figures::{Figure, Figures};

#[derive(Debug, thiserror::Error)]
pub(in crate::amqp) enum End {
    #[error("the client said goodbye")]
    Goodbye,
    #[error(transparent)]
    Gone(#[from] Gone),
    #[error("the client does not read")]
    Stuck,
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("the client did not say who it is")]
    Unproven,
    #[error("the client is not who it says")]
    Disbelieved,
    #[error("a fault was asked for")]
    Fault,
    #[error("a fault was asked for, with a word of goodbye")]
    FaultTold,
    #[error("the hub stops")]
    Stopping,
}

impl End {
    /// What the client is told at the end, if it may still be listening.
    pub(super) fn farewell(&self) -> Option<Option<Fault>> {
        let forced = |text: &str| Some(Some(Fault::new(condition::CONNECTION_FORCED, text)));
        match self {
            // The machine has said it already.
            Self::Goodbye | Self::Violation(_) | Self::Disbelieved => Some(None),
            Self::Gone(Gone::Malformed(error)) => {
                Some(Some(Fault::new(condition::FRAMING_ERROR, error.to_string())))
            }
            Self::Gone(_) | Self::Stuck | Self::Fault => None,
            Self::Unproven => {
                Some(Some(Fault::new(condition::UNAUTHORIZED_ACCESS, "nothing was shown that counts")))
            }
            Self::FaultTold => forced("a fault was asked for"),
            Self::Stopping => forced("the hub stops, connect again"),
        }
    }
}

impl Figures {
    pub(super) fn amqp_ended(&self, end: &End) -> &Figure {
        match end {
            End::Goodbye | End::Gone(Gone::Closed | Gone::Broken(_)) | End::Stopping => &self.amqp_left,
            End::Violation(Violation::Silent) => &self.amqp_silent,
            End::Gone(Gone::Malformed(_)) | End::Violation(_) => &self.amqp_broken,
            End::Stuck => &self.amqp_writes_stalled,
            End::Unproven | End::Disbelieved => &self.amqp_unproven,
            End::Fault | End::FaultTold => &self.amqp_told_to_go,
        }
    }
}
