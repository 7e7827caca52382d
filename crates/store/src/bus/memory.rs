//! The bus as a cluster might show it: a directory that is slow to learn, bad news that comes
//! late, owners that are lost after they answered. The same for the same seed and order of calls.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Address, Bus, ClaimError, Epoch, LocalBus, LocalBusOptions, Mailbox, RequestError};
use crate::documents::Answer;
use crate::memory::Dice;

/// Chances in a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusWeakness {
    pub seed: u64,
    /// A claim or a request lets others go first.
    pub slow_directory: u64,
    /// The end of a claim is told late. Nothing is delivered to it meanwhile.
    pub late_superseded: u64,
    /// An answer is lost on its way, as if its owner was.
    pub lost_owner: u64,
}

impl BusWeakness {
    pub fn seeded(seed: u64) -> Self {
        Self { seed, slow_directory: 40, late_superseded: 40, lost_owner: 10 }
    }
}

/// A [`LocalBus`] that keeps no more than the contract.
pub struct MemoryBus {
    inner: LocalBus,
    weakness: Option<BusWeakness>,
    dice: Mutex<Dice>,
}

impl MemoryBus {
    pub fn new(options: LocalBusOptions, weakness: Option<BusWeakness>) -> Self {
        let dice = Mutex::new(Dice::new(weakness.map_or(0, |weakness| weakness.seed)));
        Self { inner: LocalBus::new(options), weakness, dice }
    }

    fn chance(&self, of: impl FnOnce(BusWeakness) -> u64) -> bool {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        self.weakness.is_some_and(|weakness| dice.chance(of(weakness)))
    }

    async fn dawdle(&self) {
        while self.chance(|weakness| weakness.slow_directory) {
            tokio::task::yield_now().await;
        }
    }
}

impl Bus for MemoryBus {
    fn claim<'a>(&'a self, address: &'a Address, epoch: Epoch) -> Answer<'a, Mailbox, ClaimError> {
        Box::pin(async move {
            self.dawdle().await;
            let mut mailbox = self.inner.take(address, epoch)?;
            while self.chance(|weakness| weakness.late_superseded) {
                mailbox.end_delay += 1;
            }
            Ok(mailbox)
        })
    }

    fn request<'a>(
        &'a self,
        address: &'a Address,
        payload: Bytes,
        until: Instant,
        answer_by: Instant,
    ) -> Answer<'a, Bytes, RequestError> {
        Box::pin(async move {
            self.dawdle().await;
            let answer = self.inner.ask(address, payload, until, answer_by).await?;
            match self.chance(|weakness| weakness.lost_owner) {
                true => Err(RequestError::OwnerLost),
                false => Ok(answer),
            }
        })
    }

    fn is_owned(&self, address: &Address) -> bool {
        self.inner.is_owned(address)
    }
}
