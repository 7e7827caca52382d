//! Lives without faults, one after the other: what races there are between writing, reading,
//! rewriting and removing shows here.

use skerry_store::log::Winner;

use super::disk::{Cut, Disk};
use super::model::Model;
use super::power::life;
use super::world::{CAP, live, often};

/// For a long night: `SKERRY_TEST_LIVES=10000`.
const LIVES: u64 = 60;

async fn live_on(winner: Winner) {
    let lives = often("SKERRY_TEST_LIVES", LIVES);
    for seed in (0..lives).step_by(3) {
        let (mut disk, mut model) = (Disk::new(), Model::new(winner, CAP));
        for nth in 0..3 {
            let lived = live(&disk, &mut model, life(winner, seed * 1000 + nth, 40)).await;
            lived.unwrap_or_else(|wrong| panic!("seed {seed}, life {nth}: {wrong}"));
            // Closed well, so nothing is lost in any way.
            let cut = [Cut::Killed, Cut::Dropped][nth as usize % 2];
            disk = disk.cut(cut);
            model.crashed(cut);
        }
    }
}

#[tokio::test]
async fn logs_whose_retention_wins_keep_what_they_should_from_life_to_life() {
    live_on(Winner::Retention).await;
}

#[tokio::test]
async fn logs_whose_cursors_win_keep_what_they_should_from_life_to_life() {
    live_on(Winner::Cursors).await;
}
