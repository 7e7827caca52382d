//! A record as its slice has it.
//!
//! ```text
//!  flags [gap] [producer number] [cursors] headers' length, payload's length, headers, payload
//! ```
//!
//! The sequence is the slice's first plus the place; only where records were left out does each
//! say how many are missing before it. Time is the block's.

use bytes::Bytes;

use super::wire::{Input, Malformed, put_varint};
use crate::log::{CursorId, Draft, Name};

const HAS_NAME: u8 = 1;
const HAS_WANTED: u8 = 2;
const HAS_GAP: u8 = 4;

/// What a reader of a slice sees of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    pub(super) sequence: u64,
    pub(super) name: Option<Name>,
    wanted: &'a [u8],
    pub(super) headers: &'a [u8],
    pub(super) payload: &'a [u8],
}

/// The length of the record in a slice, at most.
pub(super) fn len_max(draft: &Draft) -> usize {
    64 + draft.wanted_by.len() * 5 + draft.headers.len() + draft.payload.len()
}

pub(super) fn encode(draft: &Draft, into: &mut Vec<u8>) {
    let name = if draft.name.is_some() { HAS_NAME } else { 0 };
    let wanted = if draft.wanted_by.is_empty() { 0 } else { HAS_WANTED };
    into.push(name | wanted);
    if let Some(name) = draft.name {
        put_name(into, name);
    }
    if !draft.wanted_by.is_empty() {
        put_varint(into, draft.wanted_by.len() as u64);
        draft.wanted_by.iter().for_each(|cursor| put_varint(into, u64::from(cursor.number())));
    }
    put_content(into, &draft.headers, &draft.payload);
}

fn put_name(into: &mut Vec<u8>, name: Name) {
    into.extend_from_slice(&name.producer.to_le_bytes());
    put_varint(into, name.number);
}

fn put_content(into: &mut Vec<u8>, headers: &[u8], payload: &[u8]) {
    put_varint(into, headers.len() as u64);
    put_varint(into, payload.len() as u64);
    into.extend_from_slice(headers);
    into.extend_from_slice(payload);
}

impl Envelope<'_> {
    /// Writes the record again, `gap` sequences after the one before it.
    pub(super) fn encode_again(&self, gap: u64, into: &mut Vec<u8>) {
        let name = if self.name.is_some() { HAS_NAME } else { 0 };
        let wanted = if self.wanted.is_empty() { 0 } else { HAS_WANTED };
        into.push(name | wanted | HAS_GAP);
        put_varint(into, gap);
        if let Some(name) = self.name {
            put_name(into, name);
        }
        if !self.wanted.is_empty() {
            let count = self.wanted_by().count();
            put_varint(into, count as u64);
            into.extend_from_slice(self.wanted);
        }
        put_content(into, self.headers, self.payload);
    }

    pub(super) fn wanted_by(&self) -> impl Iterator<Item = CursorId> {
        let mut input = Input::new(self.wanted);
        std::iter::from_fn(move || input.number32().ok()).map(CursorId::from_number)
    }

    pub(super) fn bytes(&self) -> usize {
        self.headers.len() + self.payload.len()
    }

    /// Headers and payload as parts of `slice`, in which this was read.
    pub(super) fn share(&self, slice: &Bytes) -> (Bytes, Bytes) {
        (slice.slice_ref(self.headers), slice.slice_ref(self.payload))
    }
}

/// The records of a slice, whose sum was right, in order.
pub(super) struct Envelopes<'a> {
    input: Input<'a>,
    next: u64,
}

impl<'a> Envelopes<'a> {
    pub(super) fn new(slice: &'a [u8], first: u64) -> Self {
        Self { input: Input::new(slice), next: first }
    }

