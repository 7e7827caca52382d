//! Every sync is needed: on a disk that lies to one kind of them, as if it were not in the code,
//! something is found to be wrong. Here are those that the disk itself can tell apart; the others are
//! in `sites`.

use std::collections::BTreeMap;

use skerry_store::log::Winner;

use super::disk::{Cut, Disk, Fault, Label};
use super::power::{life, prepared};
use super::world::live;
use crate::samples::Dice;

/// Why the journal syncs, as far as the disk can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// Groups, for which somebody waits, or nobody.
    Groups,
    /// The beginning of a new file, before it has its name.
    Beginning,
    /// The name of a new file, before anything is in it.
    NewName,
    /// What an earlier process wrote, before anybody is shown it.
    Tail,
    /// A file that was rewritten, before it has its name.
    Rewritten,
    /// The name of a rewritten file, before those that it was made of go.
    RewrittenName,
    /// The removal of a file, before the next one goes.
    Removal,
}

const ALL: [Why; 7] =
    [Why::Groups, Why::Beginning, Why::NewName, Why::Tail, Why::Rewritten, Why::RewrittenName, Why::Removal];

/// The one place that knows one kind from another.
fn why(label: &Label) -> Why {
    let renamed = label.steps.iter().rfind(|step| step.starts_with("rename"));
    match label {
        Label { name, .. } if name.is_empty() => match renamed {
            Some(step) if step.contains(" over ") || is_merged(step) => Why::RewrittenName,
            Some(_) => Why::NewName,
            None => Why::Removal,
        },
        Label { made: false, .. } => Why::Tail,
        Label { from: 0, writes: 1, .. } => Why::Beginning,
        Label { from: 0, .. } => Why::Rewritten,
        _ => Why::Groups,
    }
}

/// Whether a file of several numbers got its name.
pub(super) fn is_merged(step: &str) -> bool {
    let name = step.rsplit(' ').next().and_then(|name| name.strip_suffix(".log"));
    name.and_then(|name| name.split_once('-')).is_some_and(|(first, last)| first != last)
}

/// Syncs of this kind lie, and so many changes after one of them the world ends.
fn lie_and_stop(disk: &Disk, kind: Why, mut lies: u64, mut changes: u64) {
    disk.plan(move |op| {
        if lies == 0 && op.kind.changes() {
            if changes == 0 {
                return Fault::Stop;
            }
            changes -= 1;
        }
        match op.label {
            Some(label) if why(label) == kind => {
                lies = lies.saturating_sub(1);
                Fault::Lie
            }
            _ => Fault::None,
        }
    });
}

/// The first thing that goes wrong when every sync of this kind lies.
async fn without(kind: Why) -> Option<String> {
    for seed in 0..40 {
        let winner = [Winner::Cursors, Winner::Retention][seed as usize % 2];
        let mut dice = Dice(seed);
        // Killed in the middle of something.
        let (disk, mut model) = prepared(winner, seed).await;
        disk.stop_at(dice.roll(60) as u64);
        live(&disk, &mut model, life(winner, seed + 100, 4)).await.unwrap();
        model.crashed(Cut::Killed);
        for changes in 0..8 {
            let (disk, mut model) = (disk.cut(Cut::Killed), model.clone());
            lie_and_stop(&disk, kind, 1 + dice.roll(3) as u64, changes);
            if let Err(wrong) = live(&disk, &mut model, life(winner, seed + 200, 20)).await {
                return Some(wrong);
            }
            for cut in [Cut::Dropped, Cut::Killed].into_iter().chain((0..6).map(Cut::Dice)) {
                let (disk, mut model) = (disk.cut(cut), model.clone());
                model.crashed(cut);
                if let Err(wrong) = live(&disk, &mut model, life(winner, seed + 300, 0)).await {
                    return Some(format!("seed {seed}, {changes} changes later, {cut:?}: {wrong}"));
                }
            }
        }
    }
    None
}

#[tokio::test]
async fn no_sync_is_superfluous() {
    let mut superfluous = Vec::new();
    for kind in ALL {
        match without(kind).await {
            Some(wrong) => println!("without {kind:?}: {wrong}\n"),
            None => superfluous.push(kind),
        }
    }
    assert!(superfluous.is_empty(), "nothing is lost without {superfluous:?}");
}

#[tokio::test]
async fn every_kind_of_sync_happens() {
    let mut counts: BTreeMap<Why, usize> = BTreeMap::new();
    for winner in [Winner::Cursors, Winner::Retention] {
        for seed in 0..4 {
            let (disk, mut model) = prepared(winner, seed).await;
            live(&disk, &mut model, life(winner, seed + 300, 30)).await.unwrap();
            disk.syncs().iter().for_each(|label| *counts.entry(why(label)).or_default() += 1);
        }
    }
    println!("{counts:?}");
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), ALL);
}
