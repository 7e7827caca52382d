//! What readers will ask for next: read before they ask, as far as it is whole.
//!
//! A file is opened, and its blocks are looked for, once for many pages then. A reader is whoever
//! goes on where a page ended: it has nothing read ahead the first time, then more each time, so
//! that those who only look in cost nothing. When it begins to use what was read ahead, a thread
//! reads what follows, beside the reader. Who was not back for longest gives way, and who has caught
//! up with what is in memory anyway leaves nothing behind.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::block::Slice;
use super::read::Paging;
use super::shared::Shared;
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
    /// The thread was asked for what follows.
    is_followed: bool,
}

struct Run {
    kin: Kin,
    /// What the reader asks for next.
    at: u64,
    beyond: Beyond,
}

pub(super) struct Ahead {
    state: Mutex<State>,
    changed: Condvar,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    /// The one that was used last is the first.
    runs: VecDeque<Run>,
    /// What the thread is to read, at most one for each reader.
    wishes: VecDeque<Wish>,
    /// What it reads now.
    reading: Option<(Kin, u64)>,
    /// Its reader left meanwhile.
    is_left: bool,
    closed: bool,
}

struct Wish {
    kin: Kin,
    at: u64,
    beyond: Beyond,
}

/// The thread that reads ahead.
pub(super) fn run(shared: &Shared) {
    while let Some(Wish { kin, at, beyond }) = shared.ahead.next_wish() {
        // What goes wrong here is met again, and told, by the reader itself.
        let read = Paging::ahead(shared, kin, at, beyond).filter(|read| !read.pieces.is_empty());
        shared.ahead.deliver(kin, at, read);
    }
}

impl Beyond {
    pub(super) fn window(&self) -> usize {
        self.window
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.window
    }

    /// The sequence after it, where it begins with `at`.
    fn end(&self, at: u64) -> u64 {
        self.pieces.back().map_or(at, |last| last.slice.next)
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

    /// For what follows.
    fn next(&self, bytes_max: usize) -> Self {
        let (least, most) = WINDOW;
        let window = (self.window * 2).clamp(least, most).min(bytes_max / 4);
        Self { window, ..Self::default() }
    }
}

impl Ahead {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), bytes_max }
    }

    /// What was read ahead for who asks for `at`; nothing but its place when that is used up, or
    /// `None` for a stranger. Whoever takes it puts back what is left of it.
    pub(super) fn take(&self, kin: Kin, at: u64) -> Option<Beyond> {
        self.lock().take(kin, at)
    }

    /// How much to read ahead for who asks for `at`, and finds nothing here.
    pub(super) fn begin(&self, kin: Kin, at: u64) -> Beyond {
        self.take(kin, at).map_or_else(Beyond::default, |used_up| used_up.next(self.bytes_max))
    }

    /// The reader will ask for `at`.
    pub(super) fn put(&self, kin: Kin, at: u64, mut beyond: Beyond) {
        let mut state = self.lock();
        if !beyond.pieces.is_empty() && !beyond.is_followed {
            beyond.is_followed = true;
            let wish = Wish { kin, at: beyond.end(at), beyond: beyond.next(self.bytes_max) };
            if state.wishes.len() < READERS_MAX && !state.closed {
                state.wishes.push_back(wish);
                self.changed.notify_all();
            }
        }
        // What follows may have been read already.
        if !beyond.pieces.is_empty() || !state.runs.iter().any(|run| run.kin == kin && run.at == at) {
            state.put(Run { kin, at, beyond }, self.bytes_max);
        }
    }

    /// What the thread is reading for who asks for `at`, when it has read it. Blocks until then.
    /// What it only was to read is not waited for.
    pub(super) fn wait(&self, kin: Kin, at: u64) {
        let mut state = self.lock();
        state.wishes.retain(|wish| wish.kin != kin || wish.at != at);
        while state.reading == Some((kin, at)) && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The reader found what lies at `at` in memory, with all that follows: nobody asks for it here.
    pub(super) fn leave(&self, kin: Kin, at: u64) {
        let mut state = self.lock();
        state.runs.retain(|run| run.kin != kin || run.at < at);
        state.wishes.retain(|wish| wish.kin != kin || wish.at < at);
        state.is_left |= state.reading.is_some_and(|(of, from)| of == kin && from >= at);
    }

    fn next_wish(&self) -> Option<Wish> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(wish) = state.wishes.pop_front() {
                (state.reading, state.is_left) = (Some((wish.kin, wish.at)), false);
                return Some(wish);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn deliver(&self, kin: Kin, at: u64, read: Option<Beyond>) {
        let mut state = self.lock();
        state.reading = None;
        if let Some(beyond) = read.filter(|_| !state.is_left) {
            state.put(Run { kin, at, beyond }, self.bytes_max);
        }
        self.changed.notify_all();
    }

    /// The thread ends.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, kin: Kin, at: u64) -> Option<Beyond> {
        let place = self.runs.iter().position(|run| run.kin == kin && run.holds(at))?;
        self.runs.remove(place).map(|run| run.beyond)
    }

    fn put(&mut self, run: Run, bytes_max: usize) {
        self.runs.retain(|known| known.kin != run.kin || known.at != run.at);
        self.runs.push_front(run);
        self.runs.truncate(READERS_MAX);
        let mut bytes: usize = self.runs.iter().map(|run| run.beyond.bytes).sum();
        while bytes > bytes_max {
            bytes -= self.runs.pop_back().map_or(bytes, |run| run.beyond.bytes);
        }
    }
}

