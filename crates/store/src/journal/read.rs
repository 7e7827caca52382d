//! Reading a page: from memory where the records are recent, else from the files.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use skerry_model::Timestamp;

use super::ahead::{Beyond, Kin, Piece};
use super::block::{Kind, Slice};
use super::chunks::Chunks;
use super::envelope::Envelopes;
use super::group::mask;
use super::segment::Segment;
use super::shared::Shared;
use super::walk::{Found, Standing, Walk};
use crate::log::{Broken, CursorId, From, Loss, Lost, Page, Partition, ReadError, Reading, Record, Sequence};

/// A page ends after so many bytes of file, found or not, so that who wants few records of many
/// does not hold a reader for long.
const SCANNED_MAX: u64 = 32 << 20;

/// A page in the making.
pub(super) struct Paging<'a> {
    shared: &'a Shared,
    partition: Partition,
    wanted_by: Option<CursorId>,
    /// Times before it are passed over, in ticks.
    since: i64,
    /// The next sequence to look at.
    at: u64,
    began_at: u64,
    /// Everything before it is committed.
    until: u64,
    /// A sequence was asked for: what is missing from there on is told.
    is_asked: bool,
    records_left: usize,
    bytes_left: usize,
    /// Bytes were passed over that were no block.
    damage: bool,
    records: Vec<Record>,
    lost: Vec<Lost>,
    /// Nothing more goes on the page, only behind it.
    is_full: bool,
    beyond: Beyond,
}

/// Whether a page goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    On,
    Full,
}

impl<'a> Paging<'a> {
    pub(super) fn new(shared: &'a Shared, reading: &Reading) -> Option<Self> {
        let gate = shared.gate(reading.partition)?;
        let until = gate.next.load(SeqCst);
        let limits = &shared.options.limits;
        let (at, since) = match reading.from {
            From::Oldest => (0, i64::MIN),
            From::Newest => (until, i64::MIN),
            From::Sequence(sequence) => (sequence.number(), i64::MIN),
            From::Time(time) => (0, time.ticks()),
        };
        let mut paging = Self {
            shared,
            partition: reading.partition,
            wanted_by: reading.wanted_by,
            since,
            at,
            began_at: at,
            until,
            is_asked: matches!(reading.from, From::Sequence(_)),
            records_left: reading.records_max.clamp(1, limits.page_records_max),
            bytes_left: reading.bytes_max.clamp(1, limits.page_bytes_max.max(1)),
            damage: false,
            records: Vec::new(),
            lost: Vec::new(),
            is_full: false,
            beyond: Beyond::default(),
        };
        paging.skip_removed(gate.first.load(SeqCst));
        Some(paging)
    }

    /// Whether there is nothing to look for.
    pub(super) fn is_done(&self) -> bool {
        self.at >= self.until
    }

    /// Fills the page from memory, if all it needs is there.
    pub(super) fn fill_from_memory(&mut self) -> bool {
        let slices = self.shared.recent().from(self.partition.number(), self.at, self.bytes_left);
        let Some(slices) = slices else { return false };
        self.shared.ahead.leave(self.kin(), self.at);
        for (time, slice, bytes) in slices {
            if self.take(&Piece { time, slice, bytes }) == Step::Full {
                break;
            }
        }
        true
    }

    /// Fills the page from what was read with the one before it, if there is any of that.
    pub(super) fn fill_from_ahead(&mut self) -> bool {
        let Some(mut beyond) = self.shared.ahead.take(self.kin(), self.at) else { return false };
        while let Some(piece) = beyond.pieces.front() {
            let is_full = self.take(piece) == Step::Full;
            if piece.slice.next <= self.at {
                beyond.pop();
            }
            if is_full {
                break;
            }
        }
        self.shared.ahead.put(self.kin(), self.at, beyond);
        self.at > self.began_at
    }

    fn kin(&self) -> Kin {
        Kin { partition: self.partition.number(), wanted_by: self.wanted_by }
    }

    /// Fills the page from what is being read ahead, or else from the files. Blocks.
    pub(super) fn fill_from_disk(&mut self) -> Result<(), ReadError> {
        if self.is_asked {
            self.shared.ahead.wait(self.kin(), self.at);
            if self.fill_from_ahead() {
                return Ok(());
            }
            self.beyond = self.shared.ahead.begin(self.kin(), self.at);
        }
        self.fill_from_files()
    }

