//! Moments in questions about logs: RFC 3339, seconds since 1970, or how long ago.

use std::time::Duration;

use skerry_model::Timestamp;

pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(Timestamp::from_unix_seconds(seconds));
    }
    if let Some(ago) = duration(text) {
        let seconds = i64::try_from(ago.as_secs()).ok()?;
        return Some(Timestamp::from_unix_seconds(now.unix_seconds().saturating_sub(seconds)));
    }
    with_offset(text)
}

/// With an offset from UTC, as RFC 3339 allows.
fn with_offset(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let at = text.rfind(['+', '-']).filter(|at| *at > 10)?;
    let (local, offset) = text.split_at(at);
    let (hours, minutes) = offset[1..].split_once(':')?;
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<i64>().ok()).flatten();
    let offset_seconds = two(hours)? * 3600 + two(minutes)? * 60;
    let local = format!("{local}Z").parse::<Timestamp>().ok()?;
    let sign = if offset.starts_with('-') { 1 } else { -1 };
    Some(Timestamp::from_unix_seconds(local.unix_seconds() + sign * offset_seconds))
}

/// `1 day`, `2h 30m`, `90s`.
fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let seconds = match unit {
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 7 * 86_400,
            _ => return None,
        };
        let seconds = number.parse::<u64>().ok()?.checked_mul(seconds)?;
        total = total.checked_add(Duration::from_secs(seconds))?;
        rest = after.trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_all_three_forms() {
        let now = Timestamp::from_unix_seconds(1_000_000);
        for (text, seconds) in [
            ("1000", Some(1000)),
            ("1 day", Some(1_000_000 - 86_400)),
            ("2h 30m", Some(1_000_000 - 9000)),
            ("90s", Some(1_000_000 - 90)),
            ("1970-01-02T00:00:00Z", Some(86_400)),
            ("1970-01-02T00:00:00.5Z", Some(86_400)),
            ("1970-01-02T02:00:00+02:00", Some(86_400)),
            ("1970-01-01T22:30:00-01:30", Some(86_400)),
            ("yesterday", None),
            ("", None),
            ("5 fortnights", None),
            ("99999999999999999999d", None),
            ("1970-01-02T00:00:00+2:00", None),
        ] {
            assert_eq!(moment(text, now).map(Timestamp::unix_seconds), seconds, "{text}");
        }
    }
}
