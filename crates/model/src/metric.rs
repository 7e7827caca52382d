//! What the numbers are called that a program tells of itself, and what they mean.

/// How a number behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It grows from the start of the process on.
    Counter,
    /// It is of the moment.
    Gauge,
    /// Counts by upper bounds, with the sum of what was measured.
    Histogram,
    /// Quantiles of late, with the sum and the count of everything.
    Summary,
}

impl MetricKind {
    /// Prometheus' word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// One name, with every series that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// In full, as it is scraped.
    pub name: String,
    pub kind: MetricKind,
    /// Those of its own.
    pub labels: &'static [&'static str],
    pub help: &'static str,
}
