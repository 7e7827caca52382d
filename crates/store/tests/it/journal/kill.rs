//! kill -9 at a thousand moments.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use skerry_store::journal::{Directory, Journal, JournalOptions};
use skerry_store::log::{
    Batch, Draft, Durability, Early, From, Limits, Log, Name, Order, Partition, Progress, Reading, Seen,
    Sequence, Start,
};

use super::world::{Chance, Ticking, often};
use crate::samples::Dice;

const DIRECTORY: &str = "SKERRY_TEST_JOURNAL_KILL_DIRECTORY";
/// The round, and from where each producer goes on.
const COUNTS: &str = "SKERRY_TEST_JOURNAL_KILL_COUNTS";
/// For a long night: `SKERRY_TEST_KILLS=100000`.
const KILLS: u64 = 1000;
const PRODUCERS: usize = 4;
/// The producers share them.
const PARTITIONS: usize = 2;

fn partition(of: usize) -> Partition {
    Partition::new((of % PARTITIONS) as u32)
}

/// The `number`th record of a producer, the same each time.
fn draft(producer: usize, number: u64) -> Draft {
    let mut dice = Dice(producer as u64 * 1_000_003 + number);
    let most = [40, 400, 4000][dice.roll(3)];
    let length = dice.roll(most);
    let fill: Vec<u8> = std::iter::repeat_with(|| dice.roll(256) as u8).take(length).collect();
    let head = [(producer as u64).to_be_bytes(), number.to_be_bytes()].concat();
    Draft {
        partition: partition(producer),
        name: Some(Name { producer: producer as u64, number }),
        headers: head.into(),
        payload: fill.into(),
        ..Draft::default()
    }
}

/// Small segments and a cap that is reached on the way.
fn open(directory: &Path, seed: u64) -> Journal {
    let files = Arc::new(Directory::hold(directory).unwrap());
    let limits = Limits { bytes_max: 8 << 20, ..Limits::default() };
    let (clock, random) = (Ticking::from(1_700_000_000), Chance::seeded(seed));
    let segment_bytes = 256 << 10;
    Journal::open(JournalOptions { limits, segment_bytes, ..JournalOptions::new(files, clock, random) })
        .unwrap()
}

/// Whoever is to be told what is seen early does not mind.
struct Deaf;

impl Seen for Deaf {
    fn seen(self: Arc<Self>, _: &[Sequence]) {}
}

fn say(line: &str) {
    // One write, so that lines of two producers never mix.
    let mut output = std::io::stdout();
    output.write_all(format!("\n{line}\n").as_bytes()).unwrap();
    output.flush().unwrap();
}

/// The child: a test that does nothing unless the parent below started it. It goes on behind the
/// counts, so what was sent and not answered before is sent again under the same names.
#[tokio::test]
#[allow(
    clippy::disallowed_methods,
    reason = "the parent hands its child two words; there is no shell between"
)]
async fn the_appending_child() {
    let (Ok(directory), Ok(counts)) = (std::env::var(DIRECTORY), std::env::var(COUNTS)) else { return };
    let mut counts: Vec<u64> = counts.split(',').map(|count| count.parse().unwrap()).collect();
    // Chance that repeats itself would give two files one salt.
    let round = counts.remove(0);
    let log = Arc::new(open(Path::new(&directory), 2 * round + 1));
    let producers = counts.into_iter().enumerate().map(|(producer, count)| {
        let log = log.clone();
        tokio::spawn(async move {
            let (order, mut dice, mut next) = (Order::default(), Dice(count), count);
            loop {
                let mut answers = Vec::new();
                for _ in 0..=dice.roll(4) {
                    let numbers = next..next + 1 + dice.roll(3) as u64;
                    next = numbers.end;
                    let drafts = numbers.map(|number| draft(producer, number)).collect();
                    let durability = [Durability::Written, Durability::Synced][dice.roll(2)];
                    let mut batch = Batch::new(drafts, durability).in_order(&order);
                    if dice.roll(2) == 0 {
                        let linger = Duration::from_millis(1);
                        batch = batch.early(Early { seen: Arc::new(Deaf), is_urgent: true, linger });
                    }
                    answers.push((next, log.append(batch)));
                }
                for (next, answer) in answers {
                    assert!(answer.await.iter().all(Result::is_ok));
                    say(&format!("acked {producer} {next}"));
                }
            }
        })
    });
    let producers: Vec<_> = producers.collect();
    let partition = partition(0);
    let cursor = log.cursor("reader", Start { partition, ..Start::default() }).await.unwrap();
    let mut pages = log.follow(Reading::new(partition, From::Sequence(cursor.below)).at_most(20, 1 << 20));
    loop {
        let below = pages.next().await.unwrap().next;
        let progress = Progress { below, durability: Durability::Written, ..Progress::default() };
        log.advance(cursor.id, progress).await.unwrap();
        say(&format!("told {}", below.number()));
        assert!(producers.iter().all(|producer| !producer.is_finished()), "a producer failed");
    }
}

