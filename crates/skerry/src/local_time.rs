//! What a file of time zones says of one moment: all that `cleanup_time` needs of local time.
//!
//! Rules for years beyond the last change in the file are not read: after it, everything stays as that
//! change left it, which may be an hour off in summer.

const HEADER_BYTES: usize = 44;

/// Seconds that local clocks are ahead of UTC; `None` where this is no such file.
pub fn offset(file: &[u8], unix_seconds: i64) -> Option<i32> {
    let first = Counts::read(file)?;
    // Files of the second kind repeat everything with times that reach further.
    let (counts, block, width) = match file.get(4)? {
        0 => (first, file.get(HEADER_BYTES..)?, 4),
        _ => {
            let rest = file.get(HEADER_BYTES + first.block_bytes(4)..)?;
            (Counts::read(rest)?, rest.get(HEADER_BYTES..)?, 8)
        }
    };
    let (times, rest) = block.split_at_checked(counts.times * width)?;
    let (kinds_of_times, rest) = rest.split_at_checked(counts.times)?;
    let (kinds, _) = rest.split_at_checked(counts.kinds * 6)?;
    let time = |bytes: &[u8]| match width {
        4 => bytes.try_into().map(i32::from_be_bytes).map(i64::from).ok(),
        _ => bytes.try_into().map(i64::from_be_bytes).ok(),
    };
    let past =
        times.chunks_exact(width).take_while(|at| time(at).is_some_and(|at| at <= unix_seconds)).count();
    // Before the first change the first kind counts.
    let kind = past.checked_sub(1).map_or(Some(0), |last| kinds_of_times.get(last).copied())?;
    let kind = kinds.chunks_exact(6).nth(usize::from(kind))?;
    kind[..4].try_into().map(i32::from_be_bytes).ok()
}

struct Counts {
    isutc: usize,
    isstd: usize,
    leaps: usize,
    times: usize,
    kinds: usize,
    chars: usize,
}

impl Counts {
    fn read(header: &[u8]) -> Option<Self> {
        if !header.starts_with(b"TZif") || header.len() < HEADER_BYTES {
            return None;
        }
        let count = |at: usize| {
            let bytes = header.get(20 + at * 4..24 + at * 4)?.try_into().ok()?;
            usize::try_from(u32::from_be_bytes(bytes)).ok()
        };
        let [isutc, isstd, leaps, times, kinds, chars] = [0, 1, 2, 3, 4, 5].map(count);
        Some(Self {
            isutc: isutc?,
            isstd: isstd?,
            leaps: leaps?,
            times: times?,
            kinds: kinds?,
            chars: chars?,
        })
    }

    fn block_bytes(&self, width: usize) -> usize {
        self.times * (width + 1)
            + self.kinds * 6
            + self.chars
            + self.leaps * (width + 4)
            + self.isstd
            + self.isutc
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zone that changes at these times to these offsets.
    fn block(width: usize, version: u8, changes: &[(i64, i32)]) -> Vec<u8> {
        let mut out = b"TZif".to_vec();
        out.push(version);
        out.extend([0; 15]);
        for count in [0, 0, 0, changes.len() as u32, changes.len() as u32 + 1, 4] {
            out.extend(count.to_be_bytes());
        }
        for (at, _) in changes {
            out.extend(&at.to_be_bytes()[8 - width..]);
        }
        out.extend((1..=changes.len()).map(|kind| kind as u8));
        for offset in std::iter::once(&0).chain(changes.iter().map(|(_, offset)| offset)) {
            out.extend(offset.to_be_bytes());
            out.extend([0, 0]);
        }
        out.extend(b"LMT\0");
        out
    }

    #[test]
    fn the_change_before_a_moment_counts() {
        let changes = [(1000, 3600), (2000, 7200), (3000, -1800)];
        let new = [block(4, b'2', &[]), block(8, b'2', &changes), b"\nUTC0\n".to_vec()].concat();
        for file in [block(4, 0, &changes), new] {
            let found = [0, 999, 1000, 1999, 2500, 3000, 9_000_000_000].map(|at| offset(&file, at));
            assert_eq!(found, [0, 0, 3600, 3600, 7200, -1800, -1800].map(Some));
        }
    }

    #[test]
    fn what_is_no_such_file_says_nothing() {
        let file = block(8, b'2', &[(1000, 3600)]);
        for bytes in [&b""[..], b"TZif", &file[..40], &file[..60], &[0; 200]] {
            assert_eq!(offset(bytes, 5000), None, "{}", bytes.len());
        }
    }
}
