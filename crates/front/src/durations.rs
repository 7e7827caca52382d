//! How long things took, counted in steps: a quantile is good to the step that it falls into.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is counted in a step took no longer than this; the last step, which has no end, is not in here.
pub const DURATION_STEPS: [Duration; 14] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

const STEPS: usize = DURATION_STEPS.len() + 1;

/// Counted in while others read.
#[derive(Debug, Default)]
pub struct Durations {
    counts: [AtomicU64; STEPS],
    micros: AtomicU64,
}

/// What was counted up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurationCounts {
    /// One for each of [`DURATION_STEPS`], and one for what took longer.
    pub counts: [u64; STEPS],
    /// All of them together.
    pub total: Duration,
}

impl Durations {
    pub fn record(&self, took: Duration) {
        let step = DURATION_STEPS.partition_point(|step| *step < took);
        self.counts[step].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub fn counts(&self) -> DurationCounts {
        DurationCounts {
            counts: std::array::from_fn(|step| self.counts[step].load(Ordering::Relaxed)),
            total: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
        }
    }
}

impl DurationCounts {
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Bounds in seconds with how many took no longer, as Prometheus has them; the last bound is `None`.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<f64>, u64)> + '_ {
        let bounds = DURATION_STEPS.iter().map(|step| Some(step.as_secs_f64())).chain([None]);
        bounds.zip(self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_exactly_as_long_as_a_step_is_in_it() {
        let durations = Durations::default();
        for micros in [0, 500, 501, 1_000, 9_999_999, 10_000_000, 10_000_001, u64::MAX / 2] {
            durations.record(Duration::from_micros(micros));
        }
        let counts = durations.counts();
        assert_eq!(counts.count(), 8);
        assert_eq!((counts.counts[0], counts.counts[1], counts.counts[13], counts.counts[14]), (2, 2, 2, 2));
        let cumulative: Vec<_> = counts.cumulative().collect();
        assert_eq!(cumulative[0], (Some(0.0005), 2));
        assert_eq!(cumulative[13], (Some(10.0), 6));
        assert_eq!(cumulative[14], (None, 8));
    }
}
