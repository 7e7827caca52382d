//! Counts operations and their latencies while a number of them is in flight.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::disk::Device;

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
    /// Bytes that went to the disk meanwhile, where the system tells.
    pub(crate) written: Option<u64>,
    /// Times the engine waited for the disk in a commit.
    pub(crate) syncs: Option<u64>,
    /// What this process computed meanwhile, the caller's part included.
    pub(crate) processor: Option<Duration>,
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

    /// The same, with what the disk took since it had taken `before`.
    pub(crate) fn with_writes(mut self, device: &Device, before: Option<u64>) -> Self {
        self.written = before.zip(device.written()).map(|(before, after)| after.saturating_sub(before));
        self
    }

    /// The same, with what this process computed since it had computed `before`.
    pub(crate) fn with_processor(mut self, before: Option<Duration>) -> Self {
        self.processor = processor_time_since(before);
        self
    }

    pub(crate) fn without_processor(self) -> Self {
        Self { processor: None, ..self }
    }

    /// Puts together what several tasks recorded.
    pub(crate) fn whole(elapsed: Duration, parts: Vec<Vec<Duration>>) -> Self {
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
    let (began, before) = (now(), processor_time());
    let mut running = JoinSet::new();
    for number in 0..lanes {
        let recorder = Recorder { deadline: began + span, latencies: Vec::new() };
        running.spawn(lane(number as u64, recorder));
    }
    let mut parts = Vec::with_capacity(lanes);
    while let Some(done) = running.join_next().await {
        parts.push(done??.into_latencies());
    }
    Ok(Measure::whole(span, parts).with_processor(before))
}

/// Time on processors that this process has used; what else the machine does is not in it.
/// Without it, as where the system does not tell, there is no note of it in the report.
pub(crate) fn processor_time() -> Option<Duration> {
    processor_time_of("self")
}

/// The same of another process, by its number.
pub(crate) fn processor_time_of(process: &str) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the program's name; user and system time are the 14th and 15th of the whole, in
    // hundredths of a second on every Linux.
    let words: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = words.get(11)?.parse::<u64>().ok()? + words.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// The time since `before`, where both are known.
pub(crate) fn processor_time_since(before: Option<Duration>) -> Option<Duration> {
    before.zip(processor_time()).map(|(before, after)| after.saturating_sub(before))
}

/// How long one thing takes.
pub(crate) async fn timed<T>(
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<(T, Duration), Trouble> {
    let began = now();
    let value = work.await?;
    Ok((value, now() - began))
}
