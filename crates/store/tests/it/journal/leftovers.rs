//! A kill between the name of a rewritten file and the removal of those that it was made of: the next
//! opening clears them away, and must not do so before the name is durable.

use skerry_store::log::Winner;

use super::disk::{Cut, Disk, Fault, OpKind};
use super::fsyncs::is_merged;
use super::power::{life, prepared};
use super::world::{live, often};

/// For a long night: `SKERRY_TEST_LEFTOVERS=1000`.
const SEEDS: u64 = 24;

/// Ends the world when the new file has its name, which is not durable, and the old ones have theirs.
fn stop_between(disk: &Disk) {
    disk.plan(|op| match op.label.and_then(|label| label.steps.last()) {
        Some(step) if step.starts_with("rename") && is_merged(step) => Fault::Stop,
        _ => Fault::None,
    });
}

/// The first thing that goes wrong in the lives after such a kill, where the first sync of the
/// directory after it lies or not; or how often there was one.
async fn open_after_kills(lies: bool) -> Result<usize, String> {
    let (mut kills, winner) = (0, Winner::Cursors);
    for seed in 0..often("SKERRY_TEST_LEFTOVERS", SEEDS) {
        let (disk, mut model) = prepared(winner, seed + 500).await;
        stop_between(&disk);
        live(&disk, &mut model, life(winner, seed + 600, 30)).await?;
        if !disk.is_stopped() {
            continue;
        }
        kills += 1;
        let disk = disk.cut(Cut::Killed);
        model.crashed(Cut::Killed);
        for (stop, toss) in (2..6).flat_map(|stop| (0..12).map(move |toss| (stop, toss))) {
            let (disk, mut model) = (disk.cut(Cut::Killed), model.clone());
            disk.plan(move |op| match op.kind {
                OpKind::SyncDirectory if lies && op.nth == 0 => Fault::Lie,
                _ => Fault::None,
            });
            disk.stop_at(stop);
            live(&disk, &mut model, life(winner, seed + 601, 1)).await?;
            let (steps, cut) = (disk.pending_steps(), Cut::Dice(toss));
            let disk = disk.cut(cut);
            model.crashed(cut);
            let lived = live(&disk, &mut model, life(winner, seed + 602, 0)).await;
            lived.map_err(|wrong| format!("seed {seed}, {cut:?} after {steps:?}: {wrong}"))?;
        }
    }
    Ok(kills)
}

#[tokio::test]
async fn what_a_file_was_made_of_goes_at_opening_only_when_its_name_is_durable() {
    let kills = open_after_kills(false).await.unwrap();
    assert!(kills > 2, "{kills}");
    let wrong = open_after_kills(true).await.expect_err("nothing is lost without this sync");
    println!("without it: {wrong}");
}
