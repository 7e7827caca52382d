//! The last of what a part has written, in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use skerry_model::Timestamp;
use skerry_runtime::{Answer, EngineError, LogFrame, LogQuery, Pieces, Stream};
use tokio::sync::watch;

use super::Part;

/// Of all lines together; then the oldest go.
const BYTES_MAX: usize = 256 << 10;
/// A longer line is cut.
const LINE_BYTES_MAX: usize = 16 << 10;

#[derive(Default)]
pub(super) struct Log {
    lines: Mutex<Lines>,
    /// How many lines were ever written.
    written: watch::Sender<u64>,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<(Timestamp, Bytes)>,
    bytes: usize,
    /// The number of the first that is kept.
    first: u64,
}

impl Log {
    pub(super) fn write(&self, at: Timestamp, line: &str) {
        let cut = line.floor_char_boundary(LINE_BYTES_MAX);
        let line = Bytes::from(format!("{}\n", &line[..cut]));
        let mut lines = self.lock();
        lines.bytes += line.len();
        lines.kept.push_back((at, line));
        while lines.bytes > BYTES_MAX {
            let Some((_, oldest)) = lines.kept.pop_front() else { break };
            lines.bytes -= oldest.len();
            lines.first += 1;
        }
        let written = lines.end();
        drop(lines);
        self.written.send_replace(written);
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }
}

/// A reader's place in a log.
pub(super) struct Reading {
    part: Arc<Part>,
    query: LogQuery,
    /// The number of the line that comes next.
    next: u64,
    written: watch::Receiver<u64>,
}

impl Reading {
    pub(super) fn new(part: Arc<Part>, query: &LogQuery) -> Self {
        let lines = part.log.lock();
        let is_in = |at: &Timestamp| query.since.is_none_or(|since| *at >= since);
        // As many from the end as are asked for, of those that are young enough.
        let young = lines.kept.iter().rev().take_while(|(at, _)| is_in(at)).count() as u64;
        let next = lines.end() - query.tail.map_or(young, |tail| tail.min(young));
        drop(lines);
        let written = part.log.written.subscribe();
        Self { query: query.clone(), next, written, part }
    }

    /// What was written since, as one piece; `None` where nothing was.
    fn piece(&mut self) -> Option<Bytes> {
        let lines = self.part.log.lock();
        // Lines that went meanwhile are lost to this reader.
        let from = self.next.max(lines.first);
        let mut piece = BytesMut::new();
        for (at, line) in lines.kept.iter().skip((from - lines.first) as usize) {
            if self.query.until.is_some_and(|until| *at > until) {
                continue;
            }
            let text = match self.query.timestamps {
                true => [format!("{at} ").as_bytes(), line].concat().into(),
                false => line.clone(),
            };
            piece.extend_from_slice(&LogFrame { stream: Stream::Error, text }.encode());
        }
        self.next = lines.end();
        (!piece.is_empty()).then(|| piece.freeze())
    }
}

impl Pieces for Reading {
    fn next(&mut self) -> Answer<'_, Option<Bytes>, EngineError> {
        Box::pin(async {
            loop {
                self.written.mark_unchanged();
                if let Some(piece) = self.piece() {
                    return Ok(Some(piece));
                }
                if !self.query.follow || self.written.changed().await.is_err() {
                    return Ok(None);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use skerry_runtime::LogFrames;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    async fn read(part: &Arc<Part>, query: LogQuery) -> String {
        let (mut stream, mut frames, mut text) = (part.logs(&query), LogFrames::default(), String::new());
        while let Some(piece) = stream.next().await.unwrap() {
            frames.push(&piece);
            while let Some(frame) = frames.next_frame() {
                text.push_str(std::str::from_utf8(&frame.text).unwrap());
            }
        }
        text
    }

    #[tokio::test]
    async fn a_part_of_the_log_is_read() {
        let part = Part::new("edgeAgent", "skerry");
        for (seconds, line) in [(10, "one"), (20, "two"), (30, "three")] {
            part.write(at(seconds), line);
        }
        let (tail, since, until) = (Some(1), Some(at(20)), Some(at(20)));
        let all = LogQuery::default;
        for (query, expected) in [
            (all(), "one\ntwo\nthree\n"),
            (LogQuery { tail, ..all() }, "three\n"),
            (LogQuery { tail: Some(9), ..all() }, "one\ntwo\nthree\n"),
            (LogQuery { since, ..all() }, "two\nthree\n"),
            (LogQuery { until, ..all() }, "one\ntwo\n"),
            (LogQuery { since, until, timestamps: true, ..all() }, "1970-01-01T00:00:20Z two\n"),
            (LogQuery { tail: Some(0), ..all() }, ""),
        ] {
            assert_eq!(read(&part, query.clone()).await, expected, "{query:?}");
        }
    }

    #[tokio::test]
    async fn the_oldest_lines_go_and_long_ones_are_cut() {
        let part = Part::new("edgeAgent", "skerry");
        for number in 0..1000 {
            part.write(at(number), &format!("{number:0999}"));
        }
        let text = read(&part, LogQuery::default()).await;
        assert!(text.len() <= BYTES_MAX && text.len() > BYTES_MAX - 1000, "{}", text.len());
        assert!(text.ends_with("999\n"));
        part.write(at(1000), &"ä".repeat(LINE_BYTES_MAX));
        let last = read(&part, LogQuery { tail: Some(1), ..LogQuery::default() }).await;
        assert_eq!(last.len(), LINE_BYTES_MAX + 1);
    }

    #[tokio::test]
    async fn whoever_follows_gets_what_comes_and_what_comes_twice_at_once() {
        let part = Part::new("edgeAgent", "skerry");
        part.write(at(1), "before");
        let mut stream = part.logs(&LogQuery { follow: true, tail: Some(0), ..LogQuery::default() });
        let writing = tokio::spawn({
            let part = Arc::clone(&part);
            async move { part.write(at(2), "after") }
        });
        let piece = stream.next().await.unwrap().unwrap();
        assert_eq!(&piece[8..], b"after\n");
        writing.await.unwrap();
        part.write(at(3), "a");
        part.write(at(3), "b");
        let piece = stream.next().await.unwrap().unwrap();
        assert_eq!(piece.len(), 2 * (8 + 2), "two frames");
    }
}
