//! Looking at a log without opening it for writing: what it holds, and whether all of it can be
//! read back. Works beside a running hub; the end that is being written is not judged.

use std::collections::BTreeMap;
use std::io;

use skerry_model::Timestamp;

use super::Files;
use super::block::{Kind, NOTES};
use super::chunks::Chunks;
use super::envelope::Envelopes;
use super::note::Note;
use super::recover::{JournalOpenError, Recovered, recover};
use super::segment::{Head, Segment};
use super::walk::{Found, Standing, Walk};
use crate::log::{Cursor, Extent, Limits, Partition, Sequence};

/// What a log holds, from its listing and its last file.
#[derive(Clone, Debug)]
pub struct Overview {
    pub files: Vec<FileView>,
    pub partitions: Vec<(Partition, Extent)>,
    pub cursors: Vec<Cursor>,
    /// Places of the last file, or whole files, that cannot be read.
    pub damaged: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView {
    pub name: String,
    pub bytes: u64,
    /// When it was begun; `None` when its beginning is damaged.
    pub begun: Option<Timestamp>,
}

/// What reading everything back came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub files: u64,
    pub bytes: u64,
    pub groups: u64,
    pub records: u64,
    /// Headers and payloads.
    pub record_bytes: u64,
    /// Bytes behind the end of the last file: a group that was never finished.
    pub unfinished_bytes: u64,
    pub faults: Vec<Fault>,
    /// Faults beyond those that are listed.
    pub more_faults: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub file: String,
    pub offset: u64,
    pub what: String,
}

/// Faults that are listed; the others are counted.
const FAULTS_MAX: usize = 1000;

pub fn inspect(files: &dyn Files) -> Result<Overview, JournalOpenError> {
    let recovered = look(files)?;
    let mut views = Vec::new();
    for segment in recovered.catalog.all() {
        let head = segment.head(files)?;
        let begun = head.map(|head| Timestamp::from_ticks(head.time));
        views.push(FileView { name: segment.name(), bytes: segment.bytes(), begun });
    }
    let oldest = match recovered.catalog.oldest() {
        Some(oldest) => oldest.head(files)?,
        None => None,
    };
    let partitions = recovered.ledger.partitions.iter().map(|(partition, known)| {
        let start = oldest.as_ref().map_or(0, |head| head.start(partition.number()));
        let extent = Extent {
            first: Sequence::from_number(known.first.max(start).min(known.next)),
            next: Sequence::from_number(known.next),
            newest: Timestamp::from_ticks(known.newest),
        };
        (*partition, extent)
    });
    let partitions = partitions.collect();
    let cursors = recovered.ledger.cursors();
    Ok(Overview { files: views, partitions, cursors, damaged: recovered.damaged })
}

fn look(files: &dyn Files) -> Result<Recovered, JournalOpenError> {
    recover(files, Limits::default().producers_max, false)
}

/// Reads everything back, `tell` hears of each file as it is done.
pub fn verify(files: &dyn Files, mut tell: impl FnMut(&str)) -> Result<Verdict, JournalOpenError> {
    let recovered = look(files)?;
    let mut reading = Reading::default();
    let all = recovered.catalog.all();
    for (at, segment) in all.iter().enumerate() {
        let is_last = at + 1 == all.len();
        if let Some(before) = at.checked_sub(1).map(|before| &all[before])
            && before.last + 1 != segment.first
        {
            reading.fault(segment, 0, "the file before this one is missing");
        }
        match reading.file(files, &recovered, segment, is_last) {
            Ok(()) => {}
            // Retention may have removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => reading.fault(segment, 0, &format!("cannot be read: {error}")),
        }
        reading.verdict.files += 1;
        tell(&segment.name());
    }
    Ok(reading.verdict)
}

#[derive(Default)]
struct Reading {
    verdict: Verdict,
    /// The sequence after the last record of each partition.
    reached: BTreeMap<u32, u64>,
    time: i64,
}

impl Reading {
    fn fault(&mut self, segment: &Segment, offset: u64, what: &str) {
        if self.verdict.faults.len() < FAULTS_MAX {
            self.verdict.faults.push(Fault { file: segment.name(), offset, what: what.to_owned() });
        } else {
            self.verdict.more_faults += 1;
        }
    }

    fn file(
        &mut self,
        files: &dyn Files,
        recovered: &Recovered,
        segment: &Segment,
        is_last: bool,
    ) -> io::Result<()> {
        let file = files.open(&segment.name())?;
        let size = file.size()?;
        self.verdict.bytes += size;
        let Some(head) = Head::read(&*file)? else {
            self.fault(segment, 0, "the beginning is damaged");
            return Ok(());
        };
        let end = recovered.catalog.end(files, segment, &head)?.unwrap_or(size).min(size);
        let mut walk =
            Walk::new(Chunks::new(&*file, end).ahead(1 << 20), head.prelude.salt, head.body, head.group);
        loop {
            match walk.next() {
                Found::Block(standing) if standing.block.kind == Kind::Group => {
                    self.group(&mut walk, &standing, segment);
                }
                Found::Block(_) => {}
                Found::Damage { from, to } => {
                    self.fault(segment, from, &format!("{} bytes are damaged", to - from));
                }
                Found::End => break,
            }
        }
        if is_last {
            self.verdict.unfinished_bytes = unfinished(&*file, &head, end, size);
        }
        Ok(())
    }

    fn group(&mut self, walk: &mut Walk<'_>, standing: &Standing, segment: &Segment) {
        self.verdict.groups += 1;
        if standing.block.time < self.time {
            self.fault(segment, standing.offset, "time runs backwards");
        }
        self.time = self.time.max(standing.block.time);
        for (offset, slice) in standing.slices() {
            let Some(bytes) = walk.slice(offset, slice) else {
                let what = match slice.partition {
                    NOTES => "notes on cursors are damaged".to_owned(),
                    partition => format!(
                        "records {} to {} of partition {partition} are damaged",
                        slice.first,
                        slice.next.saturating_sub(1)
                    ),
                };
                self.fault(segment, offset, &what);
                continue;
            };
            if slice.partition == NOTES {
                if Note::decode_all(&bytes).is_err() {
                    self.fault(segment, offset, "notes on cursors make no sense");
                }
                continue;
            }
            let reached = self.reached.entry(slice.partition).or_default();
            let repeats = slice.first < *reached;
            *reached = slice.next.max(*reached);
            if repeats {
                self.fault(segment, offset, "sequences repeat");
            }
            let mut count = 0;
            for envelope in Envelopes::new(&bytes, slice.first) {
                let Ok(envelope) = envelope else {
                    self.fault(segment, offset, "a record makes no sense");
                    break;
                };
                count += 1;
                self.verdict.record_bytes += envelope.bytes() as u64;
            }
            if count != u64::from(slice.count) {
                self.fault(segment, offset, "records are missing");
            }
            self.verdict.records += count;
        }
    }
}

/// What lies behind the end and is not the index.
fn unfinished(file: &dyn super::File, head: &Head, end: u64, size: u64) -> u64 {
    let mut walk = Walk::new(Chunks::new(file, size), head.prelude.salt, end, 0);
    match walk.next() {
        Found::Block(standing) if standing.block.kind == Kind::Index => size - standing.end,
        _ => size - end,
    }
}
