//! Counts operations and their latencies while a number of them is in flight.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// What went wrong. The bench ends with it; nobody reacts to its kind.
pub(crate) type Trouble = Box<dyn std::error::Error + Send + Sync>;

#[expect(clippy::disallowed_methods, reason = "time is what a bench measures")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Measured operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measure {
    pub(crate) elapsed: Duration,
    /// Of each operation, sorted once the measure is whole.
    latencies: Vec<Duration>,
    /// Bytes handed to the disk meanwhile, where the system tells.
    pub(crate) written: Option<u64>,
    /// Times the engine waited for the disk in a commit.
    pub(crate) syncs: Option<u64>,
}

impl Measure {
    pub(crate) fn count(&self) -> usize {
        self.latencies.len()
    }

    pub(crate) fn rate(&self) -> f64 {
        self.count() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    pub(crate) fn percentile(&self, percent: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * percent / 100.0).round() as usize).copied().unwrap_or_default()
    }

    /// Puts together what several tasks recorded.
    fn whole(elapsed: Duration, parts: Vec<Vec<Duration>>) -> Self {
        let mut latencies: Vec<Duration> = parts.into_iter().flatten().collect();
        latencies.sort_unstable();
        Self { elapsed, latencies, ..Self::default() }
    }
}

/// Until when, and what each operation took.
pub(crate) struct Recorder {
    deadline: Instant,
    latencies: Vec<Duration>,
}

impl Recorder {
    pub(crate) fn goes_on(&self) -> bool {
        now() < self.deadline
    }

    /// An operation that began then has ended now. What ends behind the deadline does not count.
    pub(crate) fn done(&mut self, began: Instant) {
        let ended = now();
        if ended <= self.deadline {
            self.latencies.push(ended - began);
        }
    }

    pub(crate) fn into_latencies(self) -> Vec<Duration> {
        self.latencies
    }
}

/// Runs one task per lane, each with its number, until `span` is over. What a lane prepares before
/// its first operation should be little.
pub(crate) async fn measure<F>(
    lanes: usize,
    span: Duration,
    lane: impl Fn(u64, Recorder) -> F,
) -> Result<Measure, Trouble>
where
    F: Future<Output = Result<Recorder, Trouble>> + Send + 'static,
{
    let began = now();
    let mut running = JoinSet::new();
    for number in 0..lanes {
        let recorder = Recorder { deadline: began + span, latencies: Vec::new() };
        running.spawn(lane(number as u64, recorder));
    }
    let mut parts = Vec::with_capacity(lanes);
    while let Some(done) = running.join_next().await {
        parts.push(done??.into_latencies());
    }
    Ok(Measure::whole(span, parts))
}

/// How long one thing takes.
pub(crate) async fn timed<T>(
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<(T, Duration), Trouble> {
    let began = now();
    let value = work.await?;
    Ok((value, now() - began))
}
