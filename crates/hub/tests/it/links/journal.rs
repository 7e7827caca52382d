//! Readers over the log as it is on the disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use skerry_amqp::performative::Role;
use skerry_hub::telemetry::{Letterhead, Source};
use skerry_model::message::SystemProperties;
use skerry_model::{Clock, Random};
use skerry_store::journal::{Directory, Journal, JournalOptions};
use skerry_store::log::{Log, Sequence};
use skerry_store::{MemoryDocuments, MemoryOptions};

use super::client::{Receiver, attach, from_filter, sections};
use super::events::{ADDRESS, place, sender, sequence};
use crate::world::{KnownRandom, StoppedClock, World};

const COUNT: u64 = 400;

fn world(folder: &Path) -> (World, Arc<Journal>) {
    let clock = Arc::new(StoppedClock::new());
    let files = Arc::new(Directory::hold(folder).unwrap());
    let random = Arc::new(KnownRandom(AtomicU64::new(5)));
    let options = JournalOptions::new(files, Arc::clone(&clock) as Arc<dyn Clock>, random as Arc<dyn Random>);
    let journal = Arc::new(Journal::open(options).unwrap());
    let documents = Arc::new(MemoryDocuments::new(MemoryOptions::default()));
    (World::over_all(documents, Arc::clone(&journal) as Arc<dyn Log>, clock), journal)
}

/// Everything from here on, each once, whatever the credit is.
async fn read(receiver: &mut Receiver, numbers: std::ops::Range<u64>) {
    let mut next = numbers.start;
    while next < numbers.end {
        let credit = u32::try_from(1 + next % 300).unwrap();
        for item in receiver.next(credit).await.unwrap() {
            let message = sections(item.payload);
            assert_eq!(sequence(&message), next);
            assert_eq!(message.body_bytes().unwrap(), body(next));
            next += 1;
        }
    }
}

fn body(number: u64) -> String {
    format!("{number:>200}")
}

async fn write(world: &World, numbers: std::ops::Range<u64>) {
    let headers =
        Letterhead::new(&sender(), Source::Telemetry, None).stamp(&SystemProperties::default().into(), &[]);
    for number in numbers {
        let at = place(world, number, headers.clone(), body(number).into()).await;
        assert_eq!(at, Sequence::from_number(number));
    }
}

#[test]
fn readers_follow_the_journal_while_it_is_written_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(async {
        let (world, journal) = world(folder.path());
        let mut receiver = Receiver::open(&world, ADDRESS, attach(Role::Receiver)).await.unwrap();
        tokio::join!(write(&world, 0..COUNT), read(&mut receiver, 0..COUNT));
        assert!(receiver.is_quiet().await);
        drop(receiver);
        journal.close();
    });
    runtime().block_on(async {
        let (world, journal) = world(folder.path());
        let filter = format!("amqp.annotation.x-opt-offset > '{}'", COUNT / 2);
        let mut receiver = Receiver::open(&world, ADDRESS, from_filter(&filter)).await.unwrap();
        read(&mut receiver, COUNT / 2 + 1..COUNT).await;
        tokio::join!(write(&world, COUNT..COUNT + 10), read(&mut receiver, COUNT..COUNT + 10));
        journal.close();
    });
}
