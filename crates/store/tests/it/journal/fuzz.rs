//! Files that were tampered with at random: never a panic, never a record that nobody sent, and no
//! more time and memory than sound files take.

use std::collections::BTreeMap;

use bytes::Bytes;
use skerry_store::journal::Journal;
use skerry_store::log::{
    Batch, Draft, Durability, From, Log, Name, Partition, Progress, ReadError, Reading, Sequence, Start,
    Winner,
};

use super::disk::Disk;
use super::world::{often, options};
use crate::samples::Dice;

/// Runs per test; for a long night: `SKERRY_TEST_FUZZ_RUNS=1000000`.
const RUNS: u64 = 1500;

/// Where each record lies, and its bytes.
type Records = BTreeMap<(u32, u64), (Bytes, Bytes)>;

/// A log of a few segments, with cursors and names, closed well.
async fn sample(seed: u64) -> (Vec<(String, Vec<u8>)>, Records) {
    let disk = Disk::new();
    let log = Journal::open(options(&disk, Winner::Cursors, seed)).unwrap();
    let (mut dice, mut records) = (Dice(seed), Records::new());
    let start = Start { kind: skerry_store::log::CursorKind::Wanted, ..Start::default() };
    let queue = log.cursor("queue", start).await.unwrap();
    for number in 0..90 {
        let partition = Partition::new(dice.roll(3) as u32);
        let fill = |dice: &mut Dice, most| -> Bytes {
            let length = dice.roll(most);
            std::iter::repeat_with(|| dice.roll(256) as u8).take(length).collect()
        };
        let (headers, payload) = (fill(&mut dice, 60), fill(&mut dice, 3000));
        let name = Some(Name { producer: seed, number });
        let wanted_by = [queue.id].into_iter().filter(|_| partition == queue.partition).collect();
        let draft = Draft { partition, name, wanted_by, headers: headers.clone(), payload: payload.clone() };
        let outcomes = log.append(Batch::new(vec![draft], Durability::Written)).await;
        let sequence = outcomes[0].clone().unwrap().sequence().unwrap();
        records.insert((partition.number(), sequence.number()), (headers, payload));
        if number % 10 == 0 {
            let below = Sequence::from_number(sequence.number() / 2);
            log.advance(queue.id, Progress { below, ..Progress::default() }).await.unwrap();
        }
    }
    log.close();
    (disk.names().into_iter().map(|name| (name.clone(), disk.bytes(&name))).collect(), records)
}

/// Changes one thing somewhere. `other` is a log that has nothing to do with this one.
fn mutate(files: &mut Vec<(String, Vec<u8>)>, other: &[(String, Vec<u8>)], dice: &mut Dice) {
    let at = dice.roll(files.len());
    let donor = if dice.roll(2) == 0 {
        files[dice.roll(files.len())].1.clone()
    } else {
        other[dice.roll(other.len())].1.clone()
    };
    let bytes = &mut files[at].1;
    let length = bytes.len();
    let span = |dice: &mut Dice, length: usize| {
        let from = dice.roll(length + 1);
        let most = [8, 200, 5000][dice.roll(3)];
        from..(from + dice.roll(most)).min(length)
    };
    match dice.roll(9) {
        0 | 1 if length > 0 => (0..=dice.roll(3)).for_each(|_| bytes[dice.roll(length)] ^= 1 << dice.roll(8)),
        2 => bytes.truncate(dice.roll(length + 1)),
        3 => bytes[span(dice, length)].fill_with(|| dice.roll(256) as u8),
        4 => bytes[span(dice, length)].fill([0, 0xff][dice.roll(2)]),
        // A part goes missing, or comes from elsewhere, over what is there or between it.
        5 => drop(bytes.drain(span(dice, length))),
        6 => {
            let (part, to) = (&donor[span(dice, donor.len())], dice.roll(length + 1));
            bytes.splice(to..(to + part.len()).min(length), part.iter().copied());
        }
        7 => {
            let (part, to) = (&donor[span(dice, donor.len())], dice.roll(length + 1));
            bytes.splice(to..to, part.iter().copied());
        }
        // A length or a count that claims a lot.
        8 if length > 8 => {
            let (to, width) = (dice.roll(length - 8), [2, 4, 8][dice.roll(3)]);
            let claim = [u64::MAX, u64::from(u32::MAX), 1 << 31, 1 << 24, 1][dice.roll(5)];
            bytes[to..to + width].copy_from_slice(&claim.to_le_bytes()[..width]);
        }
        _ if files.len() > 1 => {
            let with = dice.roll(files.len());
            match dice.roll(3) {
                0 => drop(files.remove(at)),
                1 => files[at].1.clone_from(&donor),
                _ => {
                    let name = files[at].0.clone();
                    files[at].0 = std::mem::replace(&mut files[with].0, name);
                }
            }
        }
        _ => {}
    }
}