/// What is known from outside, over all lives.
#[derive(Default)]
struct Known {
    /// How many records of each producer were answered, and how many are there.
    acked: [u64; PRODUCERS],
    found: [u64; PRODUCERS],
    read: [Sequence; PARTITIONS],
    told: u64,
}

impl Known {
    fn hear(&mut self, line: &str) -> bool {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["acked", producer, next] => {
                self.acked[producer.parse::<usize>().unwrap()] = next.parse().unwrap();
            }
            ["told", below] => self.told = below.parse().unwrap(),
            _ => return false,
        }
        true
    }

    /// Goes on reading where it stopped; whatever is new must continue each producer's line.
    async fn verify(&mut self, log: &Journal) {
        for nth in 0..PARTITIONS {
            loop {
                let reading = Reading::new(partition(nth), From::Sequence(self.read[nth]));
                let page = log.read(reading).await.unwrap();
                assert!(page.lost.is_empty(), "{:?} {}", page.lost, page.next);
                if page.next == self.read[nth] {
                    break;
                }
                self.read[nth] = page.next;
                for record in page.records {
                    let number = |at| u64::from_be_bytes(record.headers[at..at + 8].try_into().unwrap());
                    let (producer, number) = (number(0) as usize, number(8));
                    assert_eq!(number, self.found[producer], "the next record of {producer}");
                    self.found[producer] += 1;
                    let draft = draft(producer, number);
                    assert_eq!((draft.headers, draft.payload), (record.headers, record.payload));
                }
            }
        }
        for producer in 0..PRODUCERS {
            let (acked, found) = (self.acked[producer], self.found[producer]);
            assert!(acked <= found, "{acked} records of {producer} were answered, {found} are there");
        }
        let below = log.cursors().first().map_or(0, |cursor| cursor.below.number());
        assert!(below >= self.told, "the cursor is at {below}, {} was told", self.told);
        assert_eq!(log.figures().damaged, 0);
    }
}

fn start(directory: &Path, round: u64, acked: &[u64]) -> Child {
    let counts: Vec<String> = [&[round], acked].concat().iter().map(ToString::to_string).collect();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "journal::kill::the_appending_child", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(COUNTS, counts.join(","))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn kill_9_loses_nothing_answered_and_doubles_nothing_sent_again() {
    let directory = super::world::scratch();
    let mut dice = Dice(9);
    let mut known = Known::default();
    let kills = often("SKERRY_TEST_KILLS", KILLS);
    for round in 0..kills {
        let mut child = start(directory.path(), round, &known.acked);
        let output = BufReader::new(child.stdout.take().unwrap());
        // Some answers first, then a moment by chance in the middle of whatever is going on; now
        // and then a moment while it starts.
        let (at_start, wait) = (dice.roll(8) == 0, dice.roll(20));
        let pause = Duration::from_micros(dice.roll(if at_start { 10_000 } else { 1500 }) as u64);
        let (mut killed, mut heard) = (at_start, 0);
        if at_start {
            std::thread::sleep(pause);
            child.kill().unwrap();
        }
        for line in output.lines() {
            let Ok(line) = line else { break };
            heard += usize::from(known.hear(&line));
            if heard > wait && !killed {
                std::thread::sleep(pause);
                // SIGKILL.
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "round {round}: the child ended by itself");
        let log = open(directory.path(), 2 * round);
        known.verify(&log).await;
    }
    assert!(known.found.iter().all(|found| *found > 100), "{:?}", known.found);
    println!("{:?} records over {kills} kills", known.found);
}
