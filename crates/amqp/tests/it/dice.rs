//! Chance with a seed, and how often to try it.

/// The same seed gives the same run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        // Neighbours are to have nothing in common.
        Self((seed ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9) | 1)
    }

    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }

    /// A number that somebody may have thought of: small, at an edge, or any.
    pub fn number(&mut self) -> u32 {
        match self.roll(4) {
            0 => self.roll(4) as u32,
            1 => *self.pick(&[u32::MAX, u32::MAX - 1, u32::MAX / 2, u32::MAX / 2 + 1, 255, 256, 65535]),
            2 => self.roll(100) as u32,
            _ => self.roll(u32::MAX as usize) as u32,
        }
    }
}

/// Changes a few bytes, some into what means something.
pub fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.roll(bytes.len() + 1);
    let end = (at + dice.roll(12)).min(bytes.len());
    match dice.roll(7) {
        0 => drop(bytes.drain(at..end)),
        1 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
        2 if at < bytes.len() => {
            bytes[at] = *dice.pick(&[
                0, 0x40, 0x41, 0x43, 0x45, 0x50, 0x53, 0x70, 0x80, 0xa0, 0xa1, 0xa3, 0xb0, 0xb1, 0xc0, 0xc1,
                0xd0, 0xd1, 0xe0, 0xf0, 0xff,
            ]);
        }
        3 => {
            let claim = dice.number().to_be_bytes();
            let end = (at + 4).min(bytes.len());
            bytes[at..end].copy_from_slice(&claim[..end - at]);
        }
        4 => {
            let copy = bytes[at..end].to_vec();
            let to = dice.roll(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        5 => {
            let from = dice.roll(other.len() + 1);
            let to = (from + dice.roll(40)).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        _ => bytes.insert(at, dice.roll(256) as u8),
    }
}

/// How often to try: more in a long night, by a variable of the environment.
#[allow(clippy::disallowed_methods, reason = "whoever starts the tests says how long they may take")]
pub fn often(usually: u64) -> u64 {
    std::env::var("SKERRY_TEST_FUZZ_RUNS").map_or(usually, |often| often.parse().expect("a number"))
}
