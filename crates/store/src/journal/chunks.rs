//! A file's bytes, read in pieces that many small looks share.

use bytes::Bytes;

use super::File;

/// One look reads so much ahead.
const CHUNK: usize = 64 << 10;

pub(super) struct Chunks<'a> {
    file: &'a dyn File,
    /// Nothing beyond is looked at.
    end: u64,
    chunk: Bytes,
    start: u64,
    ahead: usize,
    /// What the disk refused to read; it shows as zeros, which are never a block.
    pub(super) unreadable: u64,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(file: &'a dyn File, end: u64) -> Self {
        Self { file, end, chunk: Bytes::new(), start: 0, ahead: CHUNK, unreadable: 0 }
    }

    /// For who reads everything.
    pub(super) fn ahead(mut self, bytes: usize) -> Self {
        self.ahead = bytes;
        self
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// `len` bytes at `offset`; fewer where the file ends.
    pub(super) fn get(&mut self, offset: u64, len: usize) -> Bytes {
        let len = len.min(usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX));
        let within = |chunk: &Bytes, start: u64| -> Option<Bytes> {
            let at = usize::try_from(offset.checked_sub(start)?).ok()?;
            (at + len <= chunk.len()).then(|| chunk.slice(at..at + len))
        };
        if let Some(found) = within(&self.chunk, self.start) {
            return found;
        }
        self.load(offset, len.max(self.ahead));
        within(&self.chunk, self.start).unwrap_or_else(|| self.chunk.clone())
    }

    fn load(&mut self, offset: u64, len: usize) {
        let len = len.min(usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX));
        let mut bytes = vec![0; len];
        match self.file.read_full_at(&mut bytes, offset) {
            Ok(read) => bytes.truncate(read),
            Err(_) => self.unreadable += self.load_by_page(&mut bytes, offset),
        }
        (self.chunk, self.start) = (bytes.into(), offset);
    }

    /// A bad sector takes its page with it, not the whole piece.
    fn load_by_page(&self, bytes: &mut [u8], offset: u64) -> u64 {
        const PAGE: usize = 4096;
        let mut unreadable = 0;
        for (number, page) in bytes.chunks_mut(PAGE).enumerate() {
            page.fill(0);
            if self.file.read_full_at(page, offset + (number * PAGE) as u64).is_err() {
                page.fill(0);
                unreadable += page.len() as u64;
            }
        }
        unreadable
    }
}
