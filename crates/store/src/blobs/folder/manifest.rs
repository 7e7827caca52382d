//! The file that makes a blob of parts: one line with the format and a sum, then JSON.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use skerry_model::Timestamp;

use super::super::{Attributes, BlockId, Stored};
use super::files::{self, BlockFile, MANIFEST, MANIFEST_NEW, hex, part_name, unhex};

const FORMAT: &str = "skerry-blob 1";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) name: String,
    pub(super) version: u64,
    /// The number at which it was made.
    pub(super) number: u64,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) attributes: Attributes,
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) number: u64,
    pub(super) bytes: u64,
    pub(super) sum: u32,
    /// Of a block only: when it was written, and its id in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    block: Option<(i64, String)>,
}

impl Part {
    pub(super) fn whole(number: u64, bytes: u64, sum: u32) -> Self {
        Self { number, bytes, sum, block: None }
    }

    pub(super) fn block(file: &BlockFile, bytes: u64) -> Self {
        let block = Some((file.written.unix_seconds().max(0), hex(&file.id)));
        Self { number: file.number, bytes, sum: file.sum, block }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.block.is_none()
    }

    pub(super) fn id(&self) -> Option<BlockId> {
        unhex(&self.block.as_ref()?.1)
    }

    pub(super) fn file_name(&self) -> String {
        match &self.block {
            None => part_name(self.number),
            Some((seconds, id)) => format!("{:x}-{seconds:x}-{:x}-{id}.block", self.number, self.sum),
        }
    }
}

impl Manifest {
    pub(super) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    pub(super) fn into_stored(self) -> Stored {
        let bytes = self.bytes();
        let Self { name, version, created, modified, attributes, .. } = self;
        Stored { name, bytes, version, created, modified, attributes }
    }

    /// Writes it beside the one that counts.
    pub(super) fn write_aside(&self, directory: &Path) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        let head = format!("{FORMAT} {:08x}\n", crc32fast::hash(&json));
        let mut file = files::create(&directory.join(MANIFEST_NEW))?;
        file.write_all(head.as_bytes())?;
        file.write_all(&json)?;
        file.sync_all()
    }

    /// Makes the one beside the one that counts, durably.
    pub(super) fn put(directory: &Path) -> io::Result<()> {
        fs::rename(directory.join(MANIFEST_NEW), directory.join(MANIFEST))?;
        files::sync(directory)
    }

    /// `None` where there is no such file.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let damaged = |what: &str| io::Error::new(ErrorKind::InvalidData, what);
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged("it has no head"))?;
        let (head, json) = (&bytes[..end], &bytes[end + 1..]);
        let sum = std::str::from_utf8(head).ok().and_then(|head| head.strip_prefix(FORMAT));
        let sum = sum.ok_or_else(|| damaged("its format is not known"))?;
        if u32::from_str_radix(sum.trim(), 16).ok() != Some(crc32fast::hash(json)) {
            return Err(damaged("its sum does not match"));
        }
        Ok(Some(serde_json::from_slice(json)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_comes_back_and_a_flipped_bit_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        let block = BlockFile { number: 3, written: now, sum: 7, id: b"id".to_vec() };
        let manifest = Manifest {
            name: "d1/ü".into(),
            version: 5,
            number: 9,
            created: now,
            modified: now,
            attributes: vec![("content-type".into(), "text/plain".into())],
            parts: vec![Part::whole(2, 10, 1), Part::block(&block, 20)],
        };
        manifest.write_aside(folder.path()).unwrap();
        Manifest::put(folder.path()).unwrap();
        let path = folder.path().join(MANIFEST);
        let read = Manifest::read(&path).unwrap().unwrap();
        assert_eq!(read, manifest);
        assert_eq!((read.bytes(), read.parts[1].file_name()), (30, block.name()));
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(Manifest::read(&path).is_err(), "byte {at}");
        }
        assert_eq!(Manifest::read(&folder.path().join("absent")).unwrap(), None);
    }
}
