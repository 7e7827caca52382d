//! The part of a blob that a reader wants.

use std::ops::Range;

use super::call::Call;
use super::fault::{Code, Fault};

/// `None` for all of it; `x-ms-range` counts before `Range`.
pub(super) fn wanted(call: &Call<'_>, bytes: u64) -> Result<Option<Range<u64>>, Fault> {
    match call.header("x-ms-range").or_else(|| call.header("range")) {
        None => Ok(None),
        Some(text) => {
            let (start, end) = parse(text)
                .ok_or_else(|| Fault::header("range", "must be bytes=FIRST-LAST or bytes=FIRST-"))?;
            if start >= bytes {
                let text = format!("the blob has {bytes} bytes, none at {start}");
                return Err(Fault { length: Some(bytes), ..Fault::new(Code::InvalidRange, text) });
            }
            Ok(Some(start..end.map_or(bytes, |last| last.saturating_add(1).min(bytes))))
        }
    }
}

fn parse(text: &str) -> Option<(u64, Option<u64>)> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let first: u64 = number(first)?;
    match last {
        "" => Some((first, None)),
        last => number(last).filter(|last| *last >= first).map(|last| (first, Some(last))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_storage_clients() {
        assert_eq!(parse("bytes=0-0"), Some((0, Some(0))));
        assert_eq!(parse("bytes=5-"), Some((5, None)));
        for text in
            ["", "bytes=-5", "bytes=5", "bytes=5-4", "bytes=a-b", "items=0-1", "bytes=0-1,4-5", "bytes=+1-2"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
