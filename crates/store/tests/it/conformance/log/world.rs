//! Logs, a clock moved by hand, and senders that do what the contract asks of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use skerry_model::{Clock, Random, Timestamp};
use skerry_store::journal::{Directory, Journal, JournalOptions};
use skerry_store::log::{
    AppendError, Batch, CursorId, Draft, Durability, From, Limits, Log, Lost, Name, Order, Outcome,
    Partition, Placed, Reading, Record, Sequence, Winner,
};
use skerry_store::{LogWeakness, MemoryLog, MemoryLogOptions};

use crate::samples::Dice;

/// Opens logs, a new one with each call; a check chooses their limits.
pub(super) trait Engine {
    fn open(&self, limits: Limits) -> Arc<dyn Log>;
    fn clock(&self) -> &HandClock;
}

pub(super) struct Memory {
    clock: Arc<HandClock>,
    weakness: Option<LogWeakness>,
}

impl Memory {
    pub(super) fn strong() -> Self {
        Self { clock: HandClock::new(), weakness: None }
    }

    pub(super) fn weak(seed: u64) -> Self {
        Self { clock: HandClock::new(), weakness: Some(LogWeakness::seeded(seed)) }
    }
}

impl Engine for Memory {
    fn open(&self, limits: Limits) -> Arc<dyn Log> {
        let options = MemoryLogOptions { limits, clock: self.clock.clone(), weakness: self.weakness };
        Arc::new(MemoryLog::new(options))
    }

    fn clock(&self) -> &HandClock {
        &self.clock
    }
}

/// A journal in a directory of its own for each log.
pub(super) struct Embedded {
    clock: Arc<HandClock>,
    directory: tempfile::TempDir,
    opened: AtomicI64,
    /// Whether readers that keep up are served from memory.
    remembers: bool,
}

impl Embedded {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { clock: HandClock::new(), directory, opened: AtomicI64::new(0), remembers: true }
    }

    /// Every page comes from the files.
    pub(super) fn without_memory() -> Self {
        Self { remembers: false, ..Self::new() }
    }
}

impl Engine for Embedded {
    fn open(&self, limits: Limits) -> Arc<dyn Log> {
        let path = self.directory.path().join(self.opened.fetch_add(1, SeqCst).to_string());
        let files = Arc::new(Directory::hold(&path).unwrap());
        let mut options = JournalOptions::new(files, self.clock.clone(), Arc::new(Chance));
        options.limits = limits;
        if !self.remembers {
            options.recent_bytes_max = 0;
        }
        Arc::new(Journal::open(options).unwrap())
    }

    fn clock(&self) -> &HandClock {
        &self.clock
    }
}

/// Never the same twice in a process.
pub(crate) struct Chance;

impl Random for Chance {
    fn fill(&self, bytes: &mut [u8]) {
        static DRAWN: AtomicU64 = AtomicU64::new(0);
        let mut dice = Dice(DRAWN.fetch_add(1, SeqCst));
        bytes.fill_with(|| dice.roll(256) as u8);
    }
}

/// Stands still until it is moved, in any direction.
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(Timestamp::from_unix_seconds(1_700_000_000).ticks())))
    }

    pub(super) fn set(&self, to: Timestamp) {
        self.0.store(to.ticks(), SeqCst);
    }

    pub(super) fn pass(&self, time: Duration) {
        self.set(self.now().plus(time));
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ticks(self.0.load(SeqCst))
    }
}

pub(super) const HERE: Partition = Partition::new(0);
pub(super) const THERE: Partition = Partition::new(1);

pub(super) fn of_cursors() -> Limits {
    Limits { winner: Winner::Cursors, ..Limits::default() }
}

pub(super) fn draft(text: &str) -> Draft {
    Draft { payload: text.to_owned().into(), ..Draft::default() }
}

pub(super) fn wanted(text: &str, by: &[CursorId]) -> Draft {
    Draft { wanted_by: by.into(), ..draft(text) }
}

pub(super) fn drafts(range: std::ops::Range<u32>) -> Vec<Draft> {
    range.map(|number| draft(&number.to_string())).collect()
}

pub(super) fn sequence(number: u64) -> Sequence {
    Sequence::from_number(number)
}

pub(super) fn batch(drafts: Vec<Draft>) -> Batch {
    Batch::new(drafts, Durability::Memory)
}

/// Sends under its own names, again and again where the outcome is not known.
pub(super) struct Producer {
    id: u64,
    number: u64,
}

impl Producer {
    pub(super) fn new(id: u64) -> Self {
        Self { id, number: 0 }
    }

    pub(super) fn named(&mut self, draft: Draft) -> Draft {
        self.number += 1;
        Draft { name: Some(Name { producer: self.id, number: self.number }), ..draft }
    }

