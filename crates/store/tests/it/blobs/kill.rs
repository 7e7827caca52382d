//! kill -9 while blobs and blocks are written: what was answered is there and whole, and nothing else is.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use skerry_store::blobs::{Composition, Expect, Limits, Source};

use super::World;
use crate::samples::Dice;

const DIRECTORY: &str = "SKERRY_TEST_BLOBS_DIRECTORY";
const FROM: &str = "SKERRY_TEST_BLOBS_FROM";
const NAMES: u64 = 5;

/// The bytes of round `n`: any mixture of two rounds shows.
fn content(n: u64) -> Vec<u8> {
    let length = 1 + (n * 7919) % 300_000;
    (0..length).map(|at| (n.wrapping_mul(31).wrapping_add(at / 64)) as u8).collect()
}

fn say(text: &str) {
    // One write, so that lines of two tasks never mix.
    std::io::stdout().write_all(format!("\n{text}\n").as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

/// The child: a test that does nothing unless the parent below started it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(
    clippy::disallowed_methods,
    reason = "the parent hands its child two words; there is no shell between"
)]
async fn the_writing_child() {
    let (Ok(directory), Ok(from)) = (std::env::var(DIRECTORY), std::env::var(FROM)) else { return };
    let world = std::sync::Arc::new(World::folder(Path::new(&directory), Limits::default()));
    let from: u64 = from.parse().unwrap();
    let writers = (0..NAMES).map(|of| {
        let world = std::sync::Arc::clone(&world);
        tokio::spawn(async move {
            for n in (from..).filter(|n| n % NAMES == of) {
                let (name, bytes) = (format!("n{of}"), content(n));
                if n % 2 == 0 {
                    world.put(&name, &bytes).await.unwrap();
                } else {
                    for (id, piece) in ["a", "b", "c"].into_iter().zip(thirds(&bytes)) {
                        world.block(&name, id, piece).await.unwrap();
                    }
                    say(&format!("blocks {n}"));
                    let blocks = ["a", "b", "c"].map(|id| (Source::Waiting, id.into())).to_vec();
                    let (attributes, expect) = (Vec::new(), Expect::Anything);
                    world.blobs.compose(Composition { name, blocks, attributes, expect }).await.unwrap();
                }
                say(&format!("acked {n}"));
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

fn thirds(bytes: &[u8]) -> [&[u8]; 3] {
    let (first, rest) = bytes.split_at(bytes.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    [first, second, third]
}

#[tokio::test]
async fn kill_9_loses_nothing_answered_and_shows_nothing_half_done() {
    let directory = tempfile::tempdir().unwrap();
    let mut dice = Dice(4);
    let mut from = 0;
    let mut acked: [Option<u64>; NAMES as usize] = [None; NAMES as usize];
    for round in 0..40 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "blobs::kill::the_writing_child", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .env(FROM, from.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (wait, pause) = (dice.roll(20), Duration::from_micros(dice.roll(8000) as u64));
        let mut blocks: [Option<u64>; NAMES as usize] = [None; NAMES as usize];
        let (mut seen, mut killed) = (0, false);
        for line in output.lines() {
            let Ok(line) = line else { break };
            if let Some((word, n)) = line.split_once(' ')
                && let Ok(n) = n.parse::<u64>()
            {
                match word {
                    "acked" => acked[(n % NAMES) as usize] = Some(n),
                    "blocks" => blocks[(n % NAMES) as usize] = Some(n),
                    _ => continue,
                }
                seen += 1;
                from = from.max(n + 2 * NAMES);
            }
            if seen > wait && !killed {
                std::thread::sleep(pause);
                // SIGKILL.
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "round {round}: the child ended by itself");
        let world = World::folder(directory.path(), Limits::default());
        let mut bytes_kept = 0;
        for of in 0..NAMES {
            let (name, acked) = (format!("n{of}"), acked[of as usize]);
            let found = world.bytes(&name).await;
            bytes_kept += found.as_ref().map_or(0, Vec::len) as u64;
            let Some(acked) = acked else {
                assert!(
                    found.is_none_or(|found| (of..from + 2 * NAMES).any(|n| found == content(n))),
                    "round {round}: {name}"
                );
                continue;
            };
            // The answered one, or one that was not answered any more; never an older one.
            let found = found.unwrap_or_else(|| panic!("round {round}: {name} is gone"));
            let mut later = (acked..from + 2 * NAMES).filter(|n| n % NAMES == of);
            let version = later.find(|n| found == content(*n));
            assert!(version.is_some(), "round {round}: {name} is not what was answered as {acked}");
            // Blocks that were answered wait, unless their blob came about.
            if let Some(n) = blocks[of as usize].filter(|n| version < Some(*n)) {
                let waiting = world.blobs.blocks(&name).await.unwrap().waiting;
                let sizes: Vec<u64> = waiting.iter().map(|block| block.bytes).collect();
                let expected: Vec<u64> = thirds(&content(n)).map(|piece| piece.len() as u64).to_vec();
                assert_eq!(sizes, expected, "round {round}: the blocks of {n}");
            }
        }
        let figures = world.blobs.figures();
        assert_eq!((figures.blob_bytes, figures.writing_bytes, figures.damaged), (bytes_kept, 0, 0));
    }
}