impl Run {
    fn holds(&self, at: u64) -> bool {
        self.at == at || (self.at < at && at < self.beyond.end(self.at))
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
        assert_eq!(ahead.lock().runs.len(), READERS_MAX);
    }

    #[test]
    fn what_follows_is_wished_for_once_and_found_where_the_one_before_ends() {
        let ahead = Ahead::new(16 << 20);
        let mut beyond = Beyond { window: 1000, ..Beyond::default() };
        beyond.push(piece(20, 300));
        beyond.push(piece(30, 600));
        ahead.put(KIN, 20, beyond);
        for at in [30, 35] {
            let mut beyond = ahead.take(KIN, at).unwrap();
            if at == 30 {
                beyond.pop();
            }
            ahead.put(KIN, at, beyond);
            assert_eq!(ahead.lock().wishes.len(), 1);
        }
        let wish = ahead.next_wish().unwrap();
        assert_eq!((wish.kin, wish.at, wish.beyond.window()), (KIN, 40, WINDOW.0));
        let mut read = wish.beyond;
        read.push(piece(40, 700));
        ahead.deliver(KIN, 40, Some(read));
        // The one before is used up, and puts nothing in the place of what follows.
        let used_up = Beyond { is_followed: true, ..Beyond::default() };
        ahead.take(KIN, 35).unwrap();
        ahead.put(KIN, 40, used_up);
        assert_eq!(ahead.take(KIN, 40).map(|found| found.end(0)), Some(50));
    }

    #[test]
    fn what_was_only_wished_for_is_not_waited_for() {
        let ahead = Ahead::new(16 << 20);
        let mut beyond = Beyond { window: 1000, ..Beyond::default() };
        beyond.push(piece(20, 300));
        ahead.put(KIN, 20, beyond);
        assert_eq!(ahead.lock().wishes.len(), 1);
        ahead.wait(KIN, 30);
        assert!(ahead.lock().wishes.is_empty());
        ahead.close();
        assert!(ahead.next_wish().is_none());
    }

    #[test]
    fn who_has_caught_up_leaves_nothing_behind() {
        let ahead = Ahead::new(16 << 20);
        let run = |first| {
            let mut beyond = Beyond { window: 1000, ..Beyond::default() };
            beyond.push(piece(first, 300));
            beyond
        };
        let other = Kin { partition: 4, ..KIN };
        // A slower one of the same kin, one of another, and the one that has caught up: with what it has, what is
        // being read for it, and what is to be.
        ahead.put(KIN, 5, Beyond { is_followed: true, ..run(5) });
        ahead.put(other, 50, Beyond { is_followed: true, ..run(50) });
        ahead.put(KIN, 20, run(20));
        let under_way = ahead.next_wish().unwrap();
        ahead.put(KIN, 40, run(40));
        ahead.leave(KIN, 20);
        ahead.deliver(KIN, under_way.at, Some(run(30)));
        assert!(ahead.lock().wishes.is_empty());
        let held = |kin, at| ahead.take(kin, at).is_some();
        assert_eq!([20, 30, 40].map(|at| held(KIN, at)), [false; 3]);
        assert!(held(KIN, 5) && held(other, 50));
        // It is behind again, and nothing is left of that.
        ahead.put(KIN, 60, run(60));
        let again = ahead.next_wish().unwrap();
        ahead.deliver(KIN, again.at, Some(run(70)));
        assert!(held(KIN, 70));
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
