//! Reading the files back, framed as engines frame what containers write.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use skerry_model::Timestamp;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

use super::files::{LogFiles, LogState};
use crate::{Answer, EngineError, LogFrame, LogQuery, LogStream, Pieces, Stream};

/// One piece is about so long.
const PIECE_BYTES: usize = 64 << 10;

/// Opens the files that are there now; they stay readable when they are put aside.
pub(in crate::process) fn read(files: &Arc<LogFiles>, query: &LogQuery) -> Result<LogStream, EngineError> {
    let state = files.watch();
    let (found, newest) = files.files_from(0).map_err(|error| unreadable(&error))?;
    let files_to_read = found.into_iter().map(BufReader::new).collect();
    let place = Place {
        files: Arc::clone(files),
        left: files_to_read,
        newest,
        begun: Vec::new(),
        query: query.clone(),
        to_skip: None,
    };
    Ok(Box::new(Logs { place: Some(place), reading: None, state, is_followed: query.follow }))
}

fn unreadable(error: &dyn std::fmt::Display) -> EngineError {
    EngineError::Refused { call: "logs", status: 500, text: format!("what it wrote cannot be read: {error}") }
}

/// How far one reader is.
struct Place {
    files: Arc<LogFiles>,
    /// The one that is read, and those behind it.
    left: VecDeque<BufReader<File>>,
    /// The number of the last of them.
    newest: u64,
    /// Of a line whose end is not written yet.
    begun: Vec<u8>,
    query: LogQuery,
    /// Lines that fit and are not wanted, because only the last ones are. Known once they are counted.
    to_skip: Option<u64>,
}

struct Logs {
    /// `None` while it is with `reading`.
    place: Option<Place>,
    reading: Option<JoinHandle<(Place, io::Result<Bytes>)>>,
    state: watch::Receiver<LogState>,
    is_followed: bool,
}

impl Pieces for Logs {
    fn next(&mut self) -> Answer<'_, Option<Bytes>, EngineError> {
        Box::pin(async move {
            loop {
                // What is written from here on wakes it; who stopped before has written everything.
                let is_open = self.state.borrow_and_update().is_open;
                let piece = self.read().await?;
                if !piece.is_empty() {
                    return Ok(Some(piece));
                }
                if !self.is_followed || !is_open || self.state.changed().await.is_err() {
                    return Ok(None);
                }
            }
        })
    }
}

impl Logs {
    /// May be dropped: the work goes on, and the next call has what came of it.
    async fn read(&mut self) -> Result<Bytes, EngineError> {
        if let Some(mut place) = self.place.take() {
            self.reading = Some(spawn_blocking(move || {
                let piece = place.piece();
                (place, piece)
            }));
        }
        let Some(reading) = &mut self.reading else { return Ok(Bytes::new()) };
        let (place, piece) = reading.await.map_err(|error| unreadable(&error))?;
        (self.place, self.reading) = (Some(place), None);
        piece.map_err(|error| unreadable(&error))
    }
}

impl Place {
    /// The next frames; nothing when everything that is written was read.
    fn piece(&mut self) -> io::Result<Bytes> {
        let mut to_skip = match (self.to_skip, self.query.tail) {
            (Some(known), _) => known,
            (None, None) => 0,
            (None, Some(tail)) => self.count()?.saturating_sub(tail),
        };
        let mut out = BytesMut::new();
        while out.len() < PIECE_BYTES {
            let Some(line) = self.line()? else { break };
            let Some(frame) = frame(&line, &self.query) else { continue };
            if to_skip > 0 {
                to_skip -= 1;
            } else {
                out.extend_from_slice(&frame.encode());
            }
        }
        self.to_skip = Some(to_skip);
        Ok(out.freeze())
    }

    /// How many lines fit, in the files as they are; afterwards they are at their beginning again.
    fn count(&mut self) -> io::Result<u64> {
        let mut count = 0;
        for file in &mut self.left {
            let mut line = Vec::new();
            while file.read_until(b'\n', &mut line)? > 0 {
                if line.ends_with(b"\n") && frame(&line, &self.query).is_some() {
                    count += 1;
                }
                line.clear();
            }
            file.rewind()?;
        }
        Ok(count)
    }

