//! Where deliveries to one endpoint are counted, and how long they took.

use std::sync::Arc;
use std::time::Duration;

use skerry_model::IdentityId;

use crate::figures::{Count, Figures};
use crate::summary::Summary;

/// Of one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Took {
    /// Since it was stored.
    pub(crate) since_stored: Duration,
    /// Since it went out.
    pub(crate) on_the_way: Duration,
}

/// Looks its series up when the labels change, and only then.
pub(crate) struct Deliveries {
    to: String,
    input: Arc<str>,
    latest: Option<(Labels, Series)>,
}

#[derive(PartialEq, Eq)]
struct Labels {
    /// Where the endpoint tells one sender from another: the sender and its output.
    from: Option<(IdentityId, String)>,
    priority: u32,
}

struct Series {
    sent: Arc<Count>,
    process: Arc<Summary>,
    send: Arc<Summary>,
}

impl Deliveries {
    pub(crate) fn new(to: String, input: Arc<str>) -> Self {
        Self { to, input, latest: None }
    }

    pub(crate) fn count(
        &mut self,
        figures: &Figures,
        from: Option<(IdentityId, String)>,
        priority: u32,
        took: Option<Took>,
    ) {
        let labels = Labels { from, priority };
        let series = match self.latest.take() {
            Some((known, series)) if known == labels => series,
            _ => self.series(figures, &labels),
        };
        series.sent.add(1);
        if let Some(took) = took {
            series.process.record_duration(took.since_stored);
            series.send.record_duration(took.on_the_way);
        }
        self.latest = Some((labels, series));
    }

    fn series(&self, figures: &Figures, labels: &Labels) -> Series {
        let priority = labels.priority.to_string();
        let (to, priority) = (("to", self.to.as_str()), ("priority", priority.as_str()));
        let input = ("to_route_input", &*self.input);
        let Some((from, output)) = &labels.from else {
            return Series {
                sent: figures.messages_sent.one(&[to, input, priority]),
                process: figures.process.one(&[to, priority]),
                send: figures.send.one(&[to, input]),
            };
        };
        let from = from.to_string();
        let (from, output) = (("from", from.as_str()), ("from_route_output", output.as_str()));
        Series {
            sent: figures.messages_sent.one(&[from, to, output, input, priority]),
            process: figures.process.one(&[from, to, priority]),
            send: figures.send.one(&[from, to, output, input]),
        }
    }
}
