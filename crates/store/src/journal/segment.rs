//! One file of the journal: its name, its head, its end.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};

use super::block::{Block, Kind, NOTES, Place, Slice};
use super::chunks::Chunks;
use super::index::Index;
use super::ledger::Ledger;
use super::prelude::{PRELUDE_LEN, Prelude};
use super::walk::{Found, Standing, Walk};
use super::wire::{Input, Malformed, put_varint};
use super::{File, Files};

/// What the names of segments end with.
const ENDING: &str = ".log";
/// A file that is not part of the journal yet; found at opening, it never became one.
pub(super) const UNBORN: &str = ".new";

pub(super) fn name(first: u64, last: u64) -> String {
    format!("{first:010}-{last:010}{ENDING}")
}

/// The numbers of the segment that a file's name says it holds.
pub(super) fn numbers(name: &str) -> Option<(u64, u64)> {
    let (first, last) = name.strip_suffix(ENDING)?.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && self::name(first, last) == name).then_some((first, last))
}

/// A file of the journal, as far as it is known. Files that were merged have several numbers.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) last: u64,
    /// The bytes it has on disk.
    pub(super) bytes: AtomicU64,
    /// Where its blocks end; 0 while that is not known.
    end: AtomicU64,
    head: OnceLock<Arc<Head>>,
    /// While it grows: where to begin reading.
    pub(super) index: Mutex<Option<Arc<Index>>>,
}

/// How a file begins.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) prelude: Prelude,
    /// When it was begun, in ticks.
    pub(super) time: i64,
    /// The group before its first.
    pub(super) group: u64,
    /// The first sequence that each partition may have here; 0 where it is not listed.
    pub(super) starts: Vec<(u32, u64)>,
    /// The segment before it, and where that ended.
    pub(super) previous: Option<(u64, u64)>,
    /// Where groups begin.
    pub(super) body: u64,
}

impl Segment {
    pub(super) fn new(first: u64, last: u64, bytes: u64) -> Self {
        Self {
            first,
            last,
            bytes: AtomicU64::new(bytes),
            end: AtomicU64::new(0),
            head: OnceLock::new(),
            index: Mutex::default(),
        }
    }

    pub(super) fn with_head(self, head: Head) -> Self {
        let head = Arc::new(head);
        Self { head: OnceLock::from(head), ..self }
    }

    pub(super) fn name(&self) -> String {
        name(self.first, self.last)
    }

    pub(super) fn known_end(&self) -> Option<u64> {
        match self.end.load(SeqCst) {
            0 => None,
            end => Some(end),
        }
    }

    pub(super) fn set_end(&self, end: u64) {
        self.end.store(end, SeqCst);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(SeqCst)
    }

    /// The head, read once. Damage is no head.
    pub(super) fn head(&self, files: &dyn Files) -> io::Result<Option<Arc<Head>>> {
        if let Some(head) = self.head.get() {
            return Ok(Some(head.clone()));
        }
        let file = files.open(&self.name())?;
        Ok(Head::read(&*file)?.map(|head| self.head.get_or_init(|| Arc::new(head)).clone()))
    }

    /// The head of the file that was opened under this name: a rewritten one may have taken the
    /// place of the one that was looked up. A guess where only its prelude can be read.
    pub(super) fn head_of(&self, file: &dyn File) -> io::Result<Option<Arc<Head>>> {
        if let Some(known) = self.head.get() {
            let page = Chunks::new(file, PRELUDE_LEN as u64).get(0, PRELUDE_LEN);
            if Prelude::decode(&page) == Ok(known.prelude) {
                return Ok(Some(known.clone()));
            }
        }
        Ok(Head::read_or_guess(file)?.map(Arc::new))
    }
}

impl Head {
    pub(super) fn start(&self, partition: u32) -> u64 {
        match self.starts.binary_search_by_key(&partition, |(partition, _)| *partition) {
            Ok(at) => self.starts[at].1,
            Err(_) => 0,
        }
    }

    pub(super) fn read(file: &dyn File) -> io::Result<Option<Self>> {
        Ok(Opening::read(file)?.map(|opening| opening.head))
    }

