//! Moments as the Azure world writes them: UTC, ISO 8601, ticks of 100 ns since year 1.
//!
//! Nobody in Skerry asks the machine for the time: a [`Clock`] comes in as a parameter, so
//! that tests can stop it, and so that one place decides what "now" is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Ticks of 100 ns between 0001-01-01 and 1970-01-01.
const EPOCH_TICKS: i64 = 621_355_968_000_000_000;
const TICKS_PER_SECOND: i64 = 10_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// 9999-12-31T23:59:59.9999999Z.
const MAX_TICKS: i64 = 3_155_378_975_999_999_999;

/// A moment in UTC with a resolution of 100 ns, between year 1 and year 9999.
///
/// The zero value is `0001-01-01T00:00:00Z`, which the wire uses for "never".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    ticks: i64,
}

impl Timestamp {
    /// What the wire shows for something that has not happened.
    pub const NEVER: Timestamp = Timestamp { ticks: 0 };

    /// Ticks of 100 ns since 0001-01-01; values outside the calendar are clamped to it.
    pub fn from_ticks(ticks: i64) -> Self {
        Self { ticks: ticks.clamp(0, MAX_TICKS) }
    }

    pub fn ticks(self) -> i64 {
        self.ticks
    }

    /// Whole seconds since 1970, as SAS tokens count.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self::from_ticks(seconds.saturating_mul(TICKS_PER_SECOND).saturating_add(EPOCH_TICKS))
    }

    /// Time since 1970, as operating systems count.
    pub fn from_unix(elapsed: std::time::Duration) -> Self {
        let ticks = i64::try_from(elapsed.as_nanos() / 100).unwrap_or(i64::MAX);
        Self::from_ticks(ticks.saturating_add(EPOCH_TICKS))
    }

    pub fn unix_seconds(self) -> i64 {
        (self.ticks - EPOCH_TICKS).div_euclid(TICKS_PER_SECOND)
    }

    pub fn is_never(self) -> bool {
        self.ticks == 0
    }

    /// This moment later by `duration`, held inside the calendar.
    #[must_use]
    pub fn plus(self, duration: std::time::Duration) -> Self {
        let ticks = i64::try_from(duration.as_nanos() / 100).unwrap_or(i64::MAX);
        Self::from_ticks(self.ticks.saturating_add(ticks))
    }

    /// Time from `earlier` to this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> std::time::Duration {
        let ticks = u64::try_from(self.ticks.saturating_sub(earlier.ticks)).unwrap_or(0);
        std::time::Duration::from_nanos(ticks.saturating_mul(100))
    }
}

impl fmt::Display for Timestamp {
    /// `2024-01-01T00:00:00Z`, with up to seven digits of fraction where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.ticks.div_euclid(TICKS_PER_SECOND);
        let fraction = self.ticks.rem_euclid(TICKS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if fraction != 0 {
            let digits = format!("{fraction:07}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// The text is not a UTC moment in ISO 8601.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a UTC time such as 2024-01-31T12:00:00Z")]
pub struct TimestampError {
    pub text: String,
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads what SDKs send: with or without fraction, with `Z`, `+00:00` or nothing.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| TimestampError { text: text.chars().take(64).collect() })
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).unwrap_or(text);
    let (date, time) = text.split_once(['T', ' '])?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if day < 1 || civil_from_days(days) != (year, month, day) {
        return None;
    }
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ticks_text: String = fraction.chars().chain("0000000".chars()).take(7).collect();
    let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    Some(Timestamp::from_ticks(seconds * TICKS_PER_SECOND + ticks_text.parse::<i64>().ok()?))
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| {
        let digits = !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse::<i64>().ok()).flatten()
    });
    let found = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(found)
}

/// Days since 0001-01-01 of a date in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last of its year.
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 306
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 306;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where engines learn the time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// Where engines get randomness: keys, generation ids, tracking ids.
pub trait Random: Send + Sync {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_forms_are_read_and_written() {
        let table = [
            ("0001-01-01T00:00:00", "0001-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", EPOCH_TICKS),
            ("2024-02-29T23:59:59.1234567Z", "2024-02-29T23:59:59.1234567Z", 638_448_479_991_234_567),
            ("2024-03-01T00:00:00.5+00:00", "2024-03-01T00:00:00.5Z", 638_448_480_005_000_000),
            ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z", MAX_TICKS),
        ];
        for (text, written, ticks) in table {
            let moment: Timestamp = text.parse().unwrap();
            assert_eq!((moment.to_string().as_str(), moment.ticks()), (written, ticks), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "T",
            "2024-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-01-01",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+01:00",
            "٢٠٢٤-01-01T00:00:00Z",
            "2024-1-1T-1:00:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_moment_survives_its_text(ticks in 0..=MAX_TICKS) {
            let moment = Timestamp::from_ticks(ticks);
            proptest::prop_assert_eq!(moment.to_string().parse::<Timestamp>().unwrap(), moment);
        }
    }
}
