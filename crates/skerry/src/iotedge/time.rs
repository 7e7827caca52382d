//! How long something took, as people say it: to the second at first, roughly later.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Until then, seconds count.
const PRECISE_UNTIL_SECONDS: u64 = 20;

pub fn roughly(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / MINUTE, seconds / HOUR, seconds / DAY);
    let some = |count: u64, unit: &str| format!("{} {unit}s", count.max(2));
    match seconds {
        1 => "1 second".to_owned(),
        0..=PRECISE_UNTIL_SECONDS => format!("{seconds} seconds"),
        _ if days > 547 => some(days / 365, "year"),
        _ if days > 345 => "a year".to_owned(),
        _ if days > 45 => some(days / 30, "month"),
        _ if days > 29 => "a month".to_owned(),
        _ if days > 10 => some(days / 7, "week"),
        _ if days > 6 => "a week".to_owned(),
        _ if hours > 36 => some(days, "day"),
        _ if hours > 22 => "a day".to_owned(),
        _ if minutes > 90 => some(hours, "hour"),
        _ if minutes > 45 => "an hour".to_owned(),
        _ if seconds > 90 => some(minutes, "minute"),
        _ if seconds > 45 => "a minute".to_owned(),
        _ => some(seconds, "second"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        for (seconds, said) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (20, "20 seconds"),
            (40, "40 seconds"),
            (60, "a minute"),
            (91, "2 minutes"),
            (5 * MINUTE, "5 minutes"),
            (50 * MINUTE, "an hour"),
            (3 * HOUR, "3 hours"),
            (24 * HOUR, "a day"),
            (3 * DAY, "3 days"),
            (8 * DAY, "a week"),
            (20 * DAY, "2 weeks"),
            (31 * DAY, "a month"),
            (100 * DAY, "3 months"),
            (400 * DAY, "a year"),
            (800 * DAY, "2 years"),
        ] {
            assert_eq!(roughly(Duration::from_secs(seconds)), said, "{seconds}");
        }
    }
}
