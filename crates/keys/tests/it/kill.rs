//! kill -9 while keys are made, moved and replaced: what was answered is there, whole and unchanged.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use skerry_keys::{KeyStore, PairAlgorithm, Symmetric};

use crate::world::{Dice, open};

const DIRECTORY: &str = "SKERRY_TEST_KEYS_DIRECTORY";
const FROM: &str = "SKERRY_TEST_KEYS_FROM";

fn say(text: &str) {
    // One write, so that the parent never reads half of a line.
    std::io::stdout().write_all(format!("\n{text}\n").as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

fn mark(keys: &dyn KeyStore, id: &str) -> String {
    keys.sign(Symmetric::Named(id), b"mark").unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The child: a test that does nothing unless the parent below started it.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the parent hands its child two words; there is no shell between"
)]
fn the_writing_child() {
    let (Ok(directory), Ok(from)) = (std::env::var(DIRECTORY), std::env::var(FROM)) else { return };
    let keys = open(Path::new(&directory), BTreeMap::new(), Arc::new(Dice::default()));
    for n in from.parse::<u64>().unwrap().. {
        let id = format!("key{n}");
        keys.make_key(&id).unwrap();
        say(&format!("made {id} {}", mark(&keys, &id)));
        keys.import_key("shared", format!("shared {n}").as_bytes()).unwrap();
        say(&format!("shared {n}"));
        keys.make_pair("temp", PairAlgorithm::EcP256).unwrap();
        keys.move_pair("temp", "pair").unwrap();
        say("moved");
    }
}

#[test]
fn kill_9_loses_no_key_and_tears_none() {
    let directory = tempfile::tempdir().unwrap();
    let (mut made, mut shared, mut moved) = (BTreeMap::new(), None::<u64>, false);
    for round in 0..25 {
        let from = shared.map_or(0, |shared| shared + 1000 * round);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::the_writing_child", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .env(FROM, from.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Some lines of this round are read, then it dies in the middle of whatever it does.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut note = |line: String| match line.split(' ').collect::<Vec<_>>()[..] {
            ["made", id, mark] => drop(made.insert(id.to_owned(), mark.to_owned())),
            ["shared", n] => shared = Some(n.parse().unwrap()),
            ["moved"] => moved = true,
            _ => {}
        };
        lines
            .by_ref()
            .filter(|line| !line.is_empty())
            .take(4 + (round as usize * 5) % 17)
            .for_each(&mut note);
        child.kill().unwrap();
        lines.for_each(&mut note);
        child.wait().unwrap();

        let keys = open(directory.path(), BTreeMap::new(), Arc::new(Dice::default()));
        for (id, known) in &made {
            assert_eq!(&mark(&keys, id), known, "{id}");
        }
        if let Some(n) = shared {
            let found = mark(&keys, "shared");
            let one_of = [n, n + 1, n + 1000 * (round + 1)].map(|n| {
                keys.import_key("compare", format!("shared {n}").as_bytes()).unwrap();
                mark(&keys, "compare")
            });
            assert!(one_of.contains(&found), "round {round}: neither {n} nor what came after it");
        }
        if moved {
            keys.public_key("pair").unwrap();
        }
    }
    assert!(made.len() > 25, "{}", made.len());
}
