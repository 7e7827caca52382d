//! Numbers as a table shows them.

use std::time::Duration;

/// In what a row is told.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    /// More is better.
    PerSecond,
    /// Less is better, here and below.
    Milliseconds,
    Megabytes,
    /// Of one of many.
    Kibibytes,
    /// Files of a log.
    Segments,
}

impl Unit {
    /// Above one, the first is better.
    pub(crate) fn ratio(self, ours: f64, peer: f64) -> f64 {
        match self {
            Unit::PerSecond => ours / peer,
            Unit::Milliseconds | Unit::Megabytes | Unit::Kibibytes | Unit::Segments => peer / ours,
        }
    }

    /// What a goal of this unit demands, and whether it is met.
    pub(crate) fn judge(self, found: f64, goal: f64) -> (&'static str, bool) {
        match self {
            Unit::PerSecond => ("≥", found >= goal),
            Unit::Milliseconds | Unit::Megabytes | Unit::Kibibytes | Unit::Segments => ("≤", found <= goal),
        }
    }
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

pub(crate) fn word(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

pub(crate) fn shown(number: f64, unit: Unit) -> String {
    match unit {
        // What took too long to be waited for.
        _ if number.is_infinite() => "never".to_owned(),
        Unit::PerSecond if number >= 1e6 => format!("{:.2}M/s", number / 1e6),
        Unit::PerSecond if number >= 10_000.0 => format!("{:.1}k/s", number / 1000.0),
        Unit::PerSecond => format!("{number:.0}/s"),
        Unit::Milliseconds if number >= 10_000.0 => format!("{:.1} s", number / 1000.0),
        Unit::Milliseconds if number >= 100.0 => format!("{number:.0} ms"),
        Unit::Milliseconds => format!("{number:.2} ms"),
        Unit::Megabytes => format!("{number:.1} MB"),
        Unit::Kibibytes => format!("{number:.1} KiB"),
        Unit::Segments => format!("{number:.2} segments"),
    }
}

pub(crate) fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        _ if sorted.is_empty() => None,
        1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// The median, with the lowest and the highest.
pub(crate) fn spread(numbers: &[f64], show: impl Fn(f64) -> String) -> String {
    let Some(middle) = median(numbers) else { return "–".to_owned() };
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if numbers.len() < 2 {
        return show(middle);
    }
    // The unit stands once.
    let plain = |number| {
        let text = show(number);
        let units = ["/s", " ms", " MB", " KiB", " segments"];
        units.iter().find_map(|unit| text.strip_suffix(unit)).unwrap_or(&text).to_owned()
    };
    format!("{} ({}–{})", show(middle), plain(low), plain(high))
}
