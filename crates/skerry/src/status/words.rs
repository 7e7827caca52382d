//! Numbers as people read them.

use serde_json::Value;
use skerry_model::Timestamp;

use super::window::{Latency, Window};
use crate::iotedge::roughly;

/// Wide enough for every heading.
const WIDTH: usize = 14;

pub fn line(heading: &str, text: &str) -> String {
    format!("{heading:<WIDTH$}{text}")
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
pub fn bytes(count: u64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.into_iter().find(|(unit, _)| count as f64 >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", count as f64 / unit),
        None => format!("{count} B"),
    }
}

pub fn one_or_many(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Behind "half of them within …".
pub fn latency(of: Option<Latency>) -> String {
    let within = |bound: Option<f64>| match bound {
        Some(seconds) if seconds < 1.0 => format!("within {} ms", seconds * 1000.0),
        Some(seconds) => format!("within {seconds} s"),
        None => "later than 10 s".to_owned(),
    };
    let Some(Latency { half, most, is_since_start, .. }) = of else { return "nothing yet".to_owned() };
    let since = if is_since_start { ", since the start" } else { "" };
    format!("half {}, 99 of 100 {}{since}", within(half), within(most))
}

/// Of `[{"certificate", "expiresAt"}]`.
pub fn certificates(all: &Value, now: Timestamp) -> String {
    let told = all.as_array().into_iter().flatten().filter_map(|one| {
        let until: Timestamp = one["expiresAt"].as_str()?.parse().ok()?;
        let left = match until > now {
            true => format!("expires in {}", roughly(until.since(now))),
            false => format!("HAS EXPIRED {} ago", roughly(now.since(until))),
        };
        Some(format!("{} {left}", one["certificate"].as_str()?))
    });
    or_none(told.collect::<Vec<_>>().join("; "))
}

/// Counters that are nothing in good days, as far as they are not.
pub fn troubles(window: &Window, names: &[&str]) -> String {
    let told = names.iter().map(|name| (name, window.figure(name))).filter(|(_, count)| *count > 0);
    or_none(told.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", "))
}

pub fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bytes_have_the_unit_that_fits() {
        for (count, said) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_250_000, "1.2 MB"),
            (3 << 30, "3.2 GB"),
            (2_500_000_000_000, "2.5 TB"),
        ] {
            assert_eq!(bytes(count), said);
        }
    }

    #[test]
    fn certificates_are_told_by_their_ends() {
        let now = "2026-01-10T00:00:00Z".parse().unwrap();
        let all = json!([
            {"certificate": "server", "expiresAt": "2026-01-13T00:00:00Z"},
            {"certificate": "root", "expiresAt": "2026-01-07T00:00:00Z"},
        ]);
        assert_eq!(certificates(&all, now), "server expires in 3 days; root HAS EXPIRED 3 days ago");
        assert_eq!(certificates(&json!([]), now), "none");
    }

    #[test]
    fn latencies_are_told_by_the_steps_of_their_scale() {
        let of = |half, most, is_since_start| Latency { count: 1, half, most, is_since_start };
        for (told, said) in [
            (None, "nothing yet"),
            (Some(of(Some(0.0025), Some(1.0), false)), "half within 2.5 ms, 99 of 100 within 1 s"),
            (
                Some(of(Some(0.1), None, true)),
                "half within 100 ms, 99 of 100 later than 10 s, since the start",
            ),
        ] {
            assert_eq!(latency(told), said);
        }
    }
}
