//! Reading on: what lies behind a page is read with it, and what happens to it meanwhile is told.

use std::sync::Arc;

use skerry_store::journal::{Journal, JournalOptions};
use skerry_store::log::{
    Batch, Draft, Durability, From, Log, Loss, Lost, Page, Partition, Reading, Sequence, Winner,
};

use super::disk::{Cut, Disk, OpKind};
use super::world::{Chance, Ticking};

const PARTITION: Partition = Partition::new(0);
const RECORDS: u64 = 4000;

/// Records of one kilobyte, none of them in memory any more.
async fn filled(disk: &Disk) -> Journal {
    let journal = open(disk);
    for first in (0..RECORDS).step_by(100) {
        let drafts = (first..first + 100).map(|number| Draft {
            partition: PARTITION,
            payload: [&number.to_le_bytes()[..], &[7; 1016]].concat().into(),
            ..Draft::default()
        });
        let outcomes = journal.append(Batch::new(drafts.collect(), Durability::Synced)).await;
        assert!(outcomes.iter().all(Result::is_ok));
    }
    journal
}

fn open(disk: &Disk) -> Journal {
    let mut options =
        JournalOptions::new(Arc::new(disk.clone()), Ticking::from(1_700_000_000), Chance::seeded(1));
    options.limits.winner = Winner::Cursors;
    Journal::open(JournalOptions { recent_bytes_max: 0, ..options }).unwrap()
}

async fn page(journal: &Journal, from: u64) -> Page {
    let from = From::Sequence(Sequence::from_number(from));
    journal.read(Reading::new(PARTITION, from).at_most(100, 1 << 20)).await.unwrap()
}

fn numbers(page: &Page) -> Vec<u64> {
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert!(page.records.iter().all(|record| number(&record.payload) == record.sequence.number()));
    page.records.iter().map(|record| record.sequence.number()).collect()
}

#[tokio::test]
async fn who_reads_on_opens_files_once_for_many_pages() {
    let disk = Disk::new();
    let journal = filled(&disk).await;
    let opened = disk.count(OpKind::Open);
    let (mut read, mut pages) = (Vec::new(), 0);
    while (read.len() as u64) < RECORDS {
        read.extend(numbers(&page(&journal, read.len() as u64).await));
        pages += 1;
    }
    assert!(read.into_iter().eq(0..RECORDS));
    let opened = disk.count(OpKind::Open) - opened;
    assert!(pages >= 40 && opened <= 10, "{pages} pages opened {opened} files");
}

#[tokio::test]
async fn who_looks_in_once_reads_nothing_ahead() {
    let disk = Disk::new();
    let journal = filled(&disk).await;
    page(&journal, 0).await;
    let before = disk.count(OpKind::Read);
    for at in [3000, 1000, 2000] {
        page(&journal, at).await;
    }
    let reads = disk.count(OpKind::Read) - before;
    assert!(reads <= 3 * 8, "{reads} reads");
}

#[tokio::test]
async fn what_is_trimmed_meanwhile_is_told_as_removed() {
    let journal = filled(&Disk::new()).await;
    for from in [0, 100, 200] {
        page(&journal, from).await;
    }
    journal.trim(PARTITION, Sequence::from_number(340)).await.unwrap();
    let page = page(&journal, 300).await;
    let [from, to] = [300, 340].map(Sequence::from_number);
    assert_eq!(page.lost, [Lost { from, to, why: Loss::Removed }]);
    assert_eq!(numbers(&page).first(), Some(&340));
}

#[tokio::test]
async fn what_cannot_be_read_behind_a_page_is_told_when_its_turn_comes() {
    let disk = Disk::new();
    drop(filled(&disk).await);
    let disk = disk.cut(Cut::Killed);
    let name = disk.names().into_iter().find(|name| name.ends_with(".log")).unwrap();
    // In the middle of some record.
    disk.flip(&name, 600_000, 1);
    let journal = open(&disk);
    let (mut read, mut lost, mut at) = (0, Vec::new(), 0);
    while at < RECORDS {
        let page = page(&journal, at).await;
        let before = at;
        at = page.next.number();
        assert!(at > before);
        read += numbers(&page).len() as u64;
        lost.extend(page.lost);
    }
    let gone: u64 = lost.iter().map(|lost| lost.to.number() - lost.from.number()).sum();
    assert!(lost.iter().all(|lost| lost.why == Loss::Damaged), "{lost:?}");
    assert!(gone > 0 && read + gone == RECORDS, "{read} read, {gone} gone");
}
