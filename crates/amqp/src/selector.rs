//! Where a reader of events begins, as it says in the filter of its source.

use skerry_model::Timestamp;

use crate::codec::Value;
use crate::message::{milliseconds, time};

const NAME: &str = "apache.org:selector-filter:string";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    Oldest,
    /// What comes from now on.
    Newest,
    /// From this sequence on.
    Sequence(u64),
    /// From the first that was enqueued after it, or at it.
    Time {
        at: Timestamp,
        is_inclusive: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the filter {text:?} cannot be read: write amqp.annotation.x-opt-offset > '…', or the same with x-opt-sequence-number or x-opt-enqueued-time"
)]
pub struct FilterError {
    pub text: String,
}

/// Reads the filter of a source; without one everything is meant.
pub fn begin(filter: &Value) -> Result<Begin, FilterError> {
    let described = match filter.get(NAME) {
        None | Some(Value::Null) => return Ok(Begin::Oldest),
        Some(Value::Described(described)) => &described.value,
        Some(value) => value,
    };
    let text = described.as_text().ok_or_else(|| FilterError { text: String::new() })?;
    parse(text).ok_or_else(|| FilterError { text: text.chars().take(200).collect() })
}

/// The filter that says where to begin; an empty one means everything.
pub fn filter(begin: Begin) -> Value {
    let condition = match begin {
        Begin::Oldest => return Value::Null,
        Begin::Newest => "x-opt-offset > '@latest'".to_owned(),
        Begin::Sequence(first) => format!("x-opt-sequence-number >= '{first}'"),
        Begin::Time { at, is_inclusive } => {
            let sign = if is_inclusive { ">=" } else { ">" };
            format!("x-opt-enqueued-time {sign} '{}'", milliseconds(at))
        }
    };
    let text = Value::String(format!("amqp.annotation.{condition}").into());
    Value::Map(vec![(Value::symbol(NAME), Value::described(Value::symbol(NAME), text))])
}

fn parse(text: &str) -> Option<Begin> {
    let rest = text.trim().strip_prefix("amqp.annotation.")?;
    let (name, rest) = rest.split_once('>')?;
    let (is_inclusive, value) = match rest.strip_prefix('=') {
        Some(value) => (true, value),
        None => (false, rest),
    };
    let value = value.trim();
    let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value);
    match name.trim() {
        "x-opt-offset" | "x-opt-sequence-number" if value == "@latest" => Some(Begin::Newest),
        "x-opt-offset" | "x-opt-sequence-number" => {
            let number: i64 = value.parse().ok()?;
            let first = if is_inclusive { number } else { number.checked_add(1)? };
            Some(u64::try_from(first).map_or(Begin::Oldest, |first| match first {
                0 => Begin::Oldest,
                first => Begin::Sequence(first),
            }))
        }
        "x-opt-enqueued-time" | "x-opt-enqueuedtimeutc" => {
            Some(Begin::Time { at: time(value.parse().ok()?), is_inclusive })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_all_clients_are_read() {
        let at = time(1_700_000_000_000);
        let table = [
            ("amqp.annotation.x-opt-offset > '-1'", Begin::Oldest),
            ("amqp.annotation.x-opt-offset >= '-1'", Begin::Oldest),
            ("amqp.annotation.x-opt-offset > '@latest'", Begin::Newest),
            ("amqp.annotation.x-opt-offset > '7'", Begin::Sequence(8)),
            ("amqp.annotation.x-opt-offset >= '7'", Begin::Sequence(7)),
            ("amqp.annotation.x-opt-sequence-number > 7", Begin::Sequence(8)),
            (
                "amqp.annotation.x-opt-enqueuedtimeutc > 1700000000000",
                Begin::Time { at, is_inclusive: false },
            ),
            (
                "amqp.annotation.x-opt-enqueued-time >= '1700000000000'",
                Begin::Time { at, is_inclusive: true },
            ),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "x > 1",
            "amqp.annotation.x-opt-offset",
            "amqp.annotation.x-opt-offset > 'a'",
            "amqp.annotation.other > 1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_filter_stands_under_its_name_with_any_descriptor() {
        let text = Value::string("amqp.annotation.x-opt-offset > '41'");
        for descriptor in [Value::symbol(NAME), Value::Ulong(77_567_109_365_764)] {
            let filter = Value::Map(vec![(Value::symbol(NAME), Value::described(descriptor, text.clone()))]);
            assert_eq!(begin(&filter), Ok(Begin::Sequence(42)));
        }
        assert_eq!(begin(&Value::Null), Ok(Begin::Oldest));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let at = time(1_700_000_000_123);
        for start in [
            Begin::Oldest,
            Begin::Newest,
            Begin::Sequence(7),
            Begin::Time { at, is_inclusive: true },
            Begin::Time { at, is_inclusive: false },
        ] {
            assert_eq!(begin(&filter(start)), Ok(start));
        }
    }
}
