//! Disks that give back other bytes than they took.

use std::collections::BTreeMap;

use bytes::Bytes;
use skerry_store::journal::{Files, Journal};
use skerry_store::log::{
    Batch, Draft, Durability, From, Log, Loss, Lost, Name, Partition, Reading, Sequence, Winner,
};

use super::disk::{Cut, Disk, EIO, Fault, OpKind};
use super::world::options;
use crate::samples::Dice;

const PARTITION: Partition = Partition::new(1);

/// What lies where, in one partition.
type Sent = BTreeMap<Sequence, Bytes>;

/// Appends each payload in a group of its own.
async fn append(log: &Journal, payloads: impl IntoIterator<Item = Bytes>, sent: &mut Sent) {
    for payload in payloads {
        let name = Some(Name { producer: 1, number: sent.len() as u64 });
        let draft = Draft { partition: PARTITION, name, payload: payload.clone(), ..Draft::default() };
        let outcome = log.append(Batch::new(vec![draft], Durability::Synced)).await.remove(0);
        sent.insert(outcome.unwrap().sequence().unwrap(), payload);
    }
}

fn fill(dice: &mut Dice, most: usize) -> Bytes {
    let length = dice.roll(most);
    std::iter::repeat_with(|| dice.roll(256) as u8).take(length).collect()
}

/// A log of one record a group, closed well.
async fn sample(count: usize, most: usize) -> (Disk, Sent) {
    let (disk, mut sent, mut dice) = (Disk::new(), Sent::new(), Dice(1));
    let log = Journal::open(options(&disk, Winner::Retention, 1)).unwrap();
    append(&log, (0..count).map(|_| fill(&mut dice, most)), &mut sent).await;
    log.close();
    (disk.cut(Cut::Killed), sent)
}

/// What a log gives of its partition: what is missing, and what it says of that.
struct Found {
    missing: Vec<Sequence>,
    damaged: Vec<Lost>,
    places: u64,
}

async fn read(log: &Journal, sent: &Sent) -> Found {
    let mut left = sent.clone();
    let (mut next, mut damaged) = (Sequence::ZERO, Vec::new());
    loop {
        let page =
            log.read(Reading::new(PARTITION, From::Sequence(next)).at_most(50, 1 << 20)).await.unwrap();
        if page.next == next {
            break;
        }
        for record in &page.records {
            let was = left.remove(&record.sequence);
            assert!(was.as_ref() == Some(&record.payload), "invented at {}: {record:?}", record.sequence);
        }
        damaged.extend(page.lost.iter().filter(|lost| lost.why == Loss::Damaged));
        next = page.next;
    }
    Found { missing: left.into_keys().collect(), damaged, places: log.figures().damaged }
}

/// At most so many are missing, and all of that is told.
fn is_told(found: &Found, sent: &Sent, most: usize) -> Result<(), String> {
    let Found { missing, damaged, places } = found;
    if missing.len() > most {
        let (first, last) = (missing[0], missing[missing.len() - 1]);
        return Err(format!("{} records are missing, from {first} to {last}", missing.len()));
    }
    for sequence in missing {
        let is_told = damaged.iter().any(|lost| lost.from <= *sequence && *sequence < lost.to);
        // A damaged end cannot be told from what a power cut left.
        let is_end = sent.keys().next_back() == Some(sequence);
        if !(is_told && *places > 0 || is_end) {
            return Err(format!("{sequence} is missing, told are {damaged:?} and {places} places"));
        }
    }
    Ok(())
}

/// What went wrong, and in how many cases, of which the first and the last: together they say more
/// than the first alone.
#[derive(Default)]
struct Wrongs {
    cases: usize,
    wrongs: BTreeMap<String, (usize, String, String)>,
}

impl Wrongs {
    fn note(&mut self, case: &str, outcome: Result<(), String>) {
        self.cases += 1;
        if let Err(wrong) = outcome {
            let known = self.wrongs.entry(wrong).or_insert_with(|| (0, case.to_owned(), String::new()));
            (known.0, known.2) = (known.0 + 1, case.to_owned());
        }
    }

    fn assert_none(&self) {
        assert!(self.wrongs.is_empty(), "of {} cases {:#?}", self.cases, self.wrongs);
    }
}

#[tokio::test]
async fn a_turned_bit_anywhere_costs_at_most_its_group_and_is_told() {
    let (sound, sent) = sample(60, 3000).await;
    let (mut costs, mut wrongs) = (0, Wrongs::default());
    let mut dice = Dice(5);
    for name in sound.names() {
        let length = sound.bytes(&name).len();
        let step = 29;
        for offset in (0..length).step_by(step) {
            let disk = sound.cut(Cut::Killed);
            let offset = (offset + dice.roll(step)).min(length - 1);
            disk.flip(&name, offset, 1 << dice.roll(8));
            let case = format!("{name} at {offset} of {length}");
            let log = Journal::open(options(&disk, Winner::Retention, 2));
            let log = log.unwrap_or_else(|error| panic!("{case}: {error}"));
            let found = read(&log, &sent).await;
            wrongs.note(&case, is_told(&found, &sent, 1));
            costs += usize::from(!found.missing.is_empty());
            // It takes records, after all that it ever had.
            let draft = Draft { partition: PARTITION, ..Draft::default() };
            let placed = log.append(Batch::new(vec![draft], Durability::Synced)).await.remove(0).unwrap();
            if placed.sequence().as_ref() <= sent.keys().next_back() {
                wrongs.note(&case, Err(format!("a new record gets {:?}", placed.sequence())));
            }
        }
    }
    let cases = wrongs.cases;
    println!("{costs} of {cases} turned bits cost a record");
    wrongs.assert_none();
    assert!(costs > cases / 2, "most of the files is records: {costs} of {cases}");
}

