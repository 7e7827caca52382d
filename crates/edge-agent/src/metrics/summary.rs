//! Quantiles of what was measured of late, with sum and count of everything.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

pub(super) const QUANTILES: [f64; 4] = [0.1, 0.5, 0.9, 0.99];
/// Older values are not in the quantiles.
const AGE_MAX: Duration = Duration::from_secs(3600);
/// Nor are more than the newest ones.
const VALUES_MAX: usize = 500;

#[derive(Debug, Default)]
pub(super) struct Summary {
    values: VecDeque<(Instant, f64)>,
    pub(super) sum: f64,
    pub(super) count: u64,
}

impl Summary {
    pub(super) fn record(&mut self, value: f64) {
        if self.values.len() == VALUES_MAX {
            self.values.pop_front();
        }
        self.values.push_back((Instant::now(), value));
        self.sum += value;
        self.count += 1;
    }

    /// One value for each of [`QUANTILES`]; `None` where nothing was measured of late.
    pub(super) fn quantiles(&self) -> Option<[f64; QUANTILES.len()]> {
        let mut values: Vec<f64> =
            self.values.iter().filter(|(at, _)| at.elapsed() <= AGE_MAX).map(|(_, value)| *value).collect();
        if values.is_empty() {
            return None;
        }
        values.sort_by(f64::total_cmp);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index among five hundred"
        )]
        let at = |quantile: f64| values[((values.len() - 1) as f64 * quantile).round() as usize];
        Some(QUANTILES.map(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn quantiles_are_of_the_last_hour() {
        let mut summary = Summary::default();
        assert_eq!(summary.quantiles(), None);
        (0..=100_u32).for_each(|value| summary.record(f64::from(value)));
        assert_eq!(summary.quantiles(), Some([10.0, 50.0, 90.0, 99.0]));
        tokio::time::advance(AGE_MAX + Duration::from_secs(1)).await;
        summary.record(7.0);
        assert_eq!(summary.quantiles(), Some([7.0; 4]));
        assert_eq!((summary.count, summary.sum), (102, 5057.0));
        (0..1000).for_each(|_| summary.record(1.0));
        assert_eq!(summary.values.len(), VALUES_MAX);
    }
}
