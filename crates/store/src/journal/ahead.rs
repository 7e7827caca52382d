//! What readers will ask for next: read with the page before, as far as it was whole.
//!
//! A file is opened, and its blocks are looked for, once for many pages then. A reader is whoever
//! goes on where a page ended: it has nothing read ahead the first time, then more each time that
//! all of it was used, so that those who only look in cost nothing. Who was not back for longest
//! gives way.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::block::Slice;
use crate::log::CursorId;

/// What is read ahead the first time, and at most.
const WINDOW: (usize, usize) = (128 << 10, 1 << 20);
/// Readers that are known, also by nothing but where they are.
const READERS_MAX: usize = 64;

/// A slice as it was read, its sum right.
#[derive(Clone)]
pub(super) struct Piece {
    /// Ticks.
    pub(super) time: i64,
    pub(super) slice: Slice,
    pub(super) bytes: Bytes,
}

/// Readers that look for the same records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kin {
    pub(super) partition: u32,
    pub(super) wanted_by: Option<CursorId>,
}

/// What lies behind a page.
#[derive(Default)]
pub(super) struct Beyond {
    pub(super) pieces: VecDeque<Piece>,
    bytes: usize,
    /// So much is read ahead.
    window: usize,
}

struct Run {
    kin: Kin,
    /// What the reader asks for next.
    at: u64,
    beyond: Beyond,
}

pub(super) struct Ahead {
    /// The one that was used last is the first.
    runs: Mutex<VecDeque<Run>>,
    bytes_max: usize,
}

impl Beyond {
    pub(super) fn window(&self) -> usize {
        self.window
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.window
    }

    pub(super) fn push(&mut self, piece: Piece) {
        self.bytes += piece.bytes.len();
        self.pieces.push_back(piece);
    }

    pub(super) fn pop(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.bytes.len();
        Some(piece)
    }

    /// The same reader again, all of it used.
    pub(super) fn more(&self, bytes_max: usize) -> Self {
        let (least, most) = WINDOW;
        let window = (self.window * 2).clamp(least, most).min(bytes_max / 2);
        Self { window, ..Self::default() }
    }
}

impl Ahead {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { runs: Mutex::default(), bytes_max }
    }

    /// What was read ahead for who asks for `at`; nothing but its place when that is used up, or
    /// `None` for a stranger. Whoever takes it puts back what is left of it.
    pub(super) fn take(&self, kin: Kin, at: u64) -> Option<Beyond> {
        let mut runs = self.lock();
        let place = runs.iter().position(|run| run.kin == kin && run.holds(at))?;
        runs.remove(place).map(|run| run.beyond)
    }

    /// How much to read ahead for who asks for `at`.
    pub(super) fn begin(&self, kin: Kin, at: u64) -> Beyond {
        self.take(kin, at).map_or_else(Beyond::default, |used_up| used_up.more(self.bytes_max))
    }

    /// The reader will ask for `at`.
    pub(super) fn put(&self, kin: Kin, at: u64, beyond: Beyond) {
        let mut runs = self.lock();
        runs.retain(|run| run.kin != kin || run.at != at);
        runs.push_front(Run { kin, at, beyond });
        runs.truncate(READERS_MAX);
        let mut bytes: usize = runs.iter().map(|run| run.beyond.bytes).sum();
        while bytes > self.bytes_max {
            bytes -= runs.pop_back().map_or(bytes, |run| run.beyond.bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    fn holds(&self, at: u64) -> bool {
        let end = self.beyond.pieces.back().map_or(self.at, |last| last.slice.next);
        self.at == at || (self.at < at && at < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIN: Kin = Kin { partition: 3, wanted_by: None };

    fn piece(first: u64, len: usize) -> Piece {
        let slice = Slice { first, next: first + 10, count: 10, ..Slice::default() };
        Piece { time: 0, slice, bytes: vec![0; len].into() }
    }

    #[test]
    fn a_stranger_has_nothing_and_who_goes_on_has_ever_more() {
        let ahead = Ahead::new(16 << 20);
        let mut windows = Vec::new();
        for page in 0..6 {
            let beyond = ahead.begin(KIN, page);
            windows.push(beyond.window());
            ahead.put(KIN, page + 1, beyond);
        }
        assert_eq!(windows, [0, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 1 << 20]);
        assert_eq!(ahead.begin(Kin { partition: 4, ..KIN }, 6).window(), 0);
        assert_eq!(ahead.begin(KIN, 7).window(), 0);
    }

    #[test]
    fn who_was_not_back_for_longest_gives_way() {
        let ahead = Ahead::new(1000);
        for reader in 0..5 {
            let mut beyond = Beyond::default();
            beyond.push(piece(20, 300));
            ahead.put(Kin { partition: reader, wanted_by: None }, 25, beyond);
        }
        let held = |reader| ahead.take(Kin { partition: reader, wanted_by: None }, 27).is_some();
        assert_eq!([0, 1, 2, 3, 4].map(held), [false, false, true, true, true]);
        for reader in 0..READERS_MAX as u32 * 2 {
            ahead.put(Kin { partition: reader, wanted_by: None }, 0, Beyond::default());
        }
        assert_eq!(ahead.lock().len(), READERS_MAX);
    }

    #[test]
    fn it_is_found_from_its_beginning_to_its_end() {
        let ahead = Ahead::new(1000);
        for (asked, found) in [(24, false), (25, true), (29, true), (30, false)] {
            let mut beyond = Beyond::default();
            beyond.push(piece(20, 100));
            ahead.put(KIN, 25, beyond);
            assert_eq!(ahead.take(KIN, asked).is_some(), found, "{asked}");
        }
    }
}
