//! What a group says beside records: how cursors, partitions and names stand.
//!
//! A note says how something is, not how it changes, so that reading it twice is reading it once.

use super::wire::{Input, Malformed, put_bytes, put_varint, put_varints};
use crate::log::{CursorId, CursorKind, Partition};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// A cursor as it is, made or moved.
    Cursor(Standing),
    /// A cursor moved.
    Advance {
        id: CursorId,
        below: u64,
        settled: Vec<u64>,
        records: u64,
        bytes: u64,
    },
    Drop(CursorId),
    /// Sequences below this may have been seen although they are not durable.
    Ceiling {
        partition: Partition,
        to: u64,
    },
    /// Nobody asks for what lies before.
    Trim {
        partition: Partition,
        before: u64,
    },
}

/// All there is to know of a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) id: CursorId,
    pub(super) name: String,
    pub(super) partition: Partition,
    pub(super) kind: CursorKind,
    pub(super) below: u64,
    /// Growing, none smaller than `below`.
    pub(super) settled: Vec<u64>,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Note {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::Cursor(standing) => {
                into.push(1);
                standing.encode(into);
            }
            Self::Advance { id, below, settled, records, bytes } => {
                into.push(2);
                put_varints(into, &[u64::from(id.number()), *below, *records, *bytes]);
                put_growing(into, *below, settled);
            }
            Self::Drop(id) => {
                into.push(3);
                put_varint(into, u64::from(id.number()));
            }
            Self::Ceiling { partition, to } => {
                into.push(4);
                put_varint(into, u64::from(partition.number()));
                put_varint(into, *to);
            }
            Self::Trim { partition, before } => {
                into.push(5);
                put_varint(into, u64::from(partition.number()));
                put_varint(into, *before);
            }
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(match input.byte()? {
            1 => Self::Cursor(Standing::decode(input)?),
            2 => {
                let id = CursorId::from_number(input.number32()?);
                let [below, records, bytes] = [input.varint()?, input.varint()?, input.varint()?];
                Self::Advance { id, below, settled: growing(input, below)?, records, bytes }
            }
            3 => Self::Drop(CursorId::from_number(input.number32()?)),
            4 => Self::Ceiling { partition: Partition::new(input.number32()?), to: input.varint()? },
            5 => Self::Trim { partition: Partition::new(input.number32()?), before: input.varint()? },
            _ => return Err(Malformed),
        })
    }

    /// All notes of a slice.
    pub(super) fn decode_all(slice: &[u8]) -> Result<Vec<Self>, Malformed> {
        let mut input = Input::new(slice);
        let mut notes = Vec::new();
        while !input.is_empty() {
            notes.push(Self::decode(&mut input)?);
        }
        Ok(notes)
    }
}

impl Standing {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        put_varint(into, u64::from(self.id.number()));
        put_bytes(into, self.name.as_bytes());
        put_varint(into, u64::from(self.partition.number()));
        into.push(match self.kind {
            CursorKind::Every => 0,
            CursorKind::Wanted => 1,
        });
        put_varints(into, &[self.below, self.records, self.bytes]);
        put_growing(into, self.below, &self.settled);
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let id = CursorId::from_number(input.number32()?);
        let name = String::from_utf8(input.bytes()?.to_vec()).map_err(|_| Malformed)?;
        let partition = Partition::new(input.number32()?);
        let kind = match input.byte()? {
            0 => CursorKind::Every,
            1 => CursorKind::Wanted,
            _ => return Err(Malformed),
        };
        let [below, records, bytes] = [input.varint()?, input.varint()?, input.varint()?];
        let settled = growing(input, below)?;
        Ok(Self { id, name, partition, kind, below, settled, records, bytes })
    }
}

/// Each number as its distance from the one before it.
fn put_growing(into: &mut Vec<u8>, from: u64, numbers: &[u64]) {
    put_varint(into, numbers.len() as u64);
    let mut before = from;
    for number in numbers {
        put_varint(into, number - before);
        before = *number;
    }
}

fn growing(input: &mut Input<'_>, from: u64) -> Result<Vec<u64>, Malformed> {
    let mut before = from;
    (0..input.count(1)?)
        .map(|_| {
            before = before.checked_add(input.varint()?).ok_or(Malformed)?;
            Ok(before)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn notes_come_back() {
        let id = CursorId::from_number(300);
        let partition = Partition::new(70_000);
        let standing = Standing {
            id,
            name: "upstream/1 ü".into(),
            partition,
            kind: CursorKind::Wanted,
            below: 1 << 40,
            settled: vec![1 << 40, (1 << 40) + 7, 1 << 60],
            records: 3,
            bytes: u64::MAX,
        };
        let settled = vec![5, 6, 900];
        let notes = [
            Note::Cursor(standing),
            Note::Advance { id, below: 4, settled, records: 1, bytes: 2 },
            Note::Drop(id),
            Note::Ceiling { partition, to: 9 },
            Note::Trim { partition, before: u64::MAX },
        ];
        let mut slice = Vec::new();
        notes.iter().for_each(|note| note.encode(&mut slice));
        assert_eq!(Note::decode_all(&slice).unwrap(), notes);
        for short in 1..slice.len() {
            if let Ok(read) = Note::decode_all(&slice[..short]) {
                assert!(notes.starts_with(&read));
            }
        }
    }

    proptest! {
        #[test]
        fn nonsense_is_told(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(Note::decode_all(&bytes));
        }
    }
}
