//! `skerry log` on files that the engine wrote, whole and damaged.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use serde_json::Value;
use skerry_model::{Clock, Random, Timestamp};
use skerry_store::journal::{Directory, Journal, JournalOptions};
use skerry_store::log::{Batch, CursorKind, Draft, Durability, Limits, Log as _, Partition, Start, Winner};

use crate::process::skerry;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000)
    }
}

struct Chance;

impl Random for Chance {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// Ten records in each of two partitions, one of which a queue wants.
async fn written(directory: &Path) {
    let files = Arc::new(Directory::hold(directory).unwrap());
    let mut options = JournalOptions::new(files, Arc::new(Noon), Arc::new(Chance));
    options.limits = Limits { winner: Winner::Cursors, ..Limits::default() };
    let journal = Journal::open(options).unwrap();
    let start = Start { kind: CursorKind::Wanted, ..Start::default() };
    let queue = journal.cursor("upstream", start).await.unwrap().id;
    for number in 0..10 {
        for (partition, wanted_by) in [(0, vec![queue]), (1, Vec::new())] {
            let draft = Draft {
                partition: Partition::new(partition),
                wanted_by: wanted_by.into(),
                payload: format!("record {number}").into(),
                ..Draft::default()
            };
            let outcomes = journal.append(Batch::new(vec![draft], Durability::Synced)).await;
            assert!(outcomes[0].is_ok());
        }
    }
    journal.close();
}

fn log(verb: &str, directory: &Path, more: &[&str]) -> Output {
    skerry().args(["log", verb]).arg(directory).args(more).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_log_is_listed_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    // A hub's data directory has its log below.
    written(&folder.path().join("log")).await;
    for directory in [folder.path().to_owned(), folder.path().join("log")] {
        let seen = log("inspect", &directory, &["--json"]);
        assert!(seen.status.success(), "{}", text(&seen.stderr));
        let seen = json(&seen);
        assert_eq!(seen["files"].as_array().unwrap().len(), 1);
        assert_eq!(seen["partitions"][1]["next"], 10);
        assert_eq!(
            (&seen["cursors"][0]["name"], &seen["cursors"][0]["records"]),
            (&"upstream".into(), &10.into())
        );
        let verdict = log("verify", &directory, &["--json"]);
        assert!(verdict.status.success(), "{}", text(&verdict.stderr));
        let verdict = json(&verdict);
        assert_eq!((&verdict["records"], &verdict["faults"]), (&20.into(), &Value::Array(Vec::new())));
    }
    let seen = log("inspect", folder.path(), &[]);
    assert!(text(&seen.stdout).contains("upstream") && text(&seen.stdout).contains("2023-11-14T22:13:20"));
}

#[tokio::test]
async fn damage_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    let file = folder.path().join("0000000001-0000000001.log");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(8).position(|bytes| bytes == b"record 4").unwrap();
    bytes[at] ^= 0x20;
    fs::write(&file, bytes).unwrap();
    let verdict = log("verify", folder.path(), &[]);
    assert_eq!(verdict.status.code(), Some(1));
    let said = text(&verdict.stdout);
    assert!(
        said.contains("0000000001-0000000001.log at") && said.contains("records 4 to 4 of partition 0"),
        "{said}"
    );
    assert!(text(&verdict.stderr).contains("cannot be read back"));
}

#[test]
fn where_there_is_no_log_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (directory, says) in
        [(folder.path().to_owned(), "there is no log"), (folder.path().join("gone"), "no directory")]
    {
        for verb in ["inspect", "verify"] {
            let refused = log(verb, &directory, &[]);
            assert_eq!((refused.status.code(), refused.stdout.is_empty()), (Some(3), true));
            assert!(text(&refused.stderr).contains(says), "{}", text(&refused.stderr));
        }
    }
}
