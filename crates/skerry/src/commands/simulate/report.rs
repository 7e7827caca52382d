//! What is told while it runs, and at the end.

use std::time::Duration;

use serde_json::{Value, json};

use super::latency::Percentiles;
use super::tally::Tally;
use crate::failure::Failure;
use crate::output;

/// The counters at one moment, to tell rates between two of them.
#[derive(Clone, Copy, Default)]
pub struct Moment {
    at: Duration,
    acknowledged: u64,
}

impl Moment {
    /// Prints how it goes, and what went since `self`.
    pub fn tell(self, at: Duration, devices: usize, tally: &Tally) -> Self {
        let now = Self { at, acknowledged: Tally::of(&tally.acknowledged) };
        let span = (now.at - self.at).as_secs_f64().max(1e-3);
        let rate = (now.acknowledged - self.acknowledged) as f64 / span;
        let Percentiles { p50, p99, max, .. } = tally.acks.percentiles();
        eprintln!(
            "{:>5.0} s  {} of {devices} connected, {rate:.0} messages/s, {} waiting; \
             acknowledged after {p50:.1} ms (p50), {p99:.1} ms (p99), {max:.1} ms at most; \
             {} connections lost, {} tries failed",
            at.as_secs_f64(),
            Tally::of(&tally.connected),
            tally.unacknowledged(),
            Tally::of(&tally.lost),
            Tally::of(&tally.failed_tries),
        );
        now
    }
}

/// Everything, at the end.
pub struct Summary<'t> {
    pub tally: &'t Tally,
    pub devices: usize,
    pub created: usize,
    /// While devices sent.
    pub elapsed: Duration,
}

impl Summary<'_> {
    pub fn print(&self, as_json: bool) -> Result<(), Failure> {
        let value = self.value();
        if as_json {
            return output::json(&value);
        }
        let ms = |value: &Value| {
            let names = [("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("max", "at most")];
            let parts = names
                .map(|(name, word)| format!("{word} {:.1} ms", value[name].as_f64().unwrap_or_default()));
            parts.join(", ")
        };
        let rows = [
            ("devices", format!("{} ({} created)", self.devices, self.created)),
            ("let in", output::cell(&value["letIn"])),
            ("gave up", output::cell(&value["gaveUp"])),
            ("failed tries", output::cell(&value["failedTries"])),
            ("lost connections", output::cell(&value["lostConnections"])),
            ("seconds", format!("{:.1}", self.elapsed.as_secs_f64())),
            ("sent", output::cell(&value["sent"])),
            ("acknowledged", output::cell(&value["acknowledged"])),
            ("unacknowledged", output::cell(&value["unacknowledged"])),
            ("held back", output::cell(&value["heldBack"])),
            ("messages a second", format!("{:.1}", self.rate())),
            ("acknowledged after", ms(&value["ackMs"])),
            ("let in after", ms(&value["connectMs"])),
        ];
        rows.iter().try_for_each(|(name, text)| output::line(&format!("{name:<20} {text}")))
    }

    fn rate(&self) -> f64 {
        Tally::of(&self.tally.acknowledged) as f64 / self.elapsed.as_secs_f64().max(1e-3)
    }

    fn value(&self) -> Value {
        let tally = self.tally;
        let ms = |Percentiles { p50, p90, p99, max }| json!({"p50": p50, "p90": p90, "p99": p99, "max": max});
        json!({
            "devices": self.devices,
            "created": self.created,
            "letIn": Tally::of(&tally.came_in),
            "gaveUp": Tally::of(&tally.gave_up),
            "failedTries": Tally::of(&tally.failed_tries),
            "lostConnections": Tally::of(&tally.lost),
            "seconds": self.elapsed.as_secs_f64(),
            "sent": Tally::of(&tally.sent),
            "acknowledged": Tally::of(&tally.acknowledged),
            "unacknowledged": tally.unacknowledged(),
            "heldBack": Tally::of(&tally.held_back),
            "messagesPerSecond": self.rate(),
            "ackMs": ms(tally.acks.percentiles()),
            "connectMs": ms(tally.connects.percentiles()),
        })
    }

    /// What the command ends with: devices that never came in, and messages that nobody acknowledged,
    /// are failures.
    pub fn judge(&self) -> Result<(), Failure> {
        let (came_in, waiting) = (Tally::of(&self.tally.came_in), self.tally.unacknowledged());
        let absent = self.devices as u64 - came_in;
        if came_in == 0
            && let Some(failure) = self.tally.take_failure()
        {
            return Err(failure);
        }
        if absent == 0 && waiting == 0 && Tally::of(&self.tally.gave_up) == 0 {
            return Ok(());
        }
        let last = self.tally.take_failure().map(|failure| format!("; last: {failure}")).unwrap_or_default();
        Err(Failure::failed(format!(
            "not let in: {absent} devices; not acknowledged: {waiting} messages{last}"
        )))
    }
}
