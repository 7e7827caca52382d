//! The edge's own clock: how long it has run, restarts included. Times to live count on it and on nothing
//! else: a wall clock that somebody sets, or that was lost, expires nothing early.
//!
//! While the machine is on the clock goes by the time since it booted, so a process that was killed has lost
//! nothing. What passed while the machine was off is not known and does not count. A clock that was not saved
//! before the machine lost its power goes back by as much; letters from then count that much longer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is kept of the clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Which boot of the machine.
    pub boot: String,
    /// Since that boot, when it was kept.
    pub up_ms: u64,
    /// What the clock showed then.
    pub shown_ms: u64,
}

/// What the machine says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    pub boot: String,
    pub up: Duration,
}

/// Tells what the machine says now.
pub trait MachineTime: Send + Sync + 'static {
    fn now(&self) -> Machine;
}

/// The clock of one run of the process.
#[derive(Clone, Debug)]
pub(crate) struct Lifetime {
    boot: String,
    /// What it showed at `up`.
    shown: Duration,
    up: Duration,
}

impl Lifetime {
    pub(crate) fn resume(kept: Option<&Kept>, machine: &Machine) -> Self {
        let shown = match kept {
            None => Duration::ZERO,
            Some(kept) => {
                let shown = Duration::from_millis(kept.shown_ms);
                let since = machine.up.saturating_sub(Duration::from_millis(kept.up_ms));
                if kept.boot == machine.boot { shown + since } else { shown }
            }
        };
        Self { boot: machine.boot.clone(), shown, up: machine.up }
    }

    /// What the clock shows when the machine has been up for so long.
    pub(crate) fn at(&self, up: Duration) -> Duration {
        self.shown + up.saturating_sub(self.up)
    }

    pub(crate) fn keep(&self, up: Duration) -> Kept {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Kept { boot: self.boot.clone(), up_ms: millis(up), shown_ms: millis(self.at(up)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(boot: &str, up: u64) -> Machine {
        Machine { boot: boot.into(), up: Duration::from_secs(up) }
    }

    #[test]
    fn the_clock_goes_on_over_restarts_and_boots() {
        let first = Lifetime::resume(None, &machine("a", 100));
        assert_eq!(first.at(Duration::from_secs(160)), Duration::from_secs(60));
        let kept = first.keep(Duration::from_secs(130));
        // The process was away for 70 seconds of the same boot, and they count.
        let again = Lifetime::resume(Some(&kept), &machine("a", 200));
        assert_eq!(again.at(Duration::from_secs(200)), Duration::from_secs(100));
        // The machine was off: nobody knows for how long.
        let booted = Lifetime::resume(Some(&kept), &machine("b", 5));
        assert_eq!(booted.at(Duration::from_secs(6)), Duration::from_secs(31));
        // A machine that counts backwards stands still.
        assert_eq!(booted.at(Duration::from_secs(1)), Duration::from_secs(30));
    }
}
