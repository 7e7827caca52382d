//! Two looks at the same counters, and what they say of the time between them.

use serde_json::{Map, Value, json};

/// Looks at `figures` and `durations` of a status.
pub struct Window {
    pub seconds: f64,
    before: Value,
    pub now: Value,
}

/// Of how long something took: no longer than a step of the scale, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    pub count: u64,
    /// `None` beyond the last step.
    pub half: Option<f64>,
    pub most: Option<f64>,
    /// Nothing happened in between, so it is since the start of the process.
    pub is_since_start: bool,
}

const HALF: f64 = 0.5;
const MOST: f64 = 0.99;

impl Window {
    pub fn new(seconds: f64, before: Value, now: Value) -> Self {
        Self { seconds, before, now }
    }

    pub fn figure(&self, name: &str) -> u64 {
        self.now["figures"][name].as_u64().unwrap_or(0)
    }

    /// In a second.
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    pub fn rate(&self, name: &str) -> f64 {
        let before = self.before["figures"][name].as_u64().unwrap_or(0);
        // A process that began anew counts from nothing.
        self.figure(name).saturating_sub(before) as f64 / self.seconds
    }

    /// `None` where it never happened.
    pub fn latency(&self, name: &str) -> Option<Latency> {
        let now = steps(&self.now["durations"][name]);
        let before = steps(&self.before["durations"][name]);
        let between: Vec<(Option<f64>, u64)> = now
            .iter()
            .enumerate()
            .map(|(at, (bound, count))| {
                (*bound, count.saturating_sub(before.get(at).map_or(0, |(_, count)| *count)))
            })
            .collect();
        let is_since_start = between.last().is_none_or(|(_, count)| *count == 0);
        let steps = if is_since_start { now } else { between };
        let count = steps.last().map(|(_, count)| *count).filter(|count| *count > 0)?;
        Some(Latency { count, half: quantile(&steps, HALF)?, most: quantile(&steps, MOST)?, is_since_start })
    }

    /// Everything, for programs.
    pub fn json(&self, rates: &[&str], latencies: &[&str]) -> Value {
        let mut all = self.now.clone();
        let rates: Map<String, Value> =
            rates.iter().map(|name| ((*name).to_owned(), self.rate(name).into())).collect();
        let latencies: Map<String, Value> = latencies
            .iter()
            .map(|name| {
                let told = self.latency(name).map(|latency| {
                    json!({
                        "count": latency.count,
                        "halfWithinSeconds": latency.half,
                        "mostWithinSeconds": latency.most,
                        "sinceStart": latency.is_since_start,
                    })
                });
                ((*name).to_owned(), told.into())
            })
            .collect();
        all["seconds"] = self.seconds.into();
        all["ratesPerSecond"] = rates.into();
        all["latencies"] = latencies.into();
        all
    }
}

/// Bounds, and how many took no longer.
fn steps(durations: &Value) -> Vec<(Option<f64>, u64)> {
    let steps = durations["steps"].as_array().into_iter().flatten();
    steps.filter_map(|step| Some((step["seconds"].as_f64(), step["count"].as_u64()?))).collect()
}

/// The first step within which so many are.
#[allow(clippy::cast_precision_loss, reason = "for people")]
fn quantile(steps: &[(Option<f64>, u64)], part: f64) -> Option<Option<f64>> {
    let all = steps.last()?.1 as f64;
    steps.iter().find(|(_, count)| *count as f64 >= all * part).map(|(bound, _)| *bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(messages: u64, counts: [u64; 3]) -> Value {
        let bounds = [json!(0.5), json!(1.0), Value::Null];
        let steps = bounds.iter().zip(counts).map(|(bound, count)| json!({"seconds": bound, "count": count}));
        json!({"figures": {"messages": messages}, "durations": {"kept": {"steps": steps.collect::<Vec<_>>()}}})
    }

    #[test]
    fn what_happened_between_two_looks_is_told() {
        let window = Window::new(2.0, look(10, [10, 10, 10]), look(30, [10, 30, 30]));
        assert_eq!((window.figure("messages"), window.rate("messages")), (30, 10.0));
        let latency = window.latency("kept").unwrap();
        assert_eq!((latency.half, latency.most, latency.count), (Some(1.0), Some(1.0), 20));
        assert!(!latency.is_since_start);
        let told = window.json(&["messages"], &["kept", "absent"]);
        assert_eq!(told["ratesPerSecond"], json!({"messages": 10.0}));
        assert_eq!(told["latencies"]["kept"]["halfWithinSeconds"], 1.0);
        assert_eq!(told["latencies"]["absent"], Value::Null);
    }

    #[test]
    fn a_quiet_time_is_told_by_what_was_before_it() {
        let window = Window::new(1.0, look(5, [98, 99, 100]), look(5, [98, 99, 100]));
        let latency = window.latency("kept").unwrap();
        assert!(latency.is_since_start);
        assert_eq!((latency.half, latency.most), (Some(0.5), Some(1.0)));
        let slow = Window::new(1.0, look(0, [0, 0, 0]), look(0, [0, 0, 9]));
        assert_eq!(slow.latency("kept").unwrap().half, None, "beyond the scale");
        assert_eq!(Window::new(1.0, look(0, [0; 3]), look(0, [0; 3])).latency("kept"), None);
    }

    #[test]
    fn a_process_that_began_anew_counts_from_nothing() {
        assert_eq!(Window::new(1.0, look(50, [5; 3]), look(3, [1; 3])).rate("messages"), 0.0);
    }
}
