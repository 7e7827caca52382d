//! What one file holds: what everybody reads, what is on the platter, and what lies between.

use std::ops::Range;

use super::Cut;
use crate::samples::Dice;

/// What a disk writes whole or not at all.
pub(crate) const SECTOR: usize = 512;

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// What readers get.
    pub(super) live: Vec<u8>,
    /// What is there after a power cut, whatever happens.
    pub(super) durable: Vec<u8>,
    /// Written since the last sync, in order.
    pub(super) pending: Vec<Write>,
    /// Made since the disk was mounted, rather than found on it.
    pub(super) made: bool,
    /// Handles. A file without a name lives as long as somebody has it open.
    pub(super) open: usize,
    pub(super) syncs: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Write {
    number: u64,
    offset: usize,
    bytes: Vec<u8>,
}

impl Write {
    fn end(&self) -> usize {
        self.offset + self.bytes.len()
    }

    fn touches(&self, sector: usize) -> bool {
        self.offset < (sector + 1) * SECTOR && self.end() > sector * SECTOR
    }
}

impl Inode {
    pub(super) fn write(&mut self, number: u64, offset: usize, bytes: &[u8]) {
        put(&mut self.live, offset, bytes);
        self.pending.push(Write { number, offset, bytes: bytes.to_vec() });
    }

    /// The bytes that a sync would write now.
    pub(super) fn dirty(&self) -> Range<usize> {
        let from = self.pending.iter().map(|write| write.offset).min().unwrap_or(0);
        from..self.pending.iter().map(Write::end).max().unwrap_or(from)
    }

    /// What was written before `number` is durable, and so is the length.
    pub(super) fn sync(&mut self, number: u64, length: usize) {
        for write in self.pending.extract_if(.., |write| write.number < number) {
            put(&mut self.durable, write.offset, &write.bytes);
        }
        self.durable.resize(self.durable.len().max(length), 0);
    }

    /// A sync that failed, as Linux has it: some of the pages were written, and all of them count
    /// as clean from now on, so that no later sync writes them. Whether readers still find them is
    /// up to the file system.
    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        let forgets = dice.roll(2) == 0;
        for write in std::mem::take(&mut self.pending) {
            if dice.roll(3) == 0 {
                put(&mut self.durable, write.offset, &write.bytes);
            }
        }
        if forgets {
            let length = self.live.len();
            self.live.clone_from(&self.durable);
            self.live.resize(length, 0);
        }
    }

    /// What is left of the file after a cut.
    pub(super) fn after(&self, cut: Cut, dice: &mut Dice) -> Self {
        let durable = match cut {
            Cut::Killed => {
                // Changes are counted anew, and these came before the first.
                let pending = self.pending.iter().map(|write| Write { number: 0, ..write.clone() }).collect();
                return Self { pending, made: false, open: 0, syncs: 0, ..self.clone() };
            }
            Cut::Dropped => self.durable.clone(),
            Cut::Dice(_) => self.tossed(dice),
        };
        Self { live: durable.clone(), durable, ..Self::default() }
    }

    /// The page cache writes sectors whenever it likes. So each sector is as it was after some
    /// write to it, or as it was before all of them; which one is settled per write first, as what
    /// is written together mostly arrives together.
    fn tossed(&self, dice: &mut Dice) -> Vec<u8> {
        let mut content = self.durable.clone();
        let fates: Vec<Fate> = fates(self.pending.len(), dice);
        let dirty = self.dirty();
        if self.pending.is_empty() {
            return content;
        }
        for sector in dirty.start / SECTOR..dirty.end.div_ceil(SECTOR) {
            let arrived = self.pending.iter().zip(&fates).rposition(|(write, fate)| {
                write.touches(sector)
                    && match fate {
                        Fate::Kept => true,
                        Fate::Lost => false,
                        Fate::Prefix(part) => sector * SECTOR < write.offset + write.bytes.len() * part / 100,
                        Fate::Mixed => dice.roll(2) == 0,
                    }
            });
            for write in &self.pending[..arrived.map_or(0, |last| last + 1)] {
                let from = write.offset.max(sector * SECTOR);
                let to = write.end().min((sector + 1) * SECTOR);
                if from < to {
                    put(&mut content, from, &write.bytes[from - write.offset..to - write.offset]);
                }
            }
        }
        content.resize(self.length(dice), 0);
        content
    }

    /// The length is written apart from the bytes: with it they read as zeros where they are lost,
    /// without it they are not there at all.
    fn length(&self, dice: &mut Dice) -> usize {
        let (least, most) = (self.durable.len(), self.live.len());
        match dice.roll(8) {
            _ if least >= most => least,
            0 => least,
            1 => self.pending[dice.roll(self.pending.len())].end().max(least),
            2 => (least + dice.roll(most - least)).next_multiple_of(SECTOR).min(most),
            _ => most,
        }
    }

    pub(super) fn flip(&mut self, offset: usize, mask: u8) {
        for content in [&mut self.live, &mut self.durable] {
            if let Some(byte) = content.get_mut(offset) {
                *byte ^= mask;
            }
        }
    }
}

enum Fate {
    Kept,
    Lost,
    /// So many hundredths, in whole sectors.
    Prefix(usize),
    Mixed,
}

/// Several shapes of misfortune, as dice thrown for each write alone hardly ever make the clean ones.
fn fates(count: usize, dice: &mut Dice) -> Vec<Fate> {
    let (style, chosen) = (dice.roll(6), dice.roll(count.max(1)));
    (0..count)
        .map(|at| match style {
            // One is missing in the middle of the others.
            0 if at == chosen => Fate::Lost,
            0 => Fate::Kept,
            // The last alone arrived: writes in the wrong order.
            1 if at + 1 == count => Fate::Kept,
            1 => Fate::Lost,
            // Everything up to somewhere in one of them.
            2 if at == chosen => Fate::Prefix(dice.roll(100)),
            2 if at < chosen => Fate::Kept,
            2 => Fate::Lost,
            // One is torn, whatever came after it.
            3 if at == chosen => Fate::Mixed,
            3 => Fate::Kept,
            _ => match dice.roll(4) {
                0 => Fate::Lost,
                1 => Fate::Prefix(dice.roll(100)),
                2 => Fate::Mixed,
                _ => Fate::Kept,
            },
        })
        .collect()
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    content.resize(content.len().max(end), 0);
    content[offset..end].copy_from_slice(bytes);
}
