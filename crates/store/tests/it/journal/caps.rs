//! The cap, measured by a file system: a small one in memory, mounted in a namespace of our own,
//! that tells how many bytes it holds.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use skerry_store::journal::{Directory, Journal, JournalOptions};
use skerry_store::log::{
    AppendError, Batch, Draft, Durability, From, Full, Limits, Log, Partition, Progress, Reading, Sequence,
    Start, Winner,
};

use super::world::{Chance, Ticking};

const MOUNT: &str = "SKERRY_TEST_CAPS_MOUNT";
const CASE: &str = "SKERRY_TEST_CAPS_CASE";
const MIB: u64 = 1 << 20;
const SEGMENT: u64 = MIB / 2;
const CAP: u64 = 8 * MIB;

/// Runs the child's test of this case beside a file system of this size.
fn on_a_file_system_of(size: u64, case: &str) {
    let mount = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=\"$0\" none \"$1\" && exec \"$2\" --exact journal::caps::the_child --nocapture")
        .arg(size.to_string())
        .arg(mount.path())
        .arg(std::env::current_exe().unwrap())
        .env(MOUNT, mount.path())
        .env(CASE, case)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("unshare did not start ({error}): run `cargo xtask test`"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    println!("{said}");
    assert!(output.status.success() && said.contains("the case is over"), "{said}");
}

/// Bytes that the file system holds by its own account.
fn held(mount: &Path) -> u64 {
    let output = Command::new("stat").args(["-f", "-c", "%S %b %f"]).arg(mount).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [block_bytes, blocks, free] = numbers[..] else { panic!("{text}") };
    block_bytes * (blocks - free)
}

fn open(mount: &Path, winner: Winner) -> Journal {
    let files = Arc::new(Directory::hold(&mount.join("log")).unwrap());
    let limits = Limits { bytes_max: CAP, winner, ..Limits::default() };
    let options = JournalOptions::new(files, Ticking::from(1_700_000_000), Chance::seeded(1));
    Journal::open(JournalOptions { limits, segment_bytes: SEGMENT, ..options }).unwrap()
}

/// Some sixty kilobytes in records of many sizes.
fn batch(number: u64) -> Batch {
    let draft = |nth: u64| {
        let payload = vec![nth as u8; ((number * 7 + nth) * 131 % 4000) as usize].into();
        Draft { partition: Partition::new(nth as u32 % 3), payload, ..Draft::default() }
    };
    Batch::new((0..30).map(draft).collect(), Durability::Written)
}

/// The child: a test that does nothing unless the tests below started it.
#[tokio::test]
#[allow(
    clippy::disallowed_methods,
    reason = "the parent hands its child two words; there is no shell between"
)]
async fn the_child() {
    let (Ok(mount), Ok(case)) = (std::env::var(MOUNT), std::env::var(CASE)) else { return };
    let mount = Path::new(&mount);
    match &*case {
        "retention" => retention_keeps_the_cap(mount).await,
        "cursors" => cursors_keep_the_cap(mount).await,
        "small" => a_small_disk(mount, Winner::Retention).await,
        "small for cursors" => a_small_disk(mount, Winner::Cursors).await,
        other => panic!("{other}"),
    }
    println!("the case is over");
}

async fn retention_keeps_the_cap(mount: &Path) {
    let log = open(mount, Winner::Retention);
    let mut most = 0;
    for number in 0..5 * CAP / (60 << 10) {
        let outcomes = log.append(batch(number)).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        most = most.max(held(mount));
    }
    assert!(most <= CAP + SEGMENT, "{most} bytes held, {CAP} allowed");
    assert!(most >= CAP - 3 * SEGMENT, "{most} bytes held, {CAP} may be used");
    assert!(log.figures().removed_by_cap_bytes > 3 * CAP);
    drop(log);
    drop(open(mount, Winner::Retention));
    assert!(held(mount) <= CAP + SEGMENT, "opening keeps it too");
}

