//! The first page of a segment's file: which journal file this is, and its salt.
//!
//! It is there twice, in two sectors, for without the salt nothing in the file can be told from
//! chance.

use super::wire::{Input, Malformed};

const MAGIC: &[u8; 8] = b"SKRYLOG\n";
/// Raised with every change of the format.
const VERSION: u32 = 1;
/// Where blocks begin.
pub(super) const PRELUDE_LEN: usize = 4096;
const COPY_LEN: usize = 64;
const COPIES: [usize; 2] = [0, PRELUDE_LEN - COPY_LEN];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prelude {
    pub(super) first: u64,
    pub(super) last: u64,
    /// Random: what a sender could write into its payloads is never taken for a block.
    pub(super) salt: u64,
    /// For files that were written in one go: where their blocks end.
    pub(super) end: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Damaged,
    /// Written by a later Skerry.
    Version(u32),
}

impl Prelude {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(COPY_LEN);
        copy.extend_from_slice(MAGIC);
        copy.extend_from_slice(&VERSION.to_le_bytes());
        for number in [self.first, self.last, self.salt, self.end.unwrap_or(0)] {
            copy.extend_from_slice(&number.to_le_bytes());
        }
        let sum = crc32fast::hash(&copy);
        copy.extend_from_slice(&sum.to_le_bytes());
        let mut page = vec![0; PRELUDE_LEN];
        for at in COPIES {
            page[at..at + copy.len()].copy_from_slice(&copy);
        }
        page
    }

    pub(super) fn decode(page: &[u8]) -> Result<Self, Unreadable> {
        let copies = COPIES.map(|at| match page.get(at..at + COPY_LEN) {
            Some(copy) => Self::decode_copy(copy),
            None => Err(Unreadable::Damaged),
        });
        match copies {
            [Ok(prelude), _] | [_, Ok(prelude)] => Ok(prelude),
            [Err(Unreadable::Version(version)), _] | [_, Err(Unreadable::Version(version))] => {
                Err(Unreadable::Version(version))
            }
            _ => Err(Unreadable::Damaged),
        }
    }

    fn decode_copy(copy: &[u8]) -> Result<Self, Unreadable> {
        let mut input = Input::new(copy);
        let mut fields = || -> Result<_, Malformed> {
            let magic = input.take(MAGIC.len())?;
            let version = input.u32()?;
            let numbers = [input.u64()?, input.u64()?, input.u64()?, input.u64()?];
            Ok((magic == MAGIC, version, numbers, input.u32()?))
        };
        let (is_ours, version, [first, last, salt, end], sum) =
            fields().map_err(|Malformed| Unreadable::Damaged)?;
        if !is_ours || crc32fast::hash(&copy[..MAGIC.len() + 4 + 4 * 8]) != sum {
            return Err(Unreadable::Damaged);
        }
        if version != VERSION {
            return Err(Unreadable::Version(version));
        }
        Ok(Self { first, last, salt, end: (end != 0).then_some(end) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_copy_is_enough() {
        let prelude = Prelude { first: 3, last: 9, salt: 77, end: Some(12_345) };
        let page = prelude.encode();
        assert_eq!(page.len(), PRELUDE_LEN);
        for broken in COPIES {
            for bit in 0..44 * 8 {
                let mut page = page.clone();
                page[broken + bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Prelude::decode(&page), Ok(prelude), "{broken} {bit}");
            }
        }
        let mut page = page;
        page[20] ^= 1;
        page[PRELUDE_LEN - COPY_LEN + 30] ^= 1;
        assert_eq!(Prelude::decode(&page), Err(Unreadable::Damaged));
        assert_eq!(Prelude::decode(&page[..9]), Err(Unreadable::Damaged));
    }
}
