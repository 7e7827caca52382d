//! Bytes of one version, part by part; a part that is read whole is checked by its sum.

use std::fs;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::vec;

use bytes::Bytes;

use super::super::{ReadError, Reading};
use super::files::Digest;
use super::manifest::{Manifest, Part};
use super::{Shared, reading};
use crate::documents::Answer;

const PIECE_BYTES_MAX: u64 = 256 * 1024;

/// `None` while a thread has it, or after an error.
pub(super) struct Parts(Option<State>);

struct State {
    shared: Arc<Shared>,
    name: String,
    digest: Digest,
    ahead: vec::IntoIter<Part>,
    /// Where the next part begins, in the blob.
    offset: u64,
    range: Range<u64>,
    open: Option<Open>,
}

struct Open {
    file: fs::File,
    left: u64,
    /// Where all of the part is read.
    sum: Option<(crc32fast::Hasher, u32)>,
}

impl Parts {
    pub(super) fn new(shared: Arc<Shared>, manifest: Manifest, range: Range<u64>) -> Self {
        let range = range.start..range.end.min(manifest.bytes());
        let digest = Digest::of(&manifest.name);
        let ahead = manifest.parts.into_iter();
        Self(Some(State { shared, name: manifest.name, digest, ahead, offset: 0, range, open: None }))
    }
}

impl Reading for Parts {
    fn next(&mut self) -> Answer<'_, Option<Bytes>, ReadError> {
        Box::pin(async move {
            let mut state = self.0.take().ok_or(ReadError::Gone)?;
            let (state, piece) = reading(move || state.piece().map(|piece| (state, piece))).await?;
            self.0 = Some(state);
            Ok(piece)
        })
    }
}

impl State {
    fn piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            if let Some(open) = &mut self.open {
                let length = open.left.min(PIECE_BYTES_MAX);
                let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
                if let Err(error) = open.file.read_exact(&mut bytes) {
                    return Err(self.shared.damaged(&self.name, error.to_string()));
                }
                open.left -= length;
                if let Some((sum, _)) = &mut open.sum {
                    sum.update(&bytes);
                }
                if open.left == 0 {
                    let sum = self.open.take().and_then(|open| open.sum);
                    if sum.is_some_and(|(found, wanted)| found.finalize() != wanted) {
                        return Err(self.shared.damaged(&self.name, "the sum of a part is wrong".to_owned()));
                    }
                }
                return Ok(Some(bytes.into()));
            }
            let Some(part) = self.ahead.next().filter(|_| self.offset < self.range.end) else {
                return Ok(None);
            };
            let (begin, end) = (self.offset, self.offset + part.bytes);
            self.offset = end;
            let (from, to) = (self.range.start.max(begin), self.range.end.min(end));
            if from < to {
                self.open = Some(self.open(&part, from - begin, to - from)?);
            }
        }
    }

    fn open(&self, part: &Part, skip: u64, length: u64) -> Result<Open, ReadError> {
        let path = self.shared.place.directory(self.digest).join(part.file_name());
        let mut file = fs::File::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => ReadError::Gone,
            _ => ReadError::Failed { what: error.to_string() },
        })?;
        file.seek(SeekFrom::Start(skip)).map_err(|error| ReadError::Failed { what: error.to_string() })?;
        let whole = length == part.bytes;
        Ok(Open { file, left: length, sum: whole.then(|| (crc32fast::Hasher::new(), part.sum)) })
    }
}
