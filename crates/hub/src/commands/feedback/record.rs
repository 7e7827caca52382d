//! What became of one command, as its sender is told.

use serde::{Deserialize, Serialize};
use skerry_model::Timestamp;
use skerry_model::message::Ack;
use skerry_store::documents::{Document, Json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Success,
    Expired,
    DeliveryCountExceeded,
    Rejected,
    Purged,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Expired => "Expired",
            Self::DeliveryCountExceeded => "DeliveryCountExceeded",
            Self::Rejected => "Rejected",
            Self::Purged => "Purged",
        }
    }

    /// Whether a sender that asked for `ack` wants to hear of it.
    pub(in crate::commands) fn is_wanted(self, ack: Ack) -> bool {
        match ack {
            Ack::None => false,
            Ack::Positive => self == Self::Success,
            Ack::Negative => self != Self::Success,
            Ack::Full => true,
        }
    }
}

/// As it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::commands) struct Record {
    pub(in crate::commands) message_id: String,
    pub(in crate::commands) outcome: Outcome,
    /// Of the identity that the command was for.
    pub(in crate::commands) generation: String,
    pub(in crate::commands) enqueued: Timestamp,
    pub(in crate::commands) expires: Timestamp,
    /// Deliveries that were given up.
    pub(in crate::commands) deliveries: u32,
}

impl Record {
    pub(in crate::commands) fn encode(&self) -> Json {
        Json::encode(&serde_json::to_value(self).expect("texts and numbers are JSON"))
    }

    /// `None` for what cannot be read; it goes when its time is over.
    pub(super) fn read(document: &Document) -> Option<Self> {
        serde_json::from_value(document.body.identity.decode().ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_hear_of_what_they_asked_for() {
        let all = [
            Outcome::Success,
            Outcome::Expired,
            Outcome::DeliveryCountExceeded,
            Outcome::Rejected,
            Outcome::Purged,
        ];
        let wanted = |ack| all.map(|outcome| outcome.is_wanted(ack));
        assert_eq!(wanted(Ack::None), [false; 5]);
        assert_eq!(wanted(Ack::Full), [true; 5]);
        assert_eq!(wanted(Ack::Positive), [true, false, false, false, false]);
        assert_eq!(wanted(Ack::Negative), [false, true, true, true, true]);
    }
}
