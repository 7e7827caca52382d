//! How the log misbehaves within the contract, the same way for the same seed.

/// Chances in a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogWeakness {
    pub seed: u64,
    /// A record's outcome is `Unknown`; whether it was placed is another toss.
    pub unknown: u64,
    /// A page ends before the newest records, perhaps where it begins.
    pub late: u64,
    /// A page has fewer records than there is room for.
    pub small_page: u64,
    /// Sequences are left out before a record.
    pub gap: u64,
    /// Whoever opens a cursor finds it where it was before, as after a power cut. What was told
    /// as [`crate::log::Durability::Synced`] is never forgotten.
    pub forgotten: u64,
    /// A caller waits for its answer while others go first.
    pub slow: u64,
}

impl LogWeakness {
    pub fn seeded(seed: u64) -> Self {
        Self { seed, unknown: 10, late: 30, small_page: 30, gap: 10, forgotten: 40, slow: 20 }
    }
}
