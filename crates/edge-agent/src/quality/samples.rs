//! What was gathered and not sent yet.

use std::collections::BTreeMap;

use bytes::Bytes;
use skerry_model::Timestamp;

use super::page::figures;

/// Of one message; a hub takes a little more.
const MESSAGE_BYTES_MAX: usize = 255_000;
/// Beyond it, nothing is gathered until the next message: a device in trouble has many series.
const SAMPLES_MAX: usize = 50_000;

#[derive(Default)]
pub(crate) struct Samples {
    /// By name and labels.
    series: BTreeMap<(String, String), Vec<(Timestamp, f64)>>,
    count: usize,
}

impl Samples {
    /// Takes a page of figures. Of a value that stays the same its first and last time are kept.
    pub(crate) fn take(&mut self, page: &str, now: Timestamp) {
        for (name, labels, value) in figures(page) {
            if self.count >= SAMPLES_MAX {
                return;
            }
            let values = self.series.entry((name.to_owned(), labels)).or_default();
            match values.as_mut_slice() {
                [.., (_, before), (last, same)] if *before == value && *same == value => *last = now,
                _ => {
                    values.push((now, value));
                    self.count += 1;
                }
            }
        }
    }

    /// Everything as messages; nothing is left.
    pub(crate) fn messages(&mut self) -> Vec<Bytes> {
        let series: Vec<_> = std::mem::take(self).series.into_iter().collect();
        let mut messages = vec![Vec::new()];
        for ((name, labels), values) in series {
            let head = 12 + name.len() + labels.len();
            // One series may be longer than a message.
            for part in values.chunks(((MESSAGE_BYTES_MAX - head.min(MESSAGE_BYTES_MAX / 2)) / 16).max(1)) {
                let bytes = head + 16 * part.len();
                if messages.last().is_none_or(|last| last.len() + bytes > MESSAGE_BYTES_MAX) {
                    messages.push(Vec::new());
                }
                let message = messages.last_mut().expect("one was just made");
                put(message, &name, &labels, part);
            }
        }
        messages.into_iter().filter(|message| !message.is_empty()).map(Bytes::from).collect()
    }
}

fn put(out: &mut Vec<u8>, name: &str, labels: &str, values: &[(Timestamp, f64)]) {
    for text in [name, labels] {
        out.extend((text.len() as u32).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out.extend((values.len() as u32).to_le_bytes());
    for (at, value) in values {
        out.extend(at.ticks().to_le_bytes());
        out.extend(value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn a_message_has_the_form_of_the_original() {
        let mut samples = Samples::default();
        let page = |value: &str| format!("edgeAgent_a{{ms_telemetry=\"True\",of=\"x\"}} {value}\n");
        for (second, value) in [(0, "1"), (10, "1"), (20, "1"), (30, "2.5")] {
            samples.take(&page(value), at(second));
        }
        let messages = samples.messages();
        assert!(samples.messages().is_empty(), "it was all taken");
        let mut expected = Vec::new();
        expected.extend(11_u32.to_le_bytes());
        expected.extend(b"edgeAgent_a");
        expected.extend(10_u32.to_le_bytes());
        expected.extend(br#"{"of":"x"}"#);
        expected.extend(3_u32.to_le_bytes());
        // In steps of 100 ns since the year 1.
        for (ticks, value) in [
            (621_355_968_000_000_000_i64, 1.0_f64),
            (621_355_968_200_000_000, 1.0),
            (621_355_968_300_000_000, 2.5),
        ] {
            expected.extend(ticks.to_le_bytes());
            expected.extend(value.to_le_bytes());
        }
        assert_eq!(messages, [Bytes::from(expected)]);
    }

    #[test]
    fn messages_are_short_enough_whatever_was_gathered() {
        let mut samples = Samples::default();
        for second in 0..300 {
            let page: String = (0..200)
                .map(|number| {
                    format!("edgeAgent_{number}{{ms_telemetry=\"True\"}} {}\n", second * number % 7)
                })
                .collect();
            samples.take(&page, at(second));
        }
        assert_eq!(samples.count, SAMPLES_MAX);
        let messages = samples.messages();
        assert!(messages.len() > 2);
        assert!(messages.iter().all(|message| message.len() <= MESSAGE_BYTES_MAX));
        let bytes: usize = messages.iter().map(Bytes::len).sum();
        assert!(bytes > 16 * SAMPLES_MAX, "{bytes}");
    }
}