#[tokio::test]
async fn a_bit_that_turns_while_the_log_is_open_is_told_to_readers() {
    let (disk, sent) = sample(200, 3000).await;
    let log = Journal::open(options(&disk, Winner::Retention, 2)).unwrap();
    assert!(read(&log, &sent).await.missing.is_empty());
    // All of the first file's middle.
    let first = disk.names().into_iter().filter(|name| !disk.bytes(name).is_empty()).min().unwrap();
    let length = disk.bytes(&first).len();
    for offset in length / 3..length / 2 {
        disk.flip(&first, offset, 0x55);
    }
    let found = read(&log, &sent).await;
    assert!(!found.missing.is_empty());
    is_told(&found, &sent, sent.len() / 2).unwrap();
}

#[tokio::test]
async fn a_file_that_is_missing_between_others_is_told() {
    let (disk, sent) = sample(160, 3000).await;
    let names = disk.names();
    assert!(names.len() > 2, "{names:?}");
    let disk = disk.cut(Cut::Killed);
    disk.remove(&names[1]).unwrap();
    disk.sync_directory().unwrap();
    let found = read_all(&disk.cut(Cut::Killed), &sent).await;
    assert!(!found.missing.is_empty());
    is_told(&found, &sent, sent.len() / 2).unwrap();
}

#[tokio::test]
async fn records_that_look_like_blocks_are_not_taken_for_blocks() {
    // What the files hold, as payloads: whole segments, and parts from anywhere.
    let (donor, _) = sample(40, 1500).await;
    let mut dice = Dice(7);
    let (disk, mut sent) = (Disk::new(), Sent::new());
    let log = Journal::open(options(&disk, Winner::Retention, 1)).unwrap();
    append(&log, (0..10).map(|_| fill(&mut dice, 500)), &mut sent).await;
    let mut own: Vec<Bytes> = Vec::new();
    for round in 0..12 {
        // Of another log, and of this very log as it is now.
        let source = if round % 2 == 0 { &donor } else { &disk };
        let names = source.names();
        let bytes = source.bytes(&names[dice.roll(names.len())]);
        let from = if round % 4 < 2 { 0 } else { dice.roll(bytes.len()) };
        let to = (from + 12_000).min(bytes.len());
        own.push(bytes[from..to].to_vec().into());
        append(&log, [own[round].clone(), fill(&mut dice, 200)], &mut sent).await;
    }
    log.close();
    let sound = disk.cut(Cut::Killed);
    assert!(read_all(&sound, &sent).await.missing.is_empty());
    // Now the block around each of them is damaged in several ways, and what is searched for is
    // the next sound block behind it.
    let mut wrongs = Wrongs::default();
    for (nth, payload) in own.iter().enumerate() {
        let Some((name, at)) = find(&sound, payload) else { panic!("payload {nth} is in no file") };
        for distance in 1..=120 {
            let disk = sound.cut(Cut::Killed);
            disk.flip(&name, at - distance.min(at), 0xff);
            let case = format!("{distance} bytes before payload {nth}");
            wrongs.note(&case, is_told(&read_all(&disk, &sent).await, &sent, 3));
        }
        let disk = sound.cut(Cut::Killed);
        disk.flip(&name, at + payload.len() - 1, 1);
        let case = format!("the end of payload {nth}");
        wrongs.note(&case, is_told(&read_all(&disk, &sent).await, &sent, 1));
    }
    wrongs.assert_none();
}

async fn read_all(disk: &Disk, sent: &Sent) -> Found {
    let log = Journal::open(options(disk, Winner::Retention, 2)).unwrap();
    read(&log, sent).await
}

/// Where the bytes lie: the last place, as they may be copies of an earlier one.
fn find(disk: &Disk, bytes: &[u8]) -> Option<(String, usize)> {
    disk.names().into_iter().rev().find_map(|name| {
        let content = disk.bytes(&name);
        let at = content.windows(bytes.len()).rposition(|window| window == bytes)?;
        Some((name, at))
    })
}

#[tokio::test]
async fn a_sector_that_cannot_be_read_costs_what_lies_on_it_and_only_for_as_long() {
    let (disk, sent) = sample(60, 3000).await;
    let log = Journal::open(options(&disk, Winner::Retention, 2)).unwrap();
    let (first, bad) = (disk.names().remove(0), 20_000..20_512);
    disk.plan(move |op| {
        let touches = op.name == first && op.offset < bad.end && op.offset + op.length as u64 > bad.start;
        if op.kind == OpKind::Read && touches { Fault::Fail(EIO) } else { Fault::None }
    });
    let (mut next, mut found, mut failed) = (Sequence::ZERO, 0, 0);
    let end = log.extent(PARTITION).await.unwrap().next;
    while next < end {
        match log.read(Reading::new(PARTITION, From::Sequence(next)).at_most(1, 1 << 20)).await {
            Ok(page) => {
                assert!(page.records.iter().all(|record| sent[&record.sequence] == record.payload));
                (found, next) = (found + page.records.len(), page.next);
            }
            // It says so, and the reader may go round it.
            Err(_) => (failed, next) = (failed + 1, next.next()),
        }
    }
    assert!(found > sent.len() / 2 && found < sent.len(), "{found} read, {failed} failed");
    disk.plan(|_| Fault::None);
    assert!(read(&log, &sent).await.missing.is_empty(), "the disk gives it back, and so does the log");
    drop(log);
}
