//! What hub and edge have to say, in a file that does not grow without an end: when it is full it becomes
//! `log.1`, and what was that goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use skerry_edge_daemon::Parts;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::edge::kept;
use crate::failure::Failure;

const BYTES_MAX: u64 = 8 << 20;

/// From here on what is said goes there; lines of the edge's parts are kept for `iotedge logs` as well.
pub fn start(path: &Path, filter: &str, parts: Parts) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::usage(format!(
            "the log filter {filter:?} cannot be used: {error}. Try info, debug or skerry_store=debug"
        ))
    })?;
    let file = LogFile::open(path.to_owned(), BYTES_MAX).map_err(|error| {
        Failure::failed(format!(
            "{} cannot be written: {error}. Name another directory with --data",
            path.display()
        ))
    })?;
    let written = fmt::layer().with_ansi(false).with_writer(Mutex::new(file));
    tracing_subscriber::registry().with(filter).with(written).with(kept(parts)).init();
    Ok(())
}

struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl LogFile {
    fn open(path: PathBuf, bytes_max: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes, bytes_max })
    }
}

impl Write for LogFile {
    /// Lines come whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.bytes > 0 && self.bytes + line.len() as u64 > self.bytes_max {
            fs::rename(&self.path, self.path.with_extension("1"))?;
            *self = Self::open(self.path.clone(), self.bytes_max)?;
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_two_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for run in 0..2 {
            let mut log = LogFile::open(path.clone(), 100).unwrap();
            for number in 0..10 {
                log.write_all(format!("{run} line {number:020}\n").as_bytes()).unwrap();
            }
        }
        let (newest, before) =
            (fs::read_to_string(&path).unwrap(), fs::read_to_string(folder.path().join("log.1")).unwrap());
        assert!(newest.len() <= 100 && before.len() <= 100, "{newest}{before}");
        let lines: Vec<String> = before.lines().chain(newest.lines()).map(str::to_owned).collect();
        let last = (10 - lines.len()..10).map(|number| format!("1 line {number:020}"));
        assert!(last.eq(lines), "{before}{newest}");
    }
}
