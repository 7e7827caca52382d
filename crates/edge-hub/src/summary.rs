//! How long things took lately, and how large they were: quantiles of the newest, as the original tells them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Quantiles are of so many.
const NEWEST: usize = 128;
/// Those that the original has.
const QUANTILES: [f64; 4] = [0.1, 0.5, 0.9, 0.99];

#[derive(Debug, Default)]
pub struct Summary(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: u64,
    sum: f64,
    /// A ring.
    newest: Vec<f32>,
    at: usize,
}

/// A summary at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Summed {
    pub count: u64,
    pub sum: f64,
    /// Each with its value; none before anything was measured.
    pub quantiles: Vec<(f64, f64)>,
}

impl Summary {
    pub fn record(&self, value: f64) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.count += 1;
        inner.sum += value;
        #[expect(clippy::cast_possible_truncation, reason = "quantiles need no more digits")]
        let value = value as f32;
        let at = inner.at;
        match inner.newest.get_mut(at) {
            Some(oldest) => *oldest = value,
            None => inner.newest.push(value),
        }
        inner.at = (at + 1) % NEWEST;
    }

    pub fn record_duration(&self, took: Duration) {
        self.record(took.as_secs_f64());
    }

    pub fn read(&self) -> Summed {
        let (count, sum, mut newest) = {
            let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (inner.count, inner.sum, inner.newest.clone())
        };
        newest.sort_unstable_by(f32::total_cmp);
        let quantile = |part: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a part of a small length"
            )]
            let rank = (part * newest.len() as f64).ceil() as usize;
            newest.get(rank.saturating_sub(1)).map(|value| (part, f64::from(*value)))
        };
        Summed { count, sum, quantiles: QUANTILES.into_iter().filter_map(quantile).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_newest_and_the_sum_is_of_all() {
        let summary = Summary::default();
        assert_eq!(summary.read(), Summed { count: 0, sum: 0.0, quantiles: Vec::new() });
        summary.record(3.0);
        assert_eq!(summary.read().quantiles, [(0.1, 3.0), (0.5, 3.0), (0.9, 3.0), (0.99, 3.0)]);
        (0..1000).for_each(|_| summary.record(1000.0));
        (1..=128).for_each(|number| summary.record(f64::from(number)));
        let read = summary.read();
        assert_eq!((read.count, read.sum), (1129, 3.0 + 1_000_000.0 + 128.0 * 129.0 / 2.0));
        assert_eq!(read.quantiles, [(0.1, 13.0), (0.5, 64.0), (0.9, 116.0), (0.99, 127.0)]);
    }
}
