//! A machine with a disk, a clock and chance, on which a log is opened again and again.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use skerry_model::{Clock, Random, Timestamp};
use skerry_store::journal::{Journal, JournalOpenError, JournalOptions};
use skerry_store::log::{Limits, Winner};

use super::disk::Disk;
use super::model::Model;
use super::workload::{Work, work};
use crate::samples::Dice;

/// A hundred microseconds pass whenever somebody looks.
pub(crate) struct Ticking(AtomicI64);

impl Ticking {
    pub(crate) fn from(seconds: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(Timestamp::from_unix_seconds(seconds).ticks())))
    }

    /// The latest that anybody was told, or may be told now.
    pub(crate) fn peek(&self) -> Timestamp {
        Timestamp::from_ticks(self.0.load(SeqCst))
    }
}

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_ticks(self.0.fetch_add(1000, SeqCst))
    }
}

pub(crate) struct Chance(pub(crate) Mutex<Dice>);

impl Chance {
    pub(crate) fn seeded(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Dice(seed))))
    }
}

impl Random for Chance {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = self.0.lock().unwrap();
        bytes.fill_with(|| dice.roll(256) as u8);
    }
}

/// The least that the journal takes.
pub(crate) const SEGMENT: u64 = 64 << 10;
/// Few segments, so that the log is soon at its cap; it keeps 128 KiB of it free.
pub(crate) const CAP: u64 = 8 * SEGMENT;

/// After a crash the clock may be wrong, in both directions.
fn clock(seed: u64) -> Arc<Ticking> {
    Ticking::from(1_700_000_000 + Dice(seed ^ 0xc10c).roll(100_000) as i64)
}

/// Some of the logs forget what is older than this.
pub(crate) const AGE: Duration = Duration::from_secs(3600);

/// A journal with small bounds, so that everything happens soon and often.
pub(crate) fn options(disk: &Disk, winner: Winner, seed: u64) -> JournalOptions {
    let mut dice = Dice(seed);
    let limits = Limits {
        bytes_max: CAP,
        winner,
        record_bytes_max: 16 << 10,
        batch_bytes_max: 48 << 10,
        wait_max: Duration::from_millis(200),
        ..Limits::default()
    };
    JournalOptions {
        limits,
        segment_bytes: SEGMENT,
        group_bytes_max: [1, 4 << 10, 32 << 10][dice.roll(3)],
        sync_after: Duration::from_millis([1, 20, 1000][dice.roll(3)]),
        unsynced_bytes_max: [0, 8 << 10, 1 << 20][dice.roll(3)],
        recent_bytes_max: [0, 16 << 10, 1 << 20][dice.roll(3)],
        recent_groups_max: 1 + dice.roll(20),
        ahead_bytes_max: [0, 16 << 10, 1 << 20][dice.roll(3)],
        // Each of them in each test: always beside the writer, when there is much, never.
        early_bytes: [1, 2 << 10, usize::MAX][seed as usize % 3],
        ..JournalOptions::new(Arc::new(disk.clone()), clock(seed), Chance::seeded(seed))
    }
}

/// For so long may one life take on a slow machine, before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// One life of the log on this disk: it is opened, compared with the model, worked with and
/// closed. Where the disk stops, it ends there. An error is what the log did wrong.
pub(crate) async fn live(disk: &Disk, model: &mut Model, life: Work) -> Result<(), String> {
    match open(disk, model, life) {
        Ok(journal) => live_on(journal, disk, model, life, false).await,
        Err(_) if disk.is_stopped() => Ok(()),
        Err(error) => Err(format!("it does not open: {error}")),
    }
}

/// The same on a disk with faults: the log may refuse to go on, but not say what is not true.
pub(crate) async fn live_with_faults(disk: &Disk, model: &mut Model, life: Work) -> Result<(), String> {
    match open(disk, model, life) {
        Ok(journal) => live_on(journal, disk, model, life, true).await,
        Err(_) => Ok(()),
    }
}

fn open(disk: &Disk, model: &mut Model, life: Work) -> Result<Journal, JournalOpenError> {
    let mut options = options(disk, life.winner, life.seed);
    let clock = clock(life.seed);
    options.limits.age_max = life.seed.is_multiple_of(4).then_some(AGE);
    model.age(options.limits.age_max, clock.clone());
    Journal::open(JournalOptions { clock, ..options })
}

async fn live_on(
    journal: Journal,
    disk: &Disk,
    model: &mut Model,
    life: Work,
    may_fail: bool,
) -> Result<(), String> {
    model.disk = Some(disk.clone());
    let lived = tokio::time::timeout(PATIENCE, async {
        match model.verify(&journal).await {
            Err(_) if disk.is_stopped() || may_fail => return Ok(()),
            verified => verified?,
        }
        let shared = Mutex::new(model.clone());
        work(&journal, &shared, life).await;
        *model = shared.into_inner().unwrap();
        if disk.is_stopped() || may_fail {
            return Ok(());
        }
        match model.check(&journal).await {
            Err(_) if disk.is_stopped() => Ok(()),
            checked => checked,
        }
    });
    let lived: Result<(), String> = lived.await.unwrap_or_else(|_| Err("it is stuck".into()));
    let used = disk.used();
    journal.close();
    model.disk = None;
    if !disk.is_stopped() && !may_fail {
        model.closed();
    }
    lived?;
    model.outcome()?;
    if used > CAP + SEGMENT { Err(format!("{used} bytes on disk, at most {CAP} allowed")) } else { Ok(()) }
}

/// How often to try: more in a long night, by a variable of the environment.
#[allow(clippy::disallowed_methods, reason = "whoever starts the tests says how long they may take")]
pub(crate) fn often(variable: &str, usually: u64) -> u64 {
    std::env::var(variable).map_or(usually, |often| often.parse().expect("a number"))
}

/// A folder in memory where there is a place for that.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}
