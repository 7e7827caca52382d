//! How fast identities send: each has one rate, whether it sends over one connection after the other
//! or by requests, and all have one together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use skerry_model::IdentityId;

use super::throttle::{Rates, Throttle, TooFast};

/// Identities that are connected or have turns to make up for. One more has no rate of its own.
const KNOWN_MAX: usize = 1_000_000;
/// Those with nothing to make up for are forgotten when there are so many, and twice as many as then.
const TIDY_FROM: usize = 1024;

pub(super) struct Pace {
    each: Option<Mutex<Known>>,
    all: Option<Throttle>,
    rates: Rates,
    refused: AtomicU64,
}

#[derive(Default)]
struct Known {
    throttles: HashMap<IdentityId, Arc<Throttle>>,
    tidied: usize,
}

impl Pace {
    pub(super) fn new(rates: Rates) -> Self {
        Self {
            each: rates.messages_per_device.map(|_| Mutex::default()),
            all: rates.messages.map(Throttle::new),
            rates,
            refused: AtomicU64::new(0),
        }
    }

    /// The identity's own; kept while somebody holds it or it has something to make up for.
    pub(super) fn of(&self, identity: &IdentityId) -> Option<Arc<Throttle>> {
        let (known, per_second) = (self.each.as_ref()?, self.rates.messages_per_device?);
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(throttle) = known.throttles.get(identity) {
            return Some(Arc::clone(throttle));
        }
        if known.throttles.len() >= TIDY_FROM.max(2 * known.tidied) {
            known.throttles.retain(|_, throttle| Arc::strong_count(throttle) > 1 || !throttle.is_rested());
            known.tidied = known.throttles.len();
        }
        if known.throttles.len() >= KNOWN_MAX {
            return None;
        }
        let throttle = Arc::new(Throttle::new(per_second));
        known.throttles.insert(identity.clone(), Arc::clone(&throttle));
        Some(throttle)
    }

    /// Done when so many messages may be sent.
    pub(super) async fn wait(&self, own: Option<&Throttle>, messages: usize) -> Result<(), TooFast> {
        let count = u32::try_from(messages).unwrap_or(u32::MAX);
        for throttle in [own, self.all.as_ref()].into_iter().flatten() {
            let delay = throttle.take(count).inspect_err(|_| {
                self.refused.fetch_add(1, Relaxed);
            })?;
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
        }
        Ok(())
    }

    /// How often somebody was too fast.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn identity(number: usize) -> IdentityId {
        IdentityId { device: format!("d{number}").parse().unwrap(), module: None }
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_goes_on_where_it_was_and_who_rested_is_forgotten() {
        let pace = Pace::new(Rates { messages_per_device: Some(10), ..Rates::default() });
        let own = pace.of(&identity(0));
        pace.wait(own.as_deref(), 1000).await.unwrap();
        drop(own);
        assert_eq!(pace.wait(pace.of(&identity(0)).as_deref(), 1).await, Err(TooFast { per_second: 10 }));
        assert_eq!(pace.refused(), 1);
        let held = pace.of(&identity(1));
        for number in 2..=TIDY_FROM {
            drop(pace.of(&identity(number)));
        }
        let count = || pace.each.as_ref().unwrap().lock().unwrap().throttles.len();
        assert_eq!(count(), 3, "one has something to make up for, one is held, one is new");
        tokio::time::advance(Duration::from_secs(1000)).await;
        pace.wait(pace.of(&identity(0)).as_deref(), 1).await.unwrap();
        drop(held);
    }
}
