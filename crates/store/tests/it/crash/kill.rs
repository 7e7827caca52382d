//! kill -9 at two hundred moments.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use skerry_store::{EmbeddedDocuments, OpenError};

use super::workload::{GROUPS, commit, options, run, verify};
use crate::samples::Dice;

const DIRECTORY: &str = "SKERRY_TEST_KILL_DIRECTORY";
const COUNTS: &str = "SKERRY_TEST_KILL_COUNTS";

/// The child: a test that does nothing unless the parent below started it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(
    clippy::disallowed_methods,
    reason = "the parent hands its child two words; there is no shell between"
)]
async fn the_writing_child() {
    let (Ok(directory), Ok(counts)) = (std::env::var(DIRECTORY), std::env::var(COUNTS)) else { return };
    let counts: Vec<u64> = counts.split(',').map(|count| count.parse().unwrap()).collect();
    let store = Arc::new(EmbeddedDocuments::open(options(Path::new(&directory))).unwrap());
    let groups = counts.into_iter().enumerate().map(|(group, count)| {
        let store = store.clone();
        tokio::spawn(async move {
            use skerry_store::documents::Documents;
            for n in count + 1.. {
                store.commit(commit(group, n)).await.unwrap();
                // One write, so that lines of two groups never mix.
                std::io::stdout().write_all(format!("\nacked {group} {n}\n").as_bytes()).unwrap();
                std::io::stdout().flush().unwrap();
            }
        })
    });
    for group in groups.collect::<Vec<_>>() {
        group.await.unwrap();
    }
}

#[tokio::test]
async fn kill_9_loses_nothing_answered() {
    let directory = tempfile::tempdir().unwrap();
    let mut dice = Dice(9);
    let mut counts = [0; GROUPS];
    for round in 0..200 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::kill::the_writing_child", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .env(COUNTS, counts.map(|count| count.to_string()).join(","))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut acked = counts;
        // Some answers first, then a moment by chance in the middle of whatever is going on.
        let wait = dice.roll(60);
        let pause = Duration::from_micros(dice.roll(5000) as u64);
        let mut killed = false;
        let mut seen = 0;
        for line in output.lines() {
            let Ok(line) = line else { break };
            let words: Vec<&str> = line.split(' ').collect();
            if let ["acked", group, n] = words[..] {
                acked[group.parse::<usize>().unwrap()] = n.parse().unwrap();
                seen += 1;
            }
            if seen > wait && !killed {
                if round == 0 {
                    let busy = EmbeddedDocuments::open(options(directory.path())).map(drop).unwrap_err();
                    assert!(matches!(busy, OpenError::InUse { .. }), "{busy}");
                }
                std::thread::sleep(pause);
                // SIGKILL.
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "round {round}: the child ended by itself");
        counts =
            verify(directory.path(), &acked).await.unwrap_or_else(|wrong| panic!("round {round}: {wrong}"));
    }
    let store = Arc::new(EmbeddedDocuments::open(options(directory.path())).unwrap());
    let last = *counts.iter().max().unwrap();
    run(&store, last + 1, last + 1, |_, _| {}).await;
    println!("{counts:?} commits over 200 kills");
}
