//! Types and sizes: the first bytes of an element.

use super::JsonError;

pub(super) const NULL: u8 = 0;
pub(super) const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
pub(super) const INT: u8 = 3;
pub(super) const INT5: u8 = 4;
pub(super) const FLOAT: u8 = 5;
pub(super) const FLOAT5: u8 = 6;
pub(super) const TEXT: u8 = 7;
pub(super) const TEXTJ: u8 = 8;
pub(super) const TEXT5: u8 = 9;
pub(super) const TEXTRAW: u8 = 10;
pub(super) const ARRAY: u8 = 11;
pub(super) const OBJECT: u8 = 12;

/// An element inside `bytes`, its bounds already checked.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) kind: u8,
    pub(super) payload: &'a [u8],
    /// Where the payload begins, for error messages.
    pub(super) at: usize,
}

/// Reads the element at the start of `bytes` (which begin at `at` of the whole) and what follows.
pub(super) fn take(bytes: &[u8], at: usize) -> Result<(Element<'_>, &[u8]), JsonError> {
    let (&first, rest) = bytes.split_first().ok_or(JsonError { at, what: "an element is missing" })?;
    let width = match first >> 4 {
        12 => 1,
        13 => 2,
        14 => 4,
        15 => 8,
        _ => 0,
    };
    let (digits, rest) = rest.split_at_checked(width).ok_or(JsonError { at, what: "a size is cut off" })?;
    let size = if width == 0 {
        u64::from(first >> 4)
    } else {
        digits.iter().fold(0, |size, &digit| size << 8 | u64::from(digit))
    };
    let (payload, rest) = usize::try_from(size)
        .ok()
        .and_then(|size| rest.split_at_checked(size))
        .ok_or(JsonError { at, what: "an element is longer than what holds it" })?;
    Ok((Element { kind: first & 15, payload, at: at + 1 + width }, rest))
}

/// Writes the shortest header, then nothing: the payload is the caller's.
pub(super) fn push(out: &mut Vec<u8>, kind: u8, size: usize) {
    let mut header = [0; 9];
    let length = write(&mut header, kind, size);
    out.extend_from_slice(&header[..length]);
}

/// Puts the shortest header in front of a payload that was written from `start` on.
pub(super) fn insert(out: &mut Vec<u8>, start: usize, kind: u8) {
    let size = out.len() - start;
    let mut header = [0; 9];
    let length = write(&mut header, kind, size);
    out.splice(start..start, header[..length].iter().copied());
}

fn write(header: &mut [u8; 9], kind: u8, size: usize) -> usize {
    let digits = (size as u64).to_be_bytes();
    let (mark, width) = match size {
        0..=11 => (size as u8, 0),
        12..=0xff => (12, 1),
        0x100..=0xffff => (13, 2),
        0x1_0000..=0xffff_ffff => (14, 4),
        _ => (15, 8),
    };
    header[0] = mark << 4 | kind;
    header[1..=width].copy_from_slice(&digits[8 - width..]);
    1 + width
}
