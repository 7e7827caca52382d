//! The outermost form of DER, where the parsers give no access to the bytes themselves.

/// What stands inside the sequence at the beginning.
pub(crate) fn inside_sequence(der: &[u8]) -> Option<&[u8]> {
    let (&[0x30, first], rest) = der.split_first_chunk()? else { return None };
    let (len, rest) = match first {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let (long, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*long)), rest)
        }
        _ => return None,
    };
    rest.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_of_every_length_are_opened_and_nothing_else() {
        assert_eq!(inside_sequence(&[0x30, 2, 7, 8, 9]), Some(&[7, 8][..]));
        assert_eq!(inside_sequence(&[0x30, 0x81, 1, 7]), Some(&[7][..]));
        assert_eq!(inside_sequence(&[0x30, 0x82, 0, 1, 7]), Some(&[7][..]));
        for short in
            [&[][..], &[0x30], &[0x30, 2, 7], &[0x31, 0], &[0x30, 0x82, 1], &[0x30, 0x84, 0, 0, 0, 0]]
        {
            assert_eq!(inside_sequence(short), None, "{short:?}");
        }
    }
}