    /// What lies from `at` on, without a page; `None` when it does not all lie there.
    pub(super) fn ahead(shared: &'a Shared, kin: Kin, at: u64, beyond: Beyond) -> Option<Beyond> {
        let from = From::Sequence(Sequence::from_number(at));
        let reading = Reading::new(Partition::new(kin.partition), from);
        let reading = Reading { wanted_by: kin.wanted_by, ..reading };
        let mut paging = Self { is_full: true, beyond, ..Self::new(shared, &reading)? };
        if paging.is_done() {
            return None;
        }
        paging.fill_from_files().ok()?;
        (paging.at == at && paging.lost.is_empty()).then_some(paging.beyond)
    }

    fn fill_from_files(&mut self) -> Result<(), ReadError> {
        let mut scanned = 0;
        let mut segment = self.first_segment().map_err(|error| unreadable(&error))?;
        self.begin_if_oldest(segment.as_ref());
        let mut looked_up_again = 0;
        while let Some(current) = segment {
            match self.segment(&current, &mut scanned) {
                Ok(Step::Full) => return Ok(()),
                Ok(Step::On) => {}
                // Removed, or merged into another, since it was looked up.
                Err(error) if error.kind() == io::ErrorKind::NotFound && looked_up_again < 100 => {
                    looked_up_again += 1;
                    segment = self.first_segment().map_err(|error| unreadable(&error))?;
                    self.begin_if_oldest(segment.as_ref());
                    continue;
                }
                Err(error) => return Err(unreadable(&error)),
            }
            let after = self.shared.catalog.after(&current);
            if let Some(after) = &after {
                self.pass_end(&current, after);
            }
            if self.is_done() || (scanned >= SCANNED_MAX && self.at > self.began_at) {
                return Ok(());
            }
            segment = after;
        }
        Ok(())
    }

    fn first_segment(&self) -> io::Result<Option<Arc<Segment>>> {
        let (number, files) = (self.partition.number(), &*self.shared.options.files);
        match self.since {
            i64::MIN => self.shared.catalog.last_where(files, |head| head.start(number) <= self.at),
            since => self.shared.catalog.last_where(files, |head| head.time < since),
        }
    }

    fn begin_if_oldest(&mut self, segment: Option<&Arc<Segment>>) {
        let oldest = self.shared.catalog.oldest();
        let Some(oldest) = oldest.filter(|oldest| segment.is_some_and(|found| Arc::ptr_eq(found, oldest)))
        else {
            return;
        };
        if let Ok(Some(head)) = oldest.head(&*self.shared.options.files) {
            self.skip_removed(head.start(self.partition.number()));
        }
    }

    /// What comes after a file begins at its head's word: what is missing until there is lost, if
    /// there was damage.
    fn pass_end(&mut self, current: &Segment, after: &Segment) {
        let is_missing = after.first > current.last + 1;
        // Files go from the oldest on: if this one went, those that are missing behind it did too.
        // Where it stands, a file that is missing between two others is damage.
        let went = is_missing && !self.shared.catalog.reaches_back_to(current);
        self.damage |= is_missing && !went;
        let Ok(Some(head)) = after.head(&*self.shared.options.files) else { return };
        let start = head.start(self.partition.number());
        match std::mem::take(&mut self.damage) {
            true => self.skip_to(start.min(self.until), Some(Loss::Damaged)),
            false if went => self.skip_removed(start),
            false => self.skip_to(start.min(self.until), None),
        }
    }

    fn skip_removed(&mut self, to: u64) {
        let to = to.min(self.until);
        self.skip_to(to, self.is_asked.then_some(Loss::Removed));
    }

    fn skip_to(&mut self, to: u64, why: Option<Loss>) {
        if to <= self.at {
            return;
        }
        if let Some(why) = why {
            let (from, to) = (Sequence::from_number(self.at), Sequence::from_number(to));
            self.lost.push(Lost { from, to, why });
        }
        self.at = to;
    }

    fn segment(&mut self, segment: &Segment, scanned: &mut u64) -> io::Result<Step> {
        let files = &*self.shared.options.files;
        let file = files.open(&segment.name())?;
        let Some(head) = segment.head_of(&*file)? else {
            if self.is_full {
                return Ok(Step::Full);
            }
            self.note_damage(1);
            return Ok(Step::On);
        };
        let end = match head.prelude.end {
            Some(end) => Some(end),
            None => self.shared.catalog.end(files, segment, &head)?,
        };
        let index = self.shared.indexes.of(&*file, segment, &head, end)?;
        let (from, group) = match self.since {
            i64::MIN => index.find(&head, self.partition.number(), self.at),
            since => index.find_time(&head, since),
        };
        let is_certain = end.is_some();
        let end = match end {
            Some(end) => end,
            None => file.size()?,
        };
        let mut walk = Walk::new(Chunks::new(&*file, end), head.prelude.salt, from, group);
        loop {
            match walk.next() {
                Found::Block(standing) if standing.block.kind == Kind::Group => {
                    *scanned += standing.end - standing.offset;
                    if self.group(&mut walk, &standing) == Step::Full {
                        return Ok(Step::Full);
                    }
                    if *scanned >= SCANNED_MAX && (self.at > self.began_at || self.is_full) {
                        return Ok(Step::Full);
                    }
                }
                Found::Block(_) => {}
                // Behind the page nothing is lost yet: the next one finds it.
                _ if self.is_full => return Ok(Step::Full),
                Found::Damage { to, .. } if is_certain || to < end => self.note_damage(1),
                Found::Damage { .. } | Found::End => return Ok(Step::On),
            }
        }
    }

