//! Rates: how much a device, and all of them, may do in a second.
//!
//! What is a little too fast is delayed; what would have to wait for more than [`DELAY_MAX`] is
//! refused: the client is disconnected, or told so where it asked by HTTP, as the original does.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The longest delay before a refusal.
const DELAY_MAX: Duration = Duration::from_secs(10);

/// In a second; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub messages_per_device: Option<u32>,
    pub messages: Option<u32>,
    pub connects: Option<u32>,
}

/// Gives out so many turns a second; a second's worth may be taken at once.
pub(super) struct Throttle {
    each: Duration,
    /// When everything that was given out is used up. Before now: there are turns left.
    used_until: Mutex<Instant>,
}

/// Too much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much at once, no more than {per_second} a second are allowed")]
pub struct TooFast {
    pub per_second: u32,
}

impl Throttle {
    pub(super) fn new(per_second: u32) -> Self {
        let each = Duration::from_secs(1) / per_second.max(1);
        Self { each, used_until: Mutex::new(Instant::now()) }
    }

    /// How long to wait before doing `count` things; nothing is taken when it is refused.
    pub(super) fn take(&self, count: u32) -> Result<Duration, TooFast> {
        let now = Instant::now();
        let mut used_until = self.used_until.lock().unwrap_or_else(PoisonError::into_inner);
        let delay = used_until.saturating_duration_since(now + Duration::from_secs(1));
        if delay > DELAY_MAX {
            let per_second = Duration::from_secs(1).as_nanos() / self.each.as_nanos().max(1);
            return Err(TooFast { per_second: u32::try_from(per_second).unwrap_or(u32::MAX) });
        }
        *used_until = (*used_until).max(now) + self.each * count;
        Ok(delay)
    }

    /// A new one would give the same.
    pub(super) fn is_rested(&self) -> bool {
        *self.used_until.lock().unwrap_or_else(PoisonError::into_inner) <= Instant::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_is_free_then_comes_delay_then_refusal() {
        let throttle = Throttle::new(10);
        let second = Duration::from_secs(1);
        for _ in 0..11 {
            assert_eq!(throttle.take(1), Ok(Duration::ZERO));
        }
        assert_eq!(throttle.take(100), Ok(second / 10));
        assert_eq!(throttle.take(1), Err(TooFast { per_second: 10 }));
        tokio::time::advance(second * 5).await;
        let delay = throttle.take(1).unwrap();
        assert!(delay > second * 4 && delay < second * 7, "{delay:?}");
        tokio::time::advance(second * 60).await;
        assert_eq!(throttle.take(1), Ok(Duration::ZERO));
    }
}
