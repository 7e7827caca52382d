//! Streams out of memory: what containers wrote, and that something happened.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::state::{Line, Shared};
use crate::{Answer, Changes, EngineError, LogFrame, LogQuery, LogStream, Pieces};

pub(super) fn logs(shared: &Arc<Shared>, name: &str, query: &LogQuery) -> Result<LogStream, EngineError> {
    let events = shared.listen();
    let (ready, read) = shared.change(|state| {
        state.check_up()?;
        let lines = &state.entry(name)?.output;
        let wanted: Vec<&Line> = lines.iter().filter(|line| is_wanted(line, query)).collect();
        let skipped =
            query.tail.map_or(0, |tail| wanted.len().saturating_sub(usize::try_from(tail).unwrap_or(0)));
        let ready: VecDeque<Bytes> = wanted[skipped..].iter().map(|line| frame(line, query)).collect();
        Ok::<_, EngineError>((ready, lines.len()))
    })?;
    Ok(Box::new(Logs {
        shared: Arc::clone(shared),
        name: name.to_owned(),
        query: query.clone(),
        ready,
        read,
        events,
    }))
}

fn is_wanted(line: &Line, query: &LogQuery) -> bool {
    query.since.is_none_or(|since| line.at >= since) && query.until.is_none_or(|until| line.at <= until)
}

fn frame(line: &Line, query: &LogQuery) -> Bytes {
    let text = if query.timestamps { format!("{} {}", line.at, line.text) } else { line.text.clone() };
    LogFrame { stream: line.stream, text: Bytes::from(text) }.encode()
}

struct Logs {
    shared: Arc<Shared>,
    name: String,
    query: LogQuery,
    ready: VecDeque<Bytes>,
    /// So many lines have been looked at.
    read: usize,
    events: watch::Receiver<u64>,
}

impl Pieces for Logs {
    fn next(&mut self) -> Answer<'_, Option<Bytes>, EngineError> {
        Box::pin(async move {
            loop {
                if let Some(piece) = self.ready.pop_front() {
                    return Ok(Some(piece));
                }
                if !self.query.follow {
                    return Ok(None);
                }
                let is_over = self.shared.change(|state| {
                    let Ok(entry) = state.entry(&self.name) else { return true };
                    let new = entry.output.iter().skip(self.read);
                    self.ready.extend(
                        new.filter(|line| is_wanted(line, &self.query)).map(|line| frame(line, &self.query)),
                    );
                    self.read = entry.output.len();
                    self.ready.is_empty() && entry.pid().is_none()
                });
                if is_over {
                    return Ok(None);
                }
                if self.ready.is_empty() && self.events.changed().await.is_err() {
                    return Ok(None);
                }
            }
        })
    }
}

pub(super) struct Listener {
    shared: Arc<Shared>,
    events: watch::Receiver<u64>,
}

impl Listener {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), events: shared.listen() }
    }
}

impl Changes for Listener {
    fn next(&mut self) -> Answer<'_, (), EngineError> {
        Box::pin(async {
            self.shared.change(|state| state.check_up())?;
            // The sender lives as long as `shared`.
            drop(self.events.changed().await);
            self.shared.change(|state| state.check_up())
        })
    }
}
