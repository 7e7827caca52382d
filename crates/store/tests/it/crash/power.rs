//! A power cut at every point of a run.

use std::path::PathBuf;
use std::sync::Arc;

use skerry_store::documents::Documents;
use skerry_store::{EmbeddedDocuments, EmbeddedOptions};

use super::disk::{Cut, Disk};
use super::vfs::{Op, register};
use super::workload::{GROUPS, even, options, run, verify};
use crate::samples::DEVICES;

/// Images are small and many: in memory where there is a place for that.
fn scratch() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Runs the workload on a recorded disk, with an index built on the way and a restart.
async fn recorded(vfs: &str, synced: bool) -> Vec<Op> {
    let recorder = register(vfs);
    let directory = scratch();
    let options = || EmbeddedOptions { vfs: Some(vfs.into()), synced, ..options(directory.path()) };
    let acked = {
        let recorder = recorder.clone();
        move |group, commits| recorder.ops.lock().unwrap().push(Op::Acked { group, commits })
    };
    for (from, to) in [(1, 25), (26, 60)] {
        let store = Arc::new(EmbeddedDocuments::open(options()).unwrap());
        run(&store, from, from + 9, acked.clone()).await;
        if from == 1 {
            store.declare_index(DEVICES, &[even()]).await.unwrap();
        }
        run(&store, from + 10, to, acked.clone()).await;
        store.close();
    }
    std::mem::take(&mut *recorder.ops.lock().unwrap())
}

/// What was tried, and the first thing that went wrong.
struct Tried {
    points: usize,
    images: usize,
    wrong: Option<String>,
}

async fn try_all(ops: &[Op]) -> Tried {
    let mut tried = Tried { points: ops.len(), images: 0, wrong: None };
    let mut disk = Disk::default();
    let mut acked = [0; GROUPS];
    for (point, op) in ops.iter().enumerate() {
        let news = disk.apply(op);
        if let Op::Acked { group, commits } = op {
            acked[*group] = *commits;
        }
        // Where nothing became durable, dropping all else gives the image before.
        let mut cuts = if news { vec![Cut::Dropped] } else { Vec::new() };
        cuts.push(Cut::Random(point as u64));
        if matches!(op, Op::Write { .. }) {
            cuts.push(Cut::Torn);
        }
        for cut in cuts {
            let directory = scratch();
            disk.after(cut, op, directory.path());
            tried.images += 1;
            if let Err(wrong) = verify(directory.path(), &acked).await {
                tried.wrong = Some(format!("after operation {point} ({cut:?}): {wrong}"));
                return tried;
            }
        }
    }
    tried
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_at_any_point_loses_nothing_answered() {
    let ops = recorded("recorded", true).await;
    let checkpoints = ops.iter().filter(|op| matches!(op, Op::Sync(file) if file == "documents.db")).count();
    assert!(checkpoints >= 5, "the run folds the log back: {checkpoints}");
    let tried = try_all(&ops).await;
    assert_eq!(tried.wrong, None);
    println!("{} operations, {} images, {checkpoints} syncs of the file", tried.points, tried.images);
    assert!(tried.images > 2000, "{}", tried.images);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_sync_the_same_cuts_find_the_loss() {
    let ops = recorded("recorded-unsynced", false).await;
    let tried = try_all(&ops).await;
    let wrong = tried.wrong.expect("answers without sync lose commits");
    assert!(wrong.contains("was answered"), "{wrong}");
}
