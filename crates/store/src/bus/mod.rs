//! The bus: who holds a device's connection, and a way to ask it something.
//!
//! # What every engine promises
//!
//! 1. **One owner.** An address has at most one owner: the claim with the newest [`Epoch`]. A
//!    newer claim ends the older one, whose mailbox learns it as [`Mail::Superseded`]. An older
//!    epoch can never take an address back.
//!    Epochs of addresses whose owner left are remembered as long as there is room.
//! 2. **A request reaches the owner of its moment or nobody.** It waits for an owner to appear
//!    until its deadline. It is delivered at most once, and never to a claim that was superseded
//!    before the delivery: what lay in that mailbox goes to the next owner.
//! 3. **Stale answers are dropped.** An answer counts only while its claim is the owner's.
//! 4. **Loss is told.** When the owner goes away after delivery and before the answer, the asker
//!    gets [`RequestError::OwnerLost`]: the request may have had its effect.
//! 5. **Everything is bounded.** Mail waiting for one owner (overflow: [`RequestError::Busy`]),
//!    requests waiting for an owner, claims altogether. Payloads are not copied.
//!
//! Nothing here is durable: after a restart, connections claim anew with a later epoch.

mod error;
mod local;
mod mail;
mod memory;

pub use error::{ClaimError, RequestError};
pub use local::{LocalBus, LocalBusOptions};
pub use mail::{Address, Claim, Epoch, Mail, Mailbox, Request};
pub use memory::{BusWeakness, MemoryBus};

use crate::documents::Answer;
use bytes::Bytes;

/// A directory of owners with mail. The page above is the contract.
pub trait Bus: Send + Sync {
    /// Takes `address` with `epoch`, ending any older claim. Refused when a newer one holds it.
    /// Dropping the returned mailbox gives the address up.
    fn claim<'a>(&'a self, address: &'a Address, epoch: Epoch) -> Answer<'a, Mailbox, ClaimError>;

    /// Asks the owner of `address`, waiting until `until` for one to appear and until `answer_by`
    /// for its answer.
    fn request<'a>(
        &'a self,
        address: &'a Address,
        payload: Bytes,
        until: tokio::time::Instant,
        answer_by: tokio::time::Instant,
    ) -> Answer<'a, Bytes, RequestError>;

    /// Whether somebody owns the address, as far as this node knows.
    fn is_owned(&self, address: &Address) -> bool;
}
