//! A block: one commit group as the files have it.
//!
//! ```text
//!  head, 32 bytes                     table                      body
//!  magic kind flags slices group time behind sum │ slice slice … │ bytes of slice, of slice, …
//!                                       └ over head and table
//! ```
//!
//! The magic number and the sum depend on the file's salt and the block's place, so a copy of a
//! block somewhere else, in a payload for instance, is none. Each slice has a sum of its own.

use super::wire::{Input, Malformed};

pub(super) const HEAD_LEN: usize = 32;
/// Slices that one block may list.
pub(super) const SLICES_MAX: usize = u16::MAX as usize;
/// The partition number of the slice that holds notes; no partition has it.
pub(super) const NOTES: u32 = u32::MAX;

const HAS_NAMES: u32 = 1 << 31;
const HAS_WANTED: u32 = 1 << 30;
const IS_SPARSE: u32 = 1 << 29;
const COUNT: u32 = IS_SPARSE - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Everything that is known at the beginning of a file.
    State,
    /// Records and notes of one commit group.
    Group,
    /// Where to find what in this file.
    Index,
}

/// One partition's records in a block, or the notes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) partition: u32,
    /// Records.
    pub(super) count: u32,
    /// The sequence of the first record.
    pub(super) first: u64,
    /// The sequence after the last one.
    pub(super) next: u64,
    pub(super) len: u32,
    pub(super) sum: u32,
    pub(super) has_names: bool,
    /// One bit for each cursor that wants a record, by number modulo 64; 0 when none does.
    pub(super) wanted: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) kind: Kind,
    /// Counts groups, through all files.
    pub(super) group: u64,
    /// Ticks.
    pub(super) time: i64,
    /// Up to which offset the file was durable when this was written.
    pub(super) durable: u64,
    pub(super) slices: Vec<Slice>,
}

/// Where a block lies, and in which file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) salt: u64,
    pub(super) offset: u64,
}

impl Place {
    /// What begins every block of the file.
    pub(super) fn magic(salt: u64) -> [u8; 4] {
        // Never four equal bytes: a hole in the file is no block.
        (((salt >> 32) as u32 & 0xffff_ff00) | 0x5b).to_le_bytes()
    }

    fn sum(self, bytes: &[&[u8]]) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&self.salt.to_le_bytes());
        sum.update(&self.offset.to_le_bytes());
        bytes.iter().for_each(|bytes| sum.update(bytes));
        sum.finalize()
    }
}

impl Slice {
    fn is_sparse(&self) -> bool {
        self.next != self.first.wrapping_add(u64::from(self.count))
    }

    fn encoded_len(&self) -> usize {
        24 + usize::from(self.wanted != 0) * 8 + usize::from(self.is_sparse()) * 8
    }

    fn encode(&self, into: &mut Vec<u8>) {
        let mut count = self.count & COUNT;
        for (flag, is_set) in
            [(HAS_NAMES, self.has_names), (HAS_WANTED, self.wanted != 0), (IS_SPARSE, self.is_sparse())]
        {
            count |= if is_set { flag } else { 0 };
        }
        into.extend_from_slice(&self.partition.to_le_bytes());
        into.extend_from_slice(&count.to_le_bytes());
        into.extend_from_slice(&self.first.to_le_bytes());
        into.extend_from_slice(&self.len.to_le_bytes());
        into.extend_from_slice(&self.sum.to_le_bytes());
        if self.wanted != 0 {
            into.extend_from_slice(&self.wanted.to_le_bytes());
        }
        if self.is_sparse() {
            into.extend_from_slice(&self.next.to_le_bytes());
        }
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let (partition, count, first) = (input.u32()?, input.u32()?, input.u64()?);
        let (len, sum) = (input.u32()?, input.u32()?);
        let wanted = if count & HAS_WANTED != 0 { input.u64()? } else { 0 };
        let dense = first.checked_add(u64::from(count & COUNT)).ok_or(Malformed)?;
        let next = if count & IS_SPARSE != 0 { input.u64()? } else { dense };
        if next < dense {
            return Err(Malformed);
        }
        let has_names = count & HAS_NAMES != 0;
        Ok(Self { partition, count: count & COUNT, first, next, len, sum, has_names, wanted })
    }
}

impl Block {
    pub(super) fn head_len(slices: &[Slice]) -> usize {
        HEAD_LEN + slices.iter().map(Slice::encoded_len).sum::<usize>()
    }

