//! The sums by which storage clients know that their bytes arrived: MD5 and a CRC of 64 bits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A sum over bytes in pieces, as base64 where it goes over the wire.
#[derive(Clone)]
pub struct Md5(md5::Context);

impl Default for Md5 {
    fn default() -> Self {
        Self(md5::Context::new())
    }
}

impl Md5 {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.consume(bytes);
    }

    pub fn finish(self) -> String {
        STANDARD.encode(self.0.finalize().0)
    }
}

/// The polynomial of NVMe, reflected, as the storage service has it.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut sum = at as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
};

#[derive(Clone, Copy)]
pub struct Crc64(u64);

impl Default for Crc64 {
    fn default() -> Self {
        Self(u64::MAX)
    }
}

impl Crc64 {
    pub fn update(&mut self, bytes: &[u8]) {
        let step = |sum: u64, byte: &u8| TABLE[usize::from(sum as u8 ^ byte)] ^ sum >> 8;
        self.0 = bytes.iter().fold(self.0, step);
    }

    /// Its bytes go out in the order of little-endian machines.
    pub fn finish(self) -> String {
        STANDARD.encode((self.0 ^ u64::MAX).to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_that_everybody_else_gets() {
        let (mut md5, mut crc) = (Md5::default(), Crc64::default());
        for piece in ["1234", "", "56789"] {
            md5.update(piece.as_bytes());
            crc.update(piece.as_bytes());
        }
        // The check values of MD5 and of CRC-64/NVME.
        assert_eq!(
            md5.finish(),
            STANDARD.encode(0x25f9_e794_323b_4538_85f5_181f_1b62_4d0b_u128.to_be_bytes())
        );
        assert_eq!(crc.finish(), STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_le_bytes()));
        assert_eq!(Crc64::default().finish(), STANDARD.encode([0; 8]));
    }
}
