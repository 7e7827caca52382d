//! When it is time: at a minute of the day where the machine stands, every so many days.

use std::time::Duration;

use skerry_model::Timestamp;

const DAY_S: i64 = 86_400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Between two runs, one at least.
    pub days: u32,
    /// After midnight.
    pub minute_of_day: u16,
}

impl Schedule {
    /// The whole days of `recurrence`, one at least.
    pub fn new(recurrence: Duration, minute_of_day: u16) -> Self {
        let days = (recurrence.as_secs() / DAY_S.unsigned_abs()).clamp(1, u64::from(u32::MAX));
        Self { days: u32::try_from(days).unwrap_or(u32::MAX), minute_of_day }
    }

    /// The first run after the start.
    pub fn first(&self, start: Timestamp, offset_s: i32) -> Timestamp {
        self.after(start, 1, offset_s)
    }

    /// The run after one at `last`. `offset_s` is what local clocks are ahead of UTC.
    pub fn next(&self, last: Timestamp, offset_s: i32) -> Timestamp {
        self.after(last, self.days, offset_s)
    }

    fn after(&self, last: Timestamp, days: u32, offset_s: i32) -> Timestamp {
        let local = last.unix_seconds() + i64::from(offset_s);
        let today = local - local.rem_euclid(DAY_S) + i64::from(self.minute_of_day) * 60;
        let next = if today > local { today } else { today + DAY_S };
        let wanted = next + i64::from(days - 1) * DAY_S;
        Timestamp::from_unix_seconds(wanted - i64::from(offset_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn runs_come_at_their_hour_where_the_machine_stands() {
        let daily = Schedule::new(Duration::from_secs(86_400), 2 * 60 + 30);
        for (start, offset, run) in [
            ("2024-05-01T12:00:00Z", 0, "2024-05-02T02:30:00Z"),
            ("2024-05-01T02:29:59Z", 0, "2024-05-01T02:30:00Z"),
            ("2024-05-01T02:30:00Z", 0, "2024-05-02T02:30:00Z"),
            ("2024-05-01T12:00:00Z", 2 * 3600, "2024-05-02T00:30:00Z"),
            ("2024-05-01T00:10:00Z", 2 * 3600, "2024-05-01T00:30:00Z"),
            ("2024-05-01T12:00:00Z", -7 * 3600, "2024-05-02T09:30:00Z"),
            ("2024-05-01T08:00:00Z", -7 * 3600, "2024-05-01T09:30:00Z"),
            // Before 1970, as a machine without a battery may think it is.
            ("1969-12-31T12:00:00Z", 0, "1970-01-01T02:30:00Z"),
        ] {
            assert_eq!(daily.first(at(start), offset), at(run), "{start} {offset}");
        }
    }

    #[test]
    fn further_runs_are_days_apart_and_the_first_one_is_not() {
        let weekly = Schedule::new(Duration::from_secs(7 * 86_400), 0);
        let first = weekly.first(at("2024-05-01T12:00:00Z"), 0);
        assert_eq!(first, at("2024-05-02T00:00:00Z"));
        assert_eq!(weekly.next(first, 0), at("2024-05-09T00:00:00Z"));
        // Clocks were set forward meanwhile: it stays at midnight.
        assert_eq!(weekly.next(first, 3600), at("2024-05-08T23:00:00Z"));
        assert_eq!(Schedule::new(Duration::ZERO, 0).days, 1);
    }
}
