//! One line of a module: `<6> 2024-05-01 12:00:00.123 +00:00 [INF] - text`, as the original's modules
//! write it, or anything else.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) level: u64,
    pub(super) timestamp: Option<String>,
    pub(super) text: &'a str,
}

/// What a line without a level has.
const LEVEL: u64 = 6;

impl<'a> Line<'a> {
    pub(super) fn parse(line: &'a str) -> Self {
        let plain = Self { level: LEVEL, timestamp: None, text: line };
        let Some((level, rest)) = level(line) else { return plain };
        match timestamp(rest) {
            Some((timestamp, text)) => Self { level, timestamp: Some(timestamp), text },
            None => Self { level, timestamp: None, text: rest },
        }
    }
}

fn level(line: &str) -> Option<(u64, &str)> {
    let rest = line.strip_prefix('<')?;
    let (digit, rest) = rest.split_once('>')?;
    let level = digit.parse().ok().filter(|level| *level <= 7)?;
    Some((level, rest.trim_start()))
}

/// As ISO 8601, with its offset.
fn timestamp(text: &str) -> Option<(String, &str)> {
    const PATTERN: &str = "dddd-dd-dd dd:dd:dd.ddd +dd:dd";
    let head = text.get(..PATTERN.len())?;
    let fits = head.chars().zip(PATTERN.chars()).all(|(found, wanted)| match wanted {
        'd' => found.is_ascii_digit(),
        '+' => matches!(found, '+' | '-'),
        other => found == other,
    });
    let iso = || format!("{}T{}{}", &head[..10], &head[11..23], &head[24..]);
    fits.then(|| (iso(), text[PATTERN.len()..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        for (line, level, timestamp, text) in [
            (
                "<4> 2024-05-01 12:00:00.123 +02:00 [WRN] - low tide",
                4,
                Some("2024-05-01T12:00:00.123+02:00"),
                "[WRN] - low tide",
            ),
            ("<3> no time", 3, None, "no time"),
            ("plain", 6, None, "plain"),
            ("<9> x", 6, None, "<9> x"),
            ("<>", 6, None, "<>"),
            ("<6> 2024-05-01 12:00:00.12é +02:00", 6, None, "2024-05-01 12:00:00.12é +02:00"),
            ("", 6, None, ""),
        ] {
            let parsed = Line::parse(line);
            let expected = Line { level, timestamp: timestamp.map(str::to_owned), text };
            assert_eq!(parsed, expected);
        }
    }
}