/// Opens what is there, if the log is willing, and reads all of it.
async fn look(disk: &Disk, seed: u64, sent: &Records) -> Result<usize, String> {
    let Ok(log) = Journal::open(options(disk, Winner::Cursors, seed)) else { return Ok(0) };
    let mut count = 0;
    for number in 0..3 {
        let partition = Partition::new(number);
        let mut next = Sequence::ZERO;
        loop {
            let page = match log.read(Reading::new(partition, From::Sequence(next))).await {
                Ok(page) => page,
                Err(ReadError::Broken(_)) => break,
                Err(error) => return Err(error.to_string()),
            };
            for record in &page.records {
                let place = (number, record.sequence.number());
                if sent.get(&place) != Some(&(record.headers.clone(), record.payload.clone())) {
                    return Err(format!("nobody sent what is at {place:?}: {record:?}"));
                }
            }
            count += page.records.len();
            if page.next <= next {
                break;
            }
            next = page.next;
        }
    }
    // It is open, so it takes records, or says why not.
    let fresh = Draft { payload: Bytes::from_static(b"fresh"), ..Draft::default() };
    drop(log.append(Batch::new(vec![fresh], Durability::Synced)).await);
    log.close();
    Ok(count)
}

/// Kibibytes of address space and of memory that this process had at most.
fn peak() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let value = |key| -> u64 {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (value("VmPeak:"), value("VmHWM:"))
}

async fn mutations(seeds: std::ops::Range<u64>) {
    let (sound, sent) = sample(1).await;
    let (other, _) = sample(2).await;
    let (mut opened, mut read) = (0, 0);
    for seed in seeds {
        let (mut files, mut dice) = (sound.clone(), Dice(seed));
        for _ in 0..=dice.roll(3) {
            mutate(&mut files, &other, &mut dice);
        }
        let disk = Disk::new();
        files.iter().for_each(|(name, bytes)| disk.put(name, bytes));
        let look = look(&disk, seed, &sent);
        // Sound files take some milliseconds.
        let looked = tokio::time::timeout(std::time::Duration::from_secs(20), look).await;
        let count = looked.unwrap_or_else(|_| Err("it takes too long".into()));
        let count = count.unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
        (opened, read) = (opened + u64::from(count > 0), read + count);
    }
    println!("{opened} logs gave {read} records, of {} each", sent.len());
}

#[tokio::test]
async fn tampered_files_never_give_what_nobody_sent() {
    mutations(0..1).await;
    let before = peak();
    mutations(1..often("SKERRY_TEST_FUZZ_RUNS", RUNS)).await;
    let after = peak();
    println!("peaks of address space and memory: {before:?}, then {after:?} KiB");
    // Threads bring arenas of their own, which are address space; a length that is believed would
    // be more than all of them.
    assert!(after.0 - before.0 < 1 << 20 && after.1 - before.1 < 64 << 10, "{before:?} {after:?}");
}

#[tokio::test]
async fn every_truncation_of_a_file_is_read_up_to_there() {
    let (sound, sent) = sample(3).await;
    let mut dice = Dice(3);
    let mut most = 0;
    for (nth, (name, bytes)) in sound.iter().enumerate() {
        for length in (0..bytes.len()).step_by(bytes.len() / 150 + 1) {
            let length = length + dice.roll(bytes.len() / 150 + 1);
            let disk = Disk::new();
            for (at, (name, bytes)) in sound.iter().enumerate() {
                let length = if at == nth { length.min(bytes.len()) } else { bytes.len() };
                disk.put(name, &bytes[..length]);
            }
            let count = look(&disk, length as u64, &sent).await;
            most = most.max(count.unwrap_or_else(|wrong| panic!("{name} of {length} bytes: {wrong}")));
        }
    }
    assert!(most > sent.len() / 2, "{most} of {}", sent.len());
}
