//! The files, as they are written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};
use skerry_model::Timestamp;
use tokio::sync::watch;

use crate::{LogLimits, Stream};

/// Whatever the manifest asks for.
const BYTES_MIN: u64 = 64 << 10;
const FILES_MAX: u32 = 10;

pub(in crate::process) struct LogFiles {
    folder: PathBuf,
    limits: LogLimits,
    writing: Mutex<Writing>,
    state: watch::Sender<LogState>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LogState {
    /// Lines since the beginning.
    pub(super) lines: u64,
    /// Whether somebody writes.
    pub(super) is_open: bool,
}

struct Writing {
    file: File,
    bytes: u64,
    /// Counts the files; the newest has this number.
    number: u64,
    is_losing: bool,
}

impl LogFiles {
    /// Begins anew: what another module of this name has written goes.
    pub(in crate::process) fn make(folder: PathBuf, limits: LogLimits) -> io::Result<Self> {
        remove(&folder)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let file = create(&folder)?;
        let writing = Mutex::new(Writing { file, bytes: 0, number: 0, is_losing: false });
        Ok(Self { folder, limits, writing, state: watch::Sender::new(LogState::default()) })
    }

    /// Whoever follows waits for more from here on.
    pub(in crate::process) fn open(&self) {
        self.state.send_modify(|state| state.is_open = true);
    }

    /// Whoever follows has come to the end.
    pub(in crate::process) fn close(&self) {
        self.state.send_modify(|state| state.is_open = false);
    }

    pub(super) fn watch(&self) -> watch::Receiver<LogState> {
        self.state.subscribe()
    }

    /// One line, with its line break where it has one.
    pub(in crate::process) fn write(&self, at: Timestamp, stream: Stream, text: &[u8]) {
        let stream = if stream == Stream::Error { "stderr" } else { "stdout" };
        let line = json!({
            "log": String::from_utf8_lossy(text), "stream": stream, "time": at.to_string(),
        });
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.put(&mut writing, &format!("{line}\n")) {
            Ok(()) => writing.is_losing = false,
            // A disk that is full for an hour is told once.
            Err(error) if !writing.is_losing => {
                writing.is_losing = true;
                tracing::warn!(%error, folder = %self.folder.display(), "What a module writes is lost.");
            }
            Err(_) => {}
        }
        drop(writing);
        self.state.send_modify(|state| state.lines += 1);
    }

    fn put(&self, writing: &mut Writing, line: &str) -> io::Result<()> {
        let length = line.len() as u64;
        if writing.bytes > 0 && writing.bytes + length > self.limits.bytes_max {
            for age in (0..self.limits.files_max.saturating_sub(1)).rev() {
                match fs::rename(aged(&self.folder, age), aged(&self.folder, age + 1)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            writing.file = create(&self.folder)?;
            (writing.bytes, writing.number) = (0, writing.number + 1);
        }
        writing.bytes += length;
        writing.file.write_all(line.as_bytes())
    }

    /// Those that are there from a number on, the oldest first, and the number of the newest.
    pub(super) fn files_from(&self, first: u64) -> io::Result<(Vec<File>, u64)> {
        // While it is held, no file changes its name.
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = writing.number.saturating_add(1).saturating_sub(first);
        let kept = u32::try_from(wanted).unwrap_or(u32::MAX).min(self.limits.files_max);
        let mut files = Vec::new();
        for age in (0..kept).rev() {
            match File::open(aged(&self.folder, age)) {
                Ok(file) => files.push(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok((files, writing.number))
    }

    pub(in crate::process) fn remove(&self) -> io::Result<()> {
        remove(&self.folder)
    }
}

/// What the manifest says of them, by the words of engines.
pub(in crate::process) fn limits(body: &Map<String, Value>) -> LogLimits {
    let config = body.get("HostConfig").and_then(|host| host.pointer("/LogConfig/Config"));
    let text = |key: &str| config.and_then(|config| config.get(key)).and_then(Value::as_str);
    let usual = LogLimits { bytes_max: 10 << 20, files_max: 3 };
    LogLimits {
        bytes_max: text("max-size").and_then(bytes).unwrap_or(usual.bytes_max).max(BYTES_MIN),
        files_max: text("max-file")
            .and_then(|text| text.parse().ok())
            .unwrap_or(usual.files_max)
            .clamp(1, FILES_MAX),
    }
}

/// `10485760`, `10m`, `1g`.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor: u64 = match text[digits..].trim().trim_end_matches('b') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(factor)
}

fn aged(folder: &Path, age: u32) -> PathBuf {
    if age == 0 { folder.join("log") } else { folder.join(format!("log.{age}")) }
}

fn create(folder: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(aged(folder, 0))
}

/// Only what is written here; what else somebody keeps in the folder stays, and the folder with it.
fn remove(folder: &Path) -> io::Result<()> {
    for age in 0..FILES_MAX {
        match fs::remove_file(aged(folder, age)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_engines_read_them() {
        let of = |config: Value| {
            let body = json!({"HostConfig": {"LogConfig": {"Type": "json-file", "Config": config}}});
            let LogLimits { bytes_max, files_max } = limits(body.as_object().unwrap());
            (bytes_max, files_max)
        };
        assert_eq!(of(json!({})), (10 << 20, 3));
        assert_eq!(of(json!({"max-size": "1M", "max-file": "2"})), (1 << 20, 2));
        assert_eq!(of(json!({"max-size": "2gb", "max-file": "1000"})), (2 << 30, FILES_MAX));
        assert_eq!(of(json!({"max-size": "1", "max-file": "0"})), (BYTES_MIN, 1));
        assert_eq!(of(json!({"max-size": "huge", "max-file": "some"})), (10 << 20, 3));
    }

    #[test]
    fn the_oldest_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("a b");
        let files = LogFiles::make(at.clone(), LogLimits { bytes_max: 1000, files_max: 3 }).unwrap();
        for number in 0..100 {
            files.write(Timestamp::NEVER, Stream::Output, format!("line {number}\n").as_bytes());
        }
        let mut kept = Vec::new();
        for age in (0..3).rev() {
            let text = fs::read_to_string(aged(&at, age)).unwrap();
            assert!(text.len() <= 1000, "{}", text.len());
            kept.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["log"].clone()));
        }
        let last: Vec<Value> =
            (100 - kept.len()..100).map(|number| format!("line {number}\n").into()).collect();
        assert_eq!(kept, last);
        assert!(!aged(&at, 3).exists());
        // Another module of that name begins with nothing.
        let files = LogFiles::make(at.clone(), LogLimits { bytes_max: 1000, files_max: 3 }).unwrap();
        assert_eq!(files.files_from(0).unwrap().0.len(), 1);
        files.remove().unwrap();
        assert!(!at.exists());
    }
}
