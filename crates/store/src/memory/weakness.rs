//! How the engine misbehaves within the contract, the same way for the same seed.

/// Chances in a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weakness {
    pub seed: u64,
    /// A read without `at_least` shows an older state.
    pub late_view: u64,
    /// A read with `at_least` lets others go first.
    pub slow_read: u64,
    /// A commit answers `Unknown`; whether it happened is another toss.
    pub unknown: u64,
    /// A follower is told that it lags.
    pub lagged: u64,
    /// A follower gets what it already had.
    pub repeated: u64,
    /// How many commits a late view may be behind.
    pub commits_behind: usize,
}

impl Weakness {
    pub fn seeded(seed: u64) -> Self {
        Self { seed, late_view: 30, slow_read: 20, unknown: 10, lagged: 3, repeated: 20, commits_behind: 8 }
    }
}

/// A small generator (splitmix64): reproducible, never for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn chance(&mut self, of_hundred: u64) -> bool {
        self.roll() % 100 < of_hundred
    }

    /// 0 to `max`, both included.
    pub(crate) fn up_to(&mut self, max: u64) -> u64 {
        self.roll() % max.saturating_add(1).max(1)
    }
}
