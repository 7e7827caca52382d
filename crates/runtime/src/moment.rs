//! Moments as operators write them when they ask for logs.

use std::time::Duration;

use skerry_model::Timestamp;

const UNITS: [(&[&str], u64); 5] = [
    (&["s", "sec", "secs", "second", "seconds"], 1),
    (&["m", "min", "mins", "minute", "minutes"], 60),
    (&["h", "hr", "hrs", "hour", "hours"], 3600),
    (&["d", "day", "days"], 86_400),
    (&["w", "week", "weeks"], 604_800),
];

/// `2024-05-01T12:00:00Z`, seconds since 1970, or how long ago: `10m`, `2 hours`, `1d 12h`.
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(Timestamp::from_unix_seconds(seconds));
    }
    text.parse().ok().or_else(|| Some(before(now, ago(text)?)))
}

fn ago(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, factor) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = after.trim_start();
    }
    (!text.is_empty()).then(|| Duration::from_secs(seconds))
}

fn before(now: Timestamp, ago: Duration) -> Timestamp {
    let ticks = i64::try_from(ago.as_nanos() / 100).unwrap_or(i64::MAX);
    Timestamp::from_ticks(now.ticks().saturating_sub(ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        let now: Timestamp = "2024-05-02T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2024-05-01T12:00:00Z", "2024-05-01T12:00:00Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("10m", "2024-05-02T11:50:00Z"),
            ("2 hours", "2024-05-02T10:00:00Z"),
            ("1d 12h", "2024-05-01T00:00:00Z"),
            ("1h30min", "2024-05-02T10:30:00Z"),
            (" 0s ", "2024-05-02T12:00:00Z"),
        ] {
            assert_eq!(moment(text, now), Some(expected.parse().unwrap()), "{text}");
        }
        for text in ["", "h", "10", "10 x", "-5m", "99999999999999999999h", "yesterday"] {
            let is_read = moment(text, now).is_some();
            assert_eq!(is_read, text == "10", "{text}");
        }
    }
}
