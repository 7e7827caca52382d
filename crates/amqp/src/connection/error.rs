//! Mistakes of the peer that end the connection.

use crate::codec::DecodeError;
use crate::frame::FrameError;
use crate::performative::{Fault, condition};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a frame cannot be read: {0}")]
    Decode(#[from] DecodeError),
    #[error("the header is not that of AMQP 1.0.0")]
    Header,
    #[error("this frame may not come now ({phase})")]
    Phase { phase: &'static str },
    #[error("there is no way of saying who one is that both know")]
    Mechanism,
    #[error("the frame size that is announced is below 512")]
    FrameSize,
    #[error("more sessions than {sessions_max}, or one on a channel that is taken")]
    Sessions { sessions_max: u16 },
    #[error("the peer does not believe who we are")]
    Refused,
    #[error("nothing was heard for too long")]
    Silent,
}

impl Violation {
    pub(super) fn fault(&self) -> Fault {
        let condition = match self {
            Self::Frame(_) | Self::Header | Self::Phase { .. } | Self::FrameSize => condition::FRAMING_ERROR,
            Self::Decode(_) => condition::DECODE_ERROR,
            Self::Sessions { .. } => condition::RESOURCE_LIMIT_EXCEEDED,
            Self::Mechanism | Self::Refused => condition::UNAUTHORIZED_ACCESS,
            Self::Silent => condition::CONNECTION_FORCED,
        };
        Fault::new(condition, self.to_string())
    }
}
