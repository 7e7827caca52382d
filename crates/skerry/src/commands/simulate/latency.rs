//! How long things take: a histogram that many tasks fill at once, of a fixed size however long the
//! run is.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Steps within each power of two, so that a figure is at most one part in 32 too high.
const STEPS: u64 = 32;
/// Microseconds up to half an hour; what is longer counts as that.
const POWERS: u64 = 27;
const BUCKETS: usize = (STEPS * POWERS) as usize;

pub struct Latencies {
    buckets: Box<[AtomicU64]>,
    longest_us: AtomicU64,
}

/// What is told of them, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percentiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let buckets = std::iter::repeat_with(AtomicU64::default).take(BUCKETS).collect();
        Self { buckets, longest_us: AtomicU64::new(0) }
    }
}

impl Latencies {
    pub fn record(&self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(us)].fetch_add(1, Relaxed);
        self.longest_us.fetch_max(us, Relaxed);
    }

    pub fn percentiles(&self) -> Percentiles {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let longest = self.longest_us.load(Relaxed);
        let at = |percent: u64| {
            let wanted = (total * percent).div_ceil(100).max(1);
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen >= wanted
            });
            milliseconds(found.map_or(0, |found| upper(found).min(longest)))
        };
        Percentiles { p50: at(50), p90: at(90), p99: at(99), max: milliseconds(longest) }
    }
}

fn milliseconds(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// Below [`STEPS`] each microsecond has its own; above, each power of two has as many steps.
fn bucket(us: u64) -> usize {
    if us < STEPS {
        return us as usize;
    }
    let power = u64::from(us.ilog2() - STEPS.ilog2());
    let step = (us >> power) - STEPS;
    ((STEPS * (power + 1) + step) as usize).min(BUCKETS - 1)
}

/// The longest that falls into a bucket.
fn upper(bucket: usize) -> u64 {
    let (power, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    if power == 0 { step } else { ((STEPS + step + 1) << (power - 1)) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_falls_into_a_bucket_that_is_little_wider_than_itself() {
        for us in (0..5000).chain((13..31).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 7]))
        {
            let upper = upper(bucket(us));
            assert!(upper >= us && upper - us <= us / STEPS, "{us}: {upper}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let latencies = Latencies::default();
        assert_eq!(latencies.percentiles(), Percentiles::default(), "nothing yet");
        for ms in 1..=100 {
            latencies.record(Duration::from_millis(ms));
        }
        let Percentiles { p50, p90, p99, max } = latencies.percentiles();
        for (found, expected) in [(p50, 50.0), (p90, 90.0), (p99, 99.0)] {
            assert!((expected..=expected * 1.04).contains(&found), "{found} for {expected}");
        }
        assert_eq!(max, 100.0);
    }
}
