//! What the hub counts, under the original's names and labels.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use skerry_front::Durations;

use crate::summary::{Summary, Summed};

/// Series of one name; with more the rest is counted together, without labels.
const SERIES_MAX: usize = 2000;

/// A counter with labels, as Prometheus has them.
pub struct Family<S = Count>(Mutex<BTreeMap<String, Arc<S>>>);

impl<S> Default for Family<S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S: Default> Family<S> {
    /// One series, for who counts often: its labels are written once.
    pub(crate) fn one(&self, labels: &[(&str, &str)]) -> Arc<S> {
        let mut key = String::new();
        for (name, value) in labels {
            if !key.is_empty() {
                key.push(',');
            }
            key.push_str(name);
            key.push_str("=\"");
            for c in value.chars() {
                match c {
                    '"' => key.push_str("\\\""),
                    '\\' => key.push_str("\\\\"),
                    '\n' => key.push_str("\\n"),
                    c => key.push(c),
                }
            }
            key.push('"');
        }
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if series.len() >= SERIES_MAX && !series.contains_key(&key) {
            key.clear();
        }
        Arc::clone(series.entry(key).or_default())
    }

    fn read<T>(&self, read: impl Fn(&S) -> T) -> Vec<(String, T)> {
        let series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        series.iter().map(|(labels, one)| (labels.clone(), read(one))).collect()
    }
}

impl Family<Summary> {
    pub fn record(&self, labels: &[(&str, &str)], took: Duration) {
        self.one(labels).record_duration(took);
    }

    /// Labels as they are written, and what was measured.
    pub fn summed(&self) -> Vec<(String, Summed)> {
        self.read(Summary::read)
    }
}

impl Family {
    pub fn add(&self, labels: &[(&str, &str)], count: u64) {
        self.one(labels).add(count);
    }

    /// Labels as they are written, and counts.
    pub fn series(&self) -> Vec<(String, u64)> {
        self.read(Count::get)
    }

    pub fn total(&self) -> u64 {
        let series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        series.values().map(|count| count.get()).sum()
    }
}

/// The series of a family that was counted in last: who sends to one output goes on with it.
#[derive(Debug, Default)]
pub(crate) struct Latest(Mutex<Option<(String, Arc<Count>)>>);

impl Latest {
    /// `find` is asked when the label is another one than before.
    pub(crate) fn add(&self, label: &str, count: u64, find: impl FnOnce() -> Arc<Count>) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some((known, series)) if known == label => series.add(count),
            _ => latest.insert((label.to_owned(), find())).1.add(count),
        }
    }
}

/// A counter without labels.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counters since the process began.
#[derive(Default)]
pub struct Figures {
    pub messages_received: Family,
    pub messages_sent: Family,
    pub messages_dropped: Family,
    pub messages_unacknowledged: Family,
    pub twin_gets: Family,
    pub reported: Family,
    pub methods: Family,
    pub offline: Family,
    pub retries: Family,
    pub connect_failures: Family,
    pub connects: Family,
    pub disconnects: Family,
    /// Bytes of messages that clients sent.
    pub size: Family<Summary>,
    /// From a letter that is stored until its endpoint has it.
    pub process: Family<Summary>,
    /// From a letter that goes out until its endpoint has it.
    pub send: Family<Summary>,
    pub twin_get_took: Family<Summary>,
    pub report_took: Family<Summary>,
    pub method_took: Family<Summary>,
    pub offline_took: Family<Summary>,
    /// From letters that came together until they are durable, or settled by every endpoint.
    pub durable: Durations,
    /// From a letter that is handed to its line until the hub has it.
    pub upstream: Durations,
    /// Letters that went out again because their fate was not known.
    pub sent_again: Count,
    /// Connections to the hub that were stuck and begun anew.
    pub stalls: Count,
    /// Letters that wait apart because their sender is not let in at the hub.
    pub parked: Count,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_bounded_and_labels_are_escaped() {
        let family = Family::default();
        family.add(&[("id", "d/m"), ("reason", "a\"b\\c\n")], 2);
        family.add(&[("id", "d/m"), ("reason", "a\"b\\c\n")], 1);
        assert_eq!(family.series(), [("id=\"d/m\",reason=\"a\\\"b\\\\c\\n\"".to_owned(), 3)]);
        for number in 0..SERIES_MAX + 10 {
            family.add(&[("id", &number.to_string())], 1);
        }
        assert_eq!(family.series().len(), SERIES_MAX + 1);
        assert_eq!(family.total(), SERIES_MAX as u64 + 13);
    }

    #[test]
    fn the_latest_series_is_left_when_the_label_changes() {
        let (family, latest) = (Family::default(), Latest::default());
        for output in ["a", "a", "b", "a"] {
            latest.add(output, 1, || family.one(&[("output", output)]));
        }
        let counted = [("output=\"a\"".to_owned(), 3), ("output=\"b\"".to_owned(), 1)];
        assert_eq!(family.series(), counted);
    }
}
