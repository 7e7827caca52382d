//! From block to block through a file, past whatever is damaged.

use super::block::{Block, HEAD_LEN, Kind, Place, Slice};
use super::chunks::Chunks;

pub(super) struct Walk<'a> {
    pub(super) chunks: Chunks<'a>,
    salt: u64,
    at: u64,
    group: u64,
}

/// What lies next.
#[derive(Debug)]
pub(super) enum Found {
    Block(Standing),
    /// Bytes that are no block, before one that is, or before the end.
    Damage {
        from: u64,
        to: u64,
    },
    End,
}

/// A block and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) offset: u64,
    pub(super) body: u64,
    pub(super) end: u64,
    pub(super) block: Block,
}

impl<'a> Walk<'a> {
    /// Blocks from `at` on, whose groups come after `group`.
    pub(super) fn new(chunks: Chunks<'a>, salt: u64, at: u64, group: u64) -> Self {
        Self { chunks, salt, at, group }
    }

    pub(super) fn next(&mut self) -> Found {
        if self.at >= self.chunks.end() {
            return Found::End;
        }
        if let Some(standing) = self.look(self.at) {
            self.pass(&standing);
            return Found::Block(standing);
        }
        let from = self.at;
        self.at = self.search(from + 1);
        Found::Damage { from, to: self.at }
    }

    fn pass(&mut self, standing: &Standing) {
        self.at = standing.end;
        // A state repeats the number of the group before it.
        self.group = standing.block.group;
    }

    /// The block at `offset`, if there is one.
    fn look(&mut self, offset: u64) -> Option<Standing> {
        let head = self.chunks.get(offset, HEAD_LEN);
        let head: &[u8; HEAD_LEN] = head.as_ref().try_into().ok()?;
        if head[..4] != Place::magic(self.salt) {
            return None;
        }
        let most = HEAD_LEN + Block::table_len_max(head);
        let bytes = self.chunks.get(offset, most);
        let (block, len) = Block::decode(&bytes, Place { salt: self.salt, offset }).ok()?;
        let body = offset + len as u64;
        let end = body.checked_add(block.body_len())?;
        let follows = match block.kind {
            Kind::Group => block.group > self.group,
            Kind::State | Kind::Index => block.group >= self.group,
        };
        (follows && end <= self.chunks.end()).then_some(Standing { offset, body, end, block })
    }

    /// Where the next block begins, from `from` on; the end if there is none.
    fn search(&mut self, from: u64) -> u64 {
        const STEP: usize = 256 << 10;
        let magic = Place::magic(self.salt);
        let mut at = from;
        while at < self.chunks.end() {
            let bytes = self.chunks.get(at, STEP);
            let mut inside = 0;
            while let Some(found) = bytes[inside..].windows(magic.len()).position(|four| four == magic) {
                let offset = at + (inside + found) as u64;
                if self.look(offset).is_some() {
                    return offset;
                }
                inside += found + 1;
            }
            // A magic number may lie across the border.
            if bytes.len() < STEP {
                break;
            }
            at += (STEP - magic.len() + 1) as u64;
        }
        self.chunks.end()
    }

    /// The bytes of one slice, if they are what was written.
    pub(super) fn slice(&mut self, offset: u64, slice: &Slice) -> Option<bytes::Bytes> {
        let bytes = self.chunks.get(offset, slice.len as usize);
        (bytes.len() == slice.len as usize && crc32fast::hash(&bytes) == slice.sum).then_some(bytes)
    }
}

impl Standing {
    /// Each slice with its offset.
    pub(super) fn slices(&self) -> impl Iterator<Item = (u64, &Slice)> {
        let mut at = self.body;
        self.block.slices.iter().map(move |slice| {
            let offset = at;
            at += u64::from(slice.len);
            (offset, slice)
        })
    }
}
