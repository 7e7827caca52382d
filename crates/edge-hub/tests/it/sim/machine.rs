//! The clocks of the machine, and dice.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use skerry_edge_hub::{Machine, MachineTime};
use skerry_model::{Clock, Random, Timestamp};
use tokio::time::Instant;

/// A wall clock that may be set.
pub struct SimClock(Mutex<(Timestamp, Instant)>);

impl SimClock {
    pub fn new() -> Self {
        Self(Mutex::new((Timestamp::from_unix_seconds(1_800_000_000), Instant::now())))
    }

    pub fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap() = (now, Instant::now());
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let (set, at) = *self.0.lock().unwrap();
        set.plus(at.elapsed())
    }
}

/// The time since boot, which nobody sets.
pub struct SimMachine(Mutex<(u32, Instant)>);

impl SimMachine {
    pub fn new() -> Self {
        Self(Mutex::new((1, Instant::now())))
    }

    pub fn reboot(&self) {
        let mut state = self.0.lock().unwrap();
        *state = (state.0 + 1, Instant::now());
    }
}

impl MachineTime for SimMachine {
    fn now(&self) -> Machine {
        let (boot, at) = *self.0.lock().unwrap();
        Machine { boot: format!("boot-{boot}"), up: Duration::from_secs(100) + at.elapsed() }
    }
}

/// The same numbers in each run.
pub struct Dice(AtomicU64);

impl Dice {
    pub fn new() -> Self {
        Self(AtomicU64::new(7))
    }
}

impl Random for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let last = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
            *byte = ((last ^ (last >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8;
        }
    }
}
