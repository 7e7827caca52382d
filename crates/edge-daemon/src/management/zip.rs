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
pub(super) const BYTES_MAX: usize = 1 << 30;
pub(super) const FILES_MAX: usize = 10_000;

/// An archive in memory.
pub(super) struct Archive {
    bytes: Vec<u8>,
    central: Vec<u8>,
    count: u16,
    /// Date and time as DOS wrote them.
    stamp: u32,
}

impl Archive {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { bytes: Vec::new(), central: Vec::new(), count: 0, stamp: stamp(now) }
    }

    /// Adds a file, unless the archive is full.
    pub(super) fn add(&mut self, name: &str, content: &[u8]) -> Result<(), Full> {
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

    pub(super) fn finish(mut self) -> Vec<u8> {
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
pub(super) struct Full;

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
