//! A power cut, and a kill, at every change of the disk that a run makes.

use skerry_store::log::Winner;

use super::disk::{Cut, Disk};
use super::model::Model;
use super::workload::Work;
use super::world::{CAP, live, often};
use crate::samples::Dice;

/// What was tried.
#[derive(Debug, Default)]
pub(super) struct Tried {
    pub(super) points: u64,
    pub(super) images: u64,
}

pub(super) fn life(winner: Winner, seed: u64, rounds: usize) -> Work {
    Work { seed, rounds, winner, record_bytes_max: 8 << 10 }
}

/// A disk with a log that has lived for a while and was closed, and what is in it. Far enough for
/// the log to be at its cap.
pub(super) async fn prepared(winner: Winner, seed: u64) -> (Disk, Model) {
    let (disk, mut model) = (Disk::new(), Model::new(winner, CAP));
    live(&disk, &mut model, life(winner, seed, 60))
        .await
        .unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
    model.crashed(Cut::Dropped);
    (disk.cut(Cut::Dropped), model)
}

/// Runs a life on copies of the disk, each ended at another change of the disk (each `step`th),
/// and looks at the images that cuts leave, and at what is left when the next life is cut too.
pub(super) async fn cut_everywhere(
    (disk, model): &(Disk, Model),
    run: Work,
    step: usize,
    configure: impl Fn(&Disk),
) -> Result<Tried, String> {
    let mut tried = Tried::default();
    let mut dice = Dice(run.seed);
    for point in (0..).step_by(step) {
        let point = point + dice.roll(step) as u64;
        let (disk, mut model) = (disk.cut(Cut::Killed), model.clone());
        configure(&disk);
        disk.stop_at(point);
        let told = |wrong| format!("{run:?} until change {point}: {wrong}");
        live(&disk, &mut model, run).await.map_err(told)?;
        tried.points += 1;
        if !disk.is_stopped() {
            return Ok(tried);
        }
        for cut in [Cut::Dropped, Cut::Dice(point), Cut::Dice(!point), Cut::Killed] {
            let mut case = format!("{run:?} until change {point}, {cut:?}");
            let (mut disk, mut model) = (disk.cut(cut), model.clone());
            model.crashed(cut);
            // The second life ends at once, in a cut of its own, and the third has to bear it.
            for life in 1..3 {
                configure(&disk);
                let second = if dice.roll(3) == 0 {
                    Cut::Killed
                } else {
                    [Cut::Dropped, Cut::Dice(point)][dice.roll(2)]
                };
                let stop = 1 + dice.roll(30) as u64;
                disk.stop_at(if life == 1 { stop } else { u64::MAX });
                let next = Work { seed: run.seed + life, rounds: 2 - life as usize, ..run };
                let lived = live(&disk, &mut model, next).await;
                tried.images += 1;
                lived.map_err(|wrong| format!("{case}: {wrong}"))?;
                case = format!("{case}, then until {stop}, {second:?}");
                disk = disk.cut(second);
                model.crashed(second);
            }
        }
    }
    unreachable!("the run ends by itself")
}

/// For a long night: `SKERRY_TEST_POWER_SEEDS=1000`.
const SEEDS: u64 = 2;

async fn try_all(winner: Winner) {
    let mut all = Tried::default();
    for seed in 0..often("SKERRY_TEST_POWER_SEEDS", SEEDS) {
        let empty = (Disk::new(), Model::new(winner, CAP));
        let full = prepared(winner, seed).await;
        for (base, rounds) in [(empty, 8), (full, 8)] {
            let tried = cut_everywhere(&base, life(winner, seed + 100, rounds), 1, |_| {}).await;
            let tried = tried.unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
            (all.points, all.images) = (all.points + tried.points, all.images + tried.images);
        }
    }
    println!("{all:?}");
    assert!(all.images > 500, "{all:?}");
}

#[tokio::test]
async fn a_cut_at_any_moment_loses_nothing_answered_where_retention_wins() {
    try_all(Winner::Retention).await;
}

#[tokio::test]
async fn a_cut_at_any_moment_loses_nothing_answered_where_cursors_win() {
    try_all(Winner::Cursors).await;
}