    fn group(&mut self, walk: &mut Walk<'_>, standing: &Standing) -> Step {
        let time = standing.block.time;
        for (offset, slice) in standing.slices() {
            if slice.partition != self.partition.number() || slice.next <= self.at {
                continue;
            }
            if self.passes_over(slice, time) {
                if !self.is_full {
                    self.skip_to(slice.next.min(self.until), None);
                }
                continue;
            }
            match walk.slice(offset, slice) {
                Some(bytes) => {
                    if self.place(Piece { time, slice: *slice, bytes }) == Step::Full {
                        return Step::Full;
                    }
                }
                None if self.is_full => return Step::Full,
                None => {
                    self.note_damage(1);
                    self.skip_to(slice.first, None);
                    self.skip_to(slice.next.min(self.until), Some(Loss::Damaged));
                }
            }
        }
        Step::On
    }

    /// On the page, or behind it; full when there is enough of both.
    fn place(&mut self, piece: Piece) -> Step {
        self.is_full = self.is_full || self.take(&piece) == Step::Full;
        if !self.is_full {
            return Step::On;
        }
        if piece.slice.next > self.at && self.beyond.window() > 0 {
            self.beyond.push(piece);
        }
        if self.beyond.is_full() { Step::Full } else { Step::On }
    }

    /// Whether nothing in the slice is asked for.
    fn passes_over(&self, slice: &Slice, time: i64) -> bool {
        time < self.since || self.wanted_by.is_some_and(|cursor| slice.wanted & mask(cursor) == 0)
    }

    fn note_damage(&mut self, places: u64) {
        self.damage = true;
        self.shared.counted.damaged.fetch_add(places, Relaxed);
        tracing::error!(
            partition = self.partition.number(),
            after = self.at,
            "A part of the log cannot be read back; what is missing is told to its readers."
        );
    }

    fn take(&mut self, piece: &Piece) -> Step {
        let Piece { time, slice, bytes } = piece;
        if self.passes_over(slice, *time) {
            self.skip_to(slice.next.min(self.until), None);
            return Step::On;
        }
        if slice.first > self.at {
            let why = std::mem::take(&mut self.damage).then_some(Loss::Damaged);
            self.skip_to(slice.first.min(self.until), why);
        }
        let moment = Timestamp::from_ticks(*time);
        self.records.reserve(self.records_left.min(slice.count as usize));
        for envelope in Envelopes::new(bytes, slice.first) {
            // A sum that is right over records that make no sense is a fault of ours.
            let Ok(envelope) = envelope else {
                self.note_damage(1);
                break;
            };
            if envelope.sequence < self.at {
                continue;
            }
            if envelope.sequence >= self.until {
                return Step::Full;
            }
            let is_wanted = match self.wanted_by {
                Some(cursor) => envelope.wanted_by().any(|wanted| wanted == cursor),
                None => true,
            };
            if is_wanted {
                let size = envelope.bytes();
                if self.records_left == 0 || (size > self.bytes_left && !self.records.is_empty()) {
                    return Step::Full;
                }
                let (headers, payload) = envelope.share(bytes);
                let sequence = Sequence::from_number(envelope.sequence);
                self.records.push(Record { sequence, time: moment, headers, payload });
                self.records_left -= 1;
                self.bytes_left = self.bytes_left.saturating_sub(size);
            }
            self.at = envelope.sequence + 1;
        }
        self.skip_to(slice.next.min(self.until), None);
        if self.records_left == 0 || self.bytes_left == 0 { Step::Full } else { Step::On }
    }

    pub(super) fn page(self) -> Page {
        // Who is at the end is served from memory next.
        if self.is_full && self.at < self.until {
            self.shared.ahead.put(self.kin(), self.at, self.beyond);
        }
        self.shared.counted.reads.fetch_add(self.records.len() as u64, Relaxed);
        Page { records: self.records, next: Sequence::from_number(self.at), lost: self.lost }
    }
}

fn unreadable(error: &io::Error) -> ReadError {
    Broken { what: format!("a file of the log could not be opened: {error}") }.into()
}
