//! ZIP archives, as simple as the format allows: files are stored as they are, names are UTF-8.
//!
//! ```text
//! (local header, name, bytes) for each file     (central header, name) for each file     end
//! ```

use skerry_model::Timestamp;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// The version that a reader needs, and the flag for names in UTF-8.
const VERSION: u16 = 20;
const UTF8: u16 = 1 << 11;

/// Sizes and counts stay below what the format's first version holds.
const BYTES_MAX: usize = 1 << 30;
const FILES_MAX: usize = 10_000;

/// A longer comment would hide the end; ours have none.
const END_BYTES: usize = 22;

/// An archive in memory.
pub struct Archive {
    bytes: Vec<u8>,
    central: Vec<u8>,
    count: u16,
    /// Date and time as DOS wrote them.
    stamp: u32,
}

impl Archive {
    pub fn new(now: Timestamp) -> Self {
        Self { bytes: Vec::new(), central: Vec::new(), count: 0, stamp: stamp(now) }
    }

    /// Takes an archive up again that was made here; `None` for any other bytes.
    pub fn reopen(mut bytes: Vec<u8>, now: Timestamp) -> Option<Self> {
        let end = bytes.len().checked_sub(END_BYTES)?;
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let half = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let (start, length) = (word(end + 16)? as usize, word(end + 12)? as usize);
        if word(end)? != END || half(end + 20)? != 0 || start.checked_add(length)? != end {
            return None;
        }
        let count = half(end + 10)?;
        bytes.truncate(end);
        let central = bytes.split_off(start);
        Some(Self { bytes, central, count, stamp: stamp(now) })
    }

    /// Adds a file, unless the archive is full.
    pub fn add(&mut self, name: &str, content: &[u8]) -> Result<(), Full> {
        let grown = self.bytes.len() + self.central.len() + content.len() + 2 * name.len();
        if grown > BYTES_MAX || usize::from(self.count) >= FILES_MAX || name.len() > usize::from(u16::MAX) {
            return Err(Full);
        }
        let offset = u32::try_from(self.bytes.len()).map_err(|_| Full)?;
        let length = u32::try_from(content.len()).map_err(|_| Full)?;
        let mut common = Vec::with_capacity(26);
        for half in [VERSION, UTF8, 0] {
            common.extend_from_slice(&half.to_le_bytes());
        }
        for word in [self.stamp, crc32fast::hash(content), length, length] {
            common.extend_from_slice(&word.to_le_bytes());
        }
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        common.extend_from_slice(&[0, 0]);

        self.bytes.extend_from_slice(&LOCAL.to_le_bytes());
        self.bytes.extend_from_slice(&common);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(content);

        self.central.extend_from_slice(&CENTRAL.to_le_bytes());
        self.central.extend_from_slice(&VERSION.to_le_bytes());
        self.central.extend_from_slice(&common);
        // No comment, the first disk, no attributes.
        self.central.extend_from_slice(&[0; 10]);
        self.central.extend_from_slice(&offset.to_le_bytes());
        self.central.extend_from_slice(name.as_bytes());
        self.count += 1;
        Ok(())
    }

    pub fn finish(mut self) -> Vec<u8> {
        let start = self.bytes.len() as u32;
        let length = self.central.len() as u32;
        self.bytes.append(&mut self.central);
        self.bytes.extend_from_slice(&END.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        for half in [self.count, self.count] {
            self.bytes.extend_from_slice(&half.to_le_bytes());
        }
        for word in [length, start] {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes
    }
}

/// The archive takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Seconds in steps of two, years from 1980.
fn stamp(now: Timestamp) -> u32 {
    let text = now.to_string();
    let number =
        |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    let date = (year.saturating_sub(1980).min(127) << 9) | (month << 5) | day;
    (date << 16) | (hour << 11) | (minute << 5) | (second / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_is_taken_up_again_is_the_one_that_was_never_closed() {
        let now: Timestamp = "2026-01-02T03:04:06Z".parse().unwrap();
        let mut whole = Archive::new(now);
        for (name, content) in [("a", "one"), ("b/c", ""), ("d", "two")] {
            whole.add(name, content.as_bytes()).unwrap();
        }
        let mut first = Archive::new(now);
        first.add("a", b"one").unwrap();
        let mut again = Archive::reopen(first.finish(), now).unwrap();
        again.add("b/c", b"").unwrap();
        let mut again = Archive::reopen(again.finish(), now).unwrap();
        again.add("d", b"two").unwrap();
        let whole = whole.finish();
        assert_eq!(again.finish(), whole);
        for bytes in [&whole[..whole.len() - 1], &whole[1..], b"", b"PK"] {
            assert!(Archive::reopen(bytes.to_vec(), now).is_none());
        }
    }
}
