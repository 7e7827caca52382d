//! The format of a backup: a tar archive that `tar tf` reads, with a first entry that says what it
//! is and a last one that says it is whole.
//!
//! ```text
//! skerry-backup.json   format, hub id, time
//! hub.json  policies.json  device-keys.key  tls/…  documents.db
//! end                  number of the entries before it
//! ```

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use skerry_model::Timestamp;

const FORMAT: u32 = 1;
const MANIFEST: &str = "skerry-backup.json";
const END: &str = "end";
/// Bytes of an entry that is read whole.
const SMALL_BYTES_MAX: u64 = 64 << 10;

/// Every file that an archive may hold, below the data directory.
pub const FILES: [&str; 8] = [
    "hub.json",
    "policies.json",
    "device-keys.key",
    "tls/root-ca.pem",
    "tls/root-ca.key.pem",
    "tls/server.pem",
    "tls/server.key.pem",
    "documents.db",
];

/// What an archive says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub format: u32,
    pub hub_id: String,
    pub hub_name: String,
    pub made_at: Timestamp,
    /// Whether the device key file lies elsewhere and is kept by the operator.
    pub device_key_elsewhere: bool,
}

impl Manifest {
    pub fn new(hub_id: &str, hub_name: &str, made_at: Timestamp, device_key_elsewhere: bool) -> Self {
        Self {
            format: FORMAT,
            hub_id: hub_id.into(),
            hub_name: hub_name.into(),
            made_at,
            device_key_elsewhere,
        }
    }
}

/// An archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the archive cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("this is not a backup of a hub: it does not begin with {MANIFEST}")]
    Foreign,
    #[error(
        "the backup has format {found}, this program reads format {FORMAT}; use the version of skerry that made it"
    )]
    Format { found: u32 },
    #[error("the backup holds {name:?}, which does not belong in one")]
    Unexpected { name: String },
    #[error("the backup is not whole: it breaks off after {entries} files. Make it again")]
    Incomplete { entries: u64 },
}

/// Writes an archive, entry by entry.
pub struct Writer<W: Write> {
    tar: tar::Builder<W>,
    entries: u64,
    made_at: Timestamp,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W, manifest: &Manifest) -> io::Result<Self> {
        let mut writer = Self { tar: tar::Builder::new(out), entries: 0, made_at: manifest.made_at };
        let text = serde_json::to_vec_pretty(manifest).expect("strings and numbers are JSON");
        writer.small(MANIFEST, &text)?;
        writer.entries = 0;
        Ok(writer)
    }

    /// Adds the file at `path`, as long as it is at this moment, under `name`.
    pub fn file(&mut self, name: &str, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut header = self.header(bytes);
        self.tar.append_data(&mut header, name, file.take(bytes))?;
        self.entries += 1;
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<()> {
        let count = self.entries.to_string();
        self.small(END, count.as_bytes())?;
        self.tar.into_inner()?.flush()
    }

    fn small(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut header = self.header(bytes.len() as u64);
        self.tar.append_data(&mut header, name, bytes)
    }

    fn header(&self, bytes: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.made_at.unix_seconds()).unwrap_or(0));
        header
    }
}

/// Unpacks an archive into `folder`, which must be there. Nothing is believed before the last
/// entry has said that everything came.
pub fn unpack(archive: impl Read, folder: &Path) -> Result<Manifest, ArchiveError> {
    let mut tar = tar::Archive::new(archive);
    let mut manifest = None;
    let mut entries = 0;
    for entry in tar.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        match (&manifest, name.as_str()) {
            (None, MANIFEST) => {
                let read: Manifest =
                    serde_json::from_slice(&small(&mut entry)?).map_err(|_| ArchiveError::Foreign)?;
                if read.format != FORMAT {
                    return Err(ArchiveError::Format { found: read.format });
                }
                manifest = Some(read);
            }
            (None, _) => return Err(ArchiveError::Foreign),
            (Some(manifest), END) => {
                if small(&mut entry)? != entries.to_string().into_bytes() {
                    return Err(ArchiveError::Incomplete { entries });
                }
                return Ok(manifest.clone());
            }
            (Some(_), name) if FILES.contains(&name) => {
                write_entry(&mut entry, &folder.join(name))?;
                entries += 1;
            }
            (Some(_), _) => return Err(ArchiveError::Unexpected { name }),
        }
    }
    if manifest.is_none() { Err(ArchiveError::Foreign) } else { Err(ArchiveError::Incomplete { entries }) }
}

fn small(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(SMALL_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write_entry(entry: &mut impl Read, path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::copy(entry, &mut file)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(folder: &Path) -> Vec<u8> {
        let manifest = Manifest::new("id", "hub1", Timestamp::from_unix_seconds(1), false);
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &manifest).unwrap();
        for name in ["hub.json", "documents.db"] {
            fs::write(folder.join(name), name.repeat(1000)).unwrap();
            writer.file(name, &folder.join(name)).unwrap();
        }
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn what_goes_in_comes_out_and_half_an_archive_does_not() {
        let (from, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let bytes = archive(from.path());
        assert_eq!(unpack(bytes.as_slice(), into.path()).unwrap().hub_name, "hub1");
        assert_eq!(
            fs::read(into.path().join("documents.db")).unwrap(),
            "documents.db".repeat(1000).into_bytes()
        );
        for cut in (0..bytes.len() - 1024).step_by(512) {
            let into = tempfile::tempdir().unwrap();
            assert!(unpack(&bytes[..cut], into.path()).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn names_that_do_not_belong_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest::new("id", "hub1", Timestamp::NEVER, false);
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &manifest).unwrap();
        fs::write(folder.path().join("x"), "x").unwrap();
        writer.file("evil.sh", &folder.path().join("x")).unwrap();
        writer.finish().unwrap();
        let into = tempfile::tempdir().unwrap();
        assert!(matches!(unpack(bytes.as_slice(), into.path()), Err(ArchiveError::Unexpected { .. })));
        assert!(matches!(
            unpack(&b"hello"[..], into.path()),
            Err(ArchiveError::Foreign | ArchiveError::Io(_))
        ));
    }
}