    /// Head and table; the slices' bytes come right after it, in order.
    pub(super) fn encode(&self, place: Place, into: &mut Vec<u8>) {
        let start = into.len();
        into.extend_from_slice(&Place::magic(place.salt));
        into.push(match self.kind {
            Kind::State => 1,
            Kind::Group => 2,
            Kind::Index => 3,
        });
        into.push(0);
        into.extend_from_slice(&(self.slices.len() as u16).to_le_bytes());
        into.extend_from_slice(&self.group.to_le_bytes());
        into.extend_from_slice(&self.time.to_le_bytes());
        // What lies further back than this can say is durable for longer still.
        let behind = u32::try_from(place.offset - self.durable.min(place.offset)).unwrap_or(u32::MAX);
        into.extend_from_slice(&behind.to_le_bytes());
        let sum_at = into.len();
        into.extend_from_slice(&[0; 4]);
        self.slices.iter().for_each(|slice| slice.encode(into));
        let sum = place.sum(&[&into[start..sum_at], &into[sum_at + 4..]]);
        into[sum_at..sum_at + 4].copy_from_slice(&sum.to_le_bytes());
    }

    /// How long head and table are at least; the head alone says how long to look.
    pub(super) fn table_len_max(head: &[u8; HEAD_LEN]) -> usize {
        usize::from(u16::from_le_bytes([head[6], head[7]])) * 40
    }

    /// The block that begins `bytes`, and how long its head and table are. `bytes` should go on to
    /// [`Block::table_len_max`] if the file does.
    pub(super) fn decode(bytes: &[u8], place: Place) -> Result<(Self, usize), Malformed> {
        let mut input = Input::new(bytes);
        if input.take(4)? != Place::magic(place.salt) {
            return Err(Malformed);
        }
        let kind = match input.byte()? {
            1 => Kind::State,
            2 => Kind::Group,
            3 => Kind::Index,
            _ => return Err(Malformed),
        };
        let (_flags, count) = (input.byte()?, usize::from(input.u16()?));
        let (group, time, behind) = (input.u64()?, input.u64()? as i64, input.u32()?);
        let sum = input.u32()?;
        let mut slices = Vec::with_capacity(count.min(input.len() / 24));
        for _ in 0..count {
            slices.push(Slice::decode(&mut input)?);
        }
        let len = bytes.len() - input.len();
        if place.sum(&[&bytes[..HEAD_LEN - 4], &bytes[HEAD_LEN..len]]) != sum {
            return Err(Malformed);
        }
        let durable = place.offset.checked_sub(u64::from(behind)).ok_or(Malformed)?;
        Ok((Self { kind, group, time, durable, slices }, len))
    }

    pub(super) fn body_len(&self) -> u64 {
        self.slices.iter().map(|slice| u64::from(slice.len)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Block {
        let dense = Slice { partition: 3, count: 2, first: 9, next: 11, len: 40, sum: 1, ..Slice::default() };
        let sparse =
            Slice { partition: 4, count: 2, first: 9, next: 30, wanted: 5, has_names: true, ..dense };
        Block { kind: Kind::Group, group: 7, time: 99, durable: 4_000, slices: vec![dense, sparse] }
    }

    #[test]
    fn a_block_comes_back_only_from_its_place() {
        let place = Place { salt: 0x1234_5678_9abc_def0, offset: 5_000 };
        let mut bytes = Vec::new();
        block().encode(place, &mut bytes);
        assert_eq!(bytes.len(), Block::head_len(&block().slices));
        bytes.extend_from_slice(b"the body is not looked at");
        let (read, len) = Block::decode(&bytes, place).unwrap();
        assert_eq!((&read, len), (&block(), Block::head_len(&block().slices)));
        for other in [Place { offset: 5_001, ..place }, Place { salt: place.salt + 1, ..place }] {
            assert_eq!(Block::decode(&bytes, other), Err(Malformed));
        }
        for bit in 0..len * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Block::decode(&bytes, place), Err(Malformed), "bit {bit}");
        }
        for short in 0..len {
            assert_eq!(Block::decode(&bytes[..short], place), Err(Malformed));
        }
    }

    #[test]
    fn one_record_alone_costs_little() {
        let one = Slice { count: 1, next: 1, ..Slice::default() };
        assert_eq!(Block::head_len(&[one]), 56);
    }
}