/// One reader that lags and settles a little at a time, so that what it wants is carried along.
async fn cursors_keep_the_cap(mount: &Path) {
    let log = open(mount, Winner::Cursors);
    let mut readers = Vec::new();
    for number in 0..3 {
        let start = Start { partition: Partition::new(number), ..Start::default() };
        readers.push(log.cursor(&format!("reader {number}"), start).await.unwrap());
    }
    let (mut most, mut refused) = (0, 0);
    for number in 0..4 * CAP / (60 << 10) {
        for outcome in log.append(batch(number)).await {
            match outcome {
                Ok(_) => {}
                Err(AppendError::Full(Full::Cap { .. })) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        most = most.max(held(mount));
        if number % 4 > 0 || refused > 0 {
            for (nth, reader) in readers.iter().enumerate() {
                let end = log.extent(reader.partition).await.unwrap().next.number();
                let lag = if nth == 2 { 300 } else { 20 };
                let below = Sequence::from_number(end.saturating_sub(lag));
                log.advance(reader.id, Progress { below, ..Progress::default() }).await.unwrap();
            }
        }
        most = most.max(held(mount));
    }
    // Nobody settles any more.
    for number in 0..2 * CAP / (60 << 10) {
        refused += log.append(batch(number)).await.iter().filter(|outcome| outcome.is_err()).count();
        most = most.max(held(mount));
    }
    assert!(refused > 0, "the cap refuses what readers have no room for");
    assert!(most <= CAP + SEGMENT, "{most} bytes held, {CAP} allowed");
    drop(log);
    let log = open(mount, Winner::Cursors);
    for reader in readers {
        let below = log.extent(reader.partition).await.unwrap().next;
        log.advance(reader.id, Progress { below, ..Progress::default() }).await.unwrap();
    }
    until_it_goes_on(&log).await;
    assert!(held(mount) <= CAP + SEGMENT);
}

async fn until_it_goes_on(log: &Journal) {
    for _ in 0..500 {
        let outcomes = log.append(batch(1)).await;
        match outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
            None => return,
            Some(AppendError::Full(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Some(other) => panic!("{other}"),
        }
    }
    panic!("there is room, and it does not go on");
}

/// The file system is smaller than the cap.
async fn a_small_disk(mount: &Path, winner: Winner) {
    let log = open(mount, winner);
    let partition = Partition::new(0);
    let cursor = log.cursor("reader", Start { partition, ..Start::default() }).await.unwrap();
    let mut placed = Vec::new();
    'full: for number in 0.. {
        for outcome in log.append(batch(number)).await {
            match outcome {
                Ok(at) => placed.push(at.sequence().unwrap()),
                Err(AppendError::Full(Full::Disk)) => break 'full,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(number < 1000, "it is never full: {}", held(mount));
    }
    let end = log.extent(partition).await.unwrap().next;
    let (mut next, mut count) = (Sequence::ZERO, 0);
    while next < end {
        let page = log.read(Reading::new(partition, From::Sequence(next))).await.unwrap();
        (next, count) = (page.next, count + page.records.len());
    }
    assert!(count >= placed.len() / 3 - 10, "{count} records can be read");
    for number in 0..3 {
        let before = log.extent(Partition::new(number)).await.unwrap().next;
        log.trim(Partition::new(number), before).await.unwrap();
    }
    drop(log.advance(cursor.id, Progress { below: end, ..Progress::default() }).await);
    assert_eq!(log.cursors()[0].below, end, "it counts, whether it could be written or not");
    until_it_goes_on(&log).await;
    drop(log);
    until_it_goes_on(&open(mount, winner)).await;
    // Somebody makes room in another way.
    let log = open(mount, winner);
    let mut grow = Command::new("mount");
    // The options that it has name a user whom the test's namespace does not know, unless root makes it.
    grow.args(["--options-mode", "ignore", "-o", "remount,size=32m", "--types", "tmpfs", "none"]).arg(mount);
    assert!(grow.status().unwrap().success());
    until_it_goes_on(&log).await;
}

#[test]
fn retention_keeps_the_cap_within_a_segment() {
    on_a_file_system_of(64 * MIB, "retention");
}

#[test]
fn lagging_cursors_keep_the_cap_within_a_segment() {
    on_a_file_system_of(64 * MIB, "cursors");
}

#[test]
fn a_file_system_smaller_than_the_cap_is_full_and_goes_on_after_trimming() {
    on_a_file_system_of(3 * MIB, "small");
    on_a_file_system_of(3 * MIB, "small for cursors");
}
