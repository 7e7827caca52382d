//! What can go wrong between an asker and an owner.

use super::Epoch;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Somebody claimed the address with this epoch or a later one.
    #[error("the address was claimed with epoch {held}, which is not older; connect again")]
    Stale { held: Epoch },
    /// The directory has no room for another address.
    #[error("{claims_max} addresses are owned, which is the bound; try again later")]
    Full { claims_max: usize },
    #[error("the bus is shutting down")]
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Nobody owned the address in time; nothing happened.
    #[error("nobody owns the address")]
    NoOwner,
    /// The owner's mail, or the waiting room for owners, is full; nothing happened.
    #[error("{waiting} requests are waiting already; try again later")]
    Busy { waiting: usize },
    /// The owner went away after it had the request and before it answered.
    #[error("the owner went away before it answered; the request may have had its effect")]
    OwnerLost,
    /// No answer came in time. Where it was not delivered, nothing happened.
    #[error("no answer came in time (delivered: {delivered})")]
    Late { delivered: bool },
    #[error("the bus is shutting down")]
    Closed,
}
