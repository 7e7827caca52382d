//! Passing over a value without making it: whoever sends a million elements gets no room for them.

use super::code;
use super::decode::{DecodeError, Input, is_wide};

/// Passes over one value; what is inside compound values is not looked at.
pub fn skip_value(input: &mut Input) -> Result<(), DecodeError> {
    // Descriptors in descriptors cost nothing here, and are not endless: each takes a byte.
    let mut values = 1_usize;
    while values > 0 {
        values -= 1;
        match input.u8()? {
            code::DESCRIBED => values += 2,
            code => skip_content(input, code)?,
        }
    }
    Ok(())
}

fn skip_content(input: &mut Input, code: u8) -> Result<(), DecodeError> {
    let len = match code >> 4 {
        0x4 => 0,
        0x5 => 1,
        0x6 => 2,
        0x7 => 4,
        0x8 => 8,
        0x9 => 16,
        0xa..=0xf => input.length(is_wide(code))?,
        _ => return Err(DecodeError::Code { code }),
    };
    input.advance(len)
}