    /// Sends one record; its outcome is known.
    pub(super) async fn try_send(&mut self, log: &dyn Log, draft: Draft) -> Outcome {
        let draft = self.named(draft);
        settle(log, draft).await
    }

    pub(super) async fn send(&mut self, log: &dyn Log, draft: Draft) {
        self.try_send(log, draft).await.unwrap();
    }

    /// Sends all of them, so that they lie in this order.
    pub(super) async fn send_all(&mut self, log: &dyn Log, drafts: Vec<Draft>) {
        let drafts: Vec<Draft> = drafts.into_iter().map(|draft| self.named(draft)).collect();
        let order = Order::default();
        let mut rest = drafts.as_slice();
        while !rest.is_empty() {
            let some = rest.len().min(500);
            let outcomes = log.append(batch(rest[..some].to_vec()).in_order(&order)).await;
            let placed = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
            if let Some(Err(error)) = outcomes.get(placed) {
                assert!(error.is_worth_a_retry(), "{error}");
                order.resume();
            }
            rest = &rest[placed..];
        }
    }
}

/// One record until its outcome is known.
pub(super) async fn settle(log: &dyn Log, draft: Draft) -> Outcome {
    assert!(draft.name.is_some(), "a record without a name cannot be sent again");
    loop {
        let mut outcomes = log.append(batch(vec![draft.clone()])).await;
        assert_eq!(outcomes.len(), 1);
        match outcomes.remove(0) {
            Err(AppendError::Unknown) => tokio::task::yield_now().await,
            outcome => return outcome,
        }
    }
}

/// Sends under new names until an answer tells where the record lies.
pub(super) async fn locate(log: &dyn Log, producer: &mut Producer, draft: Draft) -> Sequence {
    loop {
        if let Placed::At { sequence, .. } = producer.try_send(log, draft.clone()).await.unwrap() {
            return sequence;
        }
    }
}

/// What was read, and what was told as lost on the way.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) records: Vec<Record>,
    pub(super) lost: Vec<Lost>,
}

impl Read {
    pub(super) fn texts(&self) -> Vec<String> {
        self.records.iter().map(text).collect()
    }

    pub(super) fn sequences(&self) -> Vec<Sequence> {
        self.records.iter().map(|record| record.sequence).collect()
    }
}

pub(super) fn text(record: &Record) -> String {
    String::from_utf8(record.payload.to_vec()).unwrap()
}

/// Reads page after page up to the first record with this payload, and checks what holds for
/// every page.
pub(super) async fn read_to(log: &dyn Log, mut reading: Reading, last: &str) -> Read {
    let mut read = Read { records: Vec::new(), lost: Vec::new() };
    let mut end = None;
    while end.is_none() {
        let page = log.read(reading).await.unwrap();
        let bytes = |record: &Record| record.headers.len() + record.payload.len();
        assert!(page.records.len() <= reading.records_max.max(1));
        let total: usize = page.records.iter().map(bytes).sum();
        assert!(page.records.len() <= 1 || total <= reading.bytes_max);
        let newest = page.records.last().map(|record| record.sequence);
        assert!(newest.is_none_or(|newest| newest < page.next));
        assert!(page.lost.iter().all(|lost| lost.from < lost.to && lost.to <= page.next));
        assert!(page.lost.windows(2).all(|pair| pair[0].to <= pair[1].from));
        if let From::Sequence(from) = reading.from {
            assert!(page.next >= from && page.records.iter().all(|record| record.sequence >= from));
            assert!(page.lost.iter().all(|lost| lost.from >= from));
        }
        // Who reads the newest or a time goes on from there only when something was there.
        if !page.records.is_empty() || !matches!(reading.from, From::Time(_)) {
            reading.from = From::Sequence(page.next);
        }
        let found = page.records.iter().position(|record| record.payload == last);
        end = found.map(|found| read.records.len() + found + 1);
        read.lost.extend(page.lost);
        read.records.extend(page.records);
        tokio::task::yield_now().await;
    }
    read.records.truncate(end.unwrap_or_default());
    for pair in read.records.windows(2) {
        assert!(pair[0].sequence < pair[1].sequence && pair[0].time <= pair[1].time);
    }
    let inside = |record: &Record| {
        read.lost.iter().any(|lost| lost.from <= record.sequence && record.sequence < lost.to)
    };
    assert!(!read.records.iter().any(inside), "what is lost is not read: {read:?}");
    read
}

pub(super) async fn read_all_to(log: &dyn Log, partition: Partition, last: &str) -> Read {
    read_to(log, Reading::new(partition, From::Oldest), last).await
}