    /// Where only the prelude can be read, what follows can be read all the same: from its
    /// beginning, by whoever looks for any sequence.
    pub(super) fn read_or_guess(file: &dyn File) -> io::Result<Option<Self>> {
        if let Some(head) = Self::read(file)? {
            return Ok(Some(head));
        }
        let page = Chunks::new(file, file.size()?).get(0, PRELUDE_LEN);
        let guess = |prelude| Self {
            prelude,
            time: 0,
            group: 0,
            starts: Vec::new(),
            previous: None,
            body: PRELUDE_LEN as u64,
        };
        Ok(Prelude::decode(&page).ok().map(guess))
    }

    fn encode(&self, into: &mut Vec<u8>) {
        let (number, end) = self.previous.unwrap_or_default();
        put_varint(into, number);
        put_varint(into, end);
        put_varint(into, self.starts.len() as u64);
        for (partition, start) in &self.starts {
            put_varint(into, u64::from(*partition));
            put_varint(into, *start);
        }
    }

    fn decode(prelude: Prelude, standing: &Standing, input: &mut Input<'_>) -> Result<Self, Malformed> {
        let previous = (input.varint()?, input.varint()?);
        let mut starts = Vec::new();
        for _ in 0..input.count(2)? {
            starts.push((input.number32()?, input.varint()?));
        }
        Ok(Self {
            prelude,
            time: standing.block.time,
            group: standing.block.group,
            starts,
            previous: (previous.1 != 0).then_some(previous),
            body: standing.end,
        })
    }
}

/// All that a file begins with.
pub(super) struct Opening {
    pub(super) head: Head,
    state: Standing,
    ledger: (u64, Slice),
}

impl Opening {
    /// `None` when it is damaged.
    pub(super) fn read(file: &dyn File) -> io::Result<Option<Self>> {
        let len = file.size()?;
        let mut chunks = Chunks::new(file, len);
        let Ok(prelude) = Prelude::decode(&chunks.get(0, PRELUDE_LEN)) else { return Ok(None) };
        let mut walk = Walk::new(chunks, prelude.salt, PRELUDE_LEN as u64, 0);
        let Found::Block(state) = walk.next() else { return Ok(None) };
        let slices: Vec<(u64, Slice)> = state.slices().map(|(offset, slice)| (offset, *slice)).collect();
        let (Kind::State, [head, ledger]) = (state.block.kind, &slices[..]) else { return Ok(None) };
        let Some(bytes) = walk.slice(head.0, &head.1) else { return Ok(None) };
        let Ok(head) = Head::decode(prelude, &state, &mut Input::new(&bytes)) else { return Ok(None) };
        let ledger = *ledger;
        Ok(Some(Self { head, state, ledger }))
    }

    /// What was known when the file began; `None` when that is damaged.
    pub(super) fn ledger(&self, file: &dyn File, producers_max: usize) -> Option<Ledger> {
        let chunks = Chunks::new(file, self.head.body);
        let mut walk = Walk::new(chunks, self.head.prelude.salt, self.head.body, 0);
        let bytes = walk.slice(self.ledger.0, &self.ledger.1)?;
        Ledger::decode(&self.state.block, &mut Input::new(&bytes), producers_max).ok()
    }
}

/// The first bytes of a file that begins after what `ledger` knows.
pub(super) fn beginning(head: &mut Head, ledger: &Ledger) -> Vec<u8> {
    let mut bytes = head.prelude.encode();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    head.encode(&mut first);
    ledger.encode(&mut second);
    let slice = |bytes: &[u8]| Slice {
        partition: NOTES,
        len: u32::try_from(bytes.len()).expect("a ledger is bounded far below 4 GiB"),
        sum: crc32fast::hash(bytes),
        ..Slice::default()
    };
    let slices = vec![slice(&first), slice(&second)];
    let block = Block { kind: Kind::State, group: head.group, time: head.time, durable: 0, slices };
    block.encode(Place { salt: head.prelude.salt, offset: PRELUDE_LEN as u64 }, &mut bytes);
    bytes.extend_from_slice(&first);
    bytes.extend_from_slice(&second);
    head.body = bytes.len() as u64;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_ours() {
        assert_eq!(numbers(&name(3, 17)), Some((3, 17)));
        for other in
            ["lock", "3-4.log", "0000000004-0000000003.log", "0000000003-0000000004.log.new", "-.log"]
        {
            assert_eq!(numbers(other), None, "{other}");
        }
    }
}