    /// The next line that is whole.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(file) = self.left.front_mut() else { return Ok(None) };
            if file.read_until(b'\n', &mut self.begun)? > 0 {
                if self.begun.ends_with(b"\n") {
                    return Ok(Some(std::mem::take(&mut self.begun)));
                }
                continue;
            }
            if self.left.len() == 1 {
                let (newer, newest) = self.files.files_from(self.newest + 1)?;
                if newest == self.newest {
                    return Ok(None);
                }
                self.left.extend(newer.into_iter().map(BufReader::new));
                self.newest = newest;
                // It may have got its last lines before it was put aside.
                continue;
            }
            self.left.pop_front();
            // What a full disk has cut off has no end.
            self.begun.clear();
        }
    }
}

/// A line that is wanted; one that is none was cut off by a full disk.
fn frame(line: &[u8], query: &LogQuery) -> Option<LogFrame> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let (text, time) = (line["log"].as_str()?, line["time"].as_str()?);
    if query.since.is_some() || query.until.is_some() {
        let at: Timestamp = time.parse().ok()?;
        if query.since.is_some_and(|since| at < since) || query.until.is_some_and(|until| at > until) {
            return None;
        }
    }
    let stream = if line["stream"] == "stderr" { Stream::Error } else { Stream::Output };
    let text =
        if query.timestamps { Bytes::from(format!("{time} {text}")) } else { Bytes::from(text.to_owned()) };
    Some(LogFrame { stream, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LogFrames, LogLimits};

    async fn lines(stream: &mut LogStream) -> Vec<String> {
        let (mut frames, mut lines) = (LogFrames::default(), Vec::new());
        while let Some(piece) = stream.next().await.unwrap() {
            frames.push(&piece);
            while let Some(frame) = frames.next_frame() {
                lines.push(String::from_utf8(frame.text.to_vec()).unwrap());
            }
        }
        lines
    }

    fn written(numbers: std::ops::Range<u32>) -> Vec<String> {
        numbers.map(|number| format!("line {number}\n")).collect()
    }

    #[tokio::test]
    async fn a_reader_that_follows_misses_nothing_when_files_are_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let limits = LogLimits { bytes_max: 1000, files_max: 3 };
        let files = Arc::new(LogFiles::make(folder.path().join("a"), limits).unwrap());
        files.open();
        let put = |range: std::ops::Range<u32>| {
            for line in written(range) {
                files.write(Timestamp::NEVER, Stream::Output, line.as_bytes());
            }
        };
        put(0..10);
        let query = LogQuery { tail: Some(2), follow: true, ..LogQuery::default() };
        let mut stream = read(&files, &query).unwrap();
        let first = stream.next().await.unwrap().unwrap();
        // Twelve lines fill a file, and the reader stands still meanwhile.
        put(10..40);
        files.close();
        let mut frames = LogFrames::default();
        frames.push(&first);
        let mut found: Vec<String> = std::iter::from_fn(|| frames.next_frame())
            .map(|frame| String::from_utf8(frame.text.to_vec()).unwrap())
            .collect();
        found.extend(lines(&mut stream).await);
        assert_eq!(found, written(8..40));
    }

    #[tokio::test]
    async fn a_line_that_was_cut_off_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let limits = LogLimits { bytes_max: 1 << 20, files_max: 2 };
        let at = folder.path().join("a");
        let files = Arc::new(LogFiles::make(at.clone(), limits).unwrap());
        files.write(Timestamp::NEVER, Stream::Output, b"one\n");
        let mut file = std::fs::OpenOptions::new().append(true).open(at.join("log")).unwrap();
        io::Write::write_all(&mut file, b"{\"log\": \"tw\n{\"log\": \"half").unwrap();
        let mut stream = read(&files, &LogQuery::default()).unwrap();
        assert_eq!(lines(&mut stream).await, ["one\n"]);
    }
}