    fn read(&mut self) -> Result<Envelope<'a>, Malformed> {
        let input = &mut self.input;
        let flags = input.byte()?;
        if flags & !(HAS_NAME | HAS_WANTED | HAS_GAP) != 0 {
            return Err(Malformed);
        }
        let gap = if flags & HAS_GAP != 0 { input.varint()? } else { 0 };
        let sequence = self.next.checked_add(gap).ok_or(Malformed)?;
        self.next = sequence.checked_add(1).ok_or(Malformed)?;
        let mut name = None;
        if flags & HAS_NAME != 0 {
            name = Some(Name { producer: input.u64()?, number: input.varint()? });
        }
        let mut wanted: &[u8] = &[];
        if flags & HAS_WANTED != 0 {
            let count = input.count(1)?;
            let before = *input;
            for _ in 0..count {
                input.number32()?;
            }
            wanted = before.clone().take(before.len() - input.len())?;
        }
        let headers = usize::try_from(input.varint()?).map_err(|_| Malformed)?;
        let payload = usize::try_from(input.varint()?).map_err(|_| Malformed)?;
        Ok(Envelope { sequence, name, wanted, headers: input.take(headers)?, payload: input.take(payload)? })
    }
}

impl<'a> Iterator for Envelopes<'a> {
    type Item = Result<Envelope<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.input.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.input = Input::new(&[]);
        }
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drafts() -> impl Strategy<Value = Vec<Draft>> {
        let name = prop::option::of((any::<u64>(), any::<u64>()));
        let wanted = prop::collection::vec(any::<u32>(), 0..4);
        let bytes = || prop::collection::vec(any::<u8>(), 0..200);
        let one = (name, wanted, bytes(), bytes()).prop_map(|(name, wanted, headers, payload)| Draft {
            name: name.map(|(producer, number)| Name { producer, number }),
            wanted_by: wanted.into_iter().map(CursorId::from_number).collect(),
            headers: headers.into(),
            payload: payload.into(),
            ..Draft::default()
        });
        prop::collection::vec(one, 0..8)
    }

    fn matches(envelope: &Envelope<'_>, draft: &Draft) -> bool {
        envelope.name == draft.name
            && envelope.wanted_by().eq(draft.wanted_by.iter().copied())
            && envelope.headers == draft.headers
            && envelope.payload == draft.payload
    }

    proptest! {
        #[test]
        fn records_come_back_and_once_more_with_gaps(drafts in drafts(), gap in 0u64..1000) {
            let (mut slice, mut sparse) = (Vec::new(), Vec::new());
            for draft in &drafts {
                let before = slice.len();
                encode(draft, &mut slice);
                prop_assert!(slice.len() - before <= len_max(draft));
            }
            let read: Vec<_> = Envelopes::new(&slice, 7).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read.len(), drafts.len());
            for (at, (envelope, draft)) in read.iter().zip(&drafts).enumerate() {
                prop_assert_eq!(envelope.sequence, 7 + at as u64);
                prop_assert!(matches(envelope, draft));
                envelope.encode_again(gap, &mut sparse);
            }
            let again: Vec<_> = Envelopes::new(&sparse, 7).collect::<Result<_, _>>().unwrap();
            for (at, (envelope, draft)) in again.iter().zip(&drafts).enumerate() {
                prop_assert_eq!(envelope.sequence, 7 + at as u64 * (gap + 1) + gap);
                prop_assert!(matches(envelope, draft));
            }
        }

        #[test]
        fn nonsense_ends_the_slice(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let read: Vec<_> = Envelopes::new(&bytes, u64::MAX - 3).collect();
            prop_assert!(read.iter().rev().skip(1).all(Result::is_ok));
        }
    }

    #[test]
    fn the_envelope_is_small() {
        let draft = Draft { payload: vec![0; 256].into(), ..Draft::default() };
        let mut slice = Vec::new();
        encode(&draft, &mut slice);
        assert_eq!(slice.len(), 256 + 4);
        let name = Some(Name { producer: u64::MAX, number: u64::MAX });
        let wanted_by = [CursorId::from_number(200), CursorId::from_number(9)].into();
        slice.clear();
        encode(&Draft { name, wanted_by, ..draft }, &mut slice);
        assert!(slice.len() <= 256 + 64, "{}", slice.len());
    }
}
