//! As many messages as the server accepts.

use std::time::{Duration, Instant};

use skerry_uplink::amqp::{Client, Event, LinkId, Outcome};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout_at};

use crate::meter::{Measure, Trouble, now};
use crate::numbers::Unit;
use crate::options::Name;
use crate::report::Report;
use crate::server::{Server, message, until_ready};
use crate::span::Span;
use crate::surroundings::shown;

/// Before anything is counted: queues fill, and files open.
const WARM_UP: Duration = Duration::from_millis(1000);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    window: usize,
}

pub(crate) const SHAPES: [Shape; 2] =
    [Shape { connections: 1, window: 1000 }, Shape { connections: 50, window: 100 }];

impl Shape {
    fn row(self, what: &str) -> String {
        format!("256 B, TLS, {} × {} in flight: {what}", self.connections, self.window)
    }
}

pub(crate) async fn run(
    server: &Server,
    name: Name,
    shape: Shape,
    span: Duration,
    disk: &Measure,
    report: &mut Report,
) -> Result<(), Trouble> {
    let mut senders = Vec::with_capacity(shape.connections);
    for (number, mut client) in server.clients(0, shape.connections).await? {
        let link = client.attach(server.sender(number)).ok_or("there is no room for a link")?;
        until_ready(&mut client, link).await?;
        senders.push((client, link));
    }
    let begin = now() + WARM_UP;
    let end = begin + span;
    let mut lanes = JoinSet::new();
    for (client, link) in senders {
        lanes.spawn(send(client, link, shape.window, begin, end));
    }
    sleep_until(begin.into()).await;
    let syncs_before = server.syncs().await?;
    let counting = Span::begin(&server.tree);
    sleep_until(end.into()).await;
    let spent = counting.end(&server.tree);
    let syncs = syncs_before.zip(server.syncs().await?).map(|(before, after)| after - before);
    let mut parts = Vec::with_capacity(shape.connections);
    while let Some(lane) = lanes.join_next().await {
        parts.push(lane??);
    }
    let measure = Measure::whole(span, parts);
    let count = measure.count();
    let mut note = format!("{}; {}", spent.note(count), shown(disk));
    if let Some(syncs) = syncs {
        let each = count as f64 / syncs.max(1) as f64;
        note = format!("{note}; {:.0} syncs/s, {each:.1} messages each", syncs as f64 / span.as_secs_f64());
    }
    let rate = shape.row("accepted");
    report.row(&rate, Unit::PerSecond);
    report.number(&rate, name.title(), measure.rate(), note);
    let row = shape.row("per second that the server computes");
    report.row(&row, Unit::PerSecond);
    report.number(&row, name.title(), spent.rate_computed(count), String::new());
    for (percent, word) in [(50.0, "p50"), (99.0, "p99")] {
        let row = shape.row(word);
        report.row(&row, Unit::Milliseconds);
        let milliseconds = measure.percentile(percent).as_secs_f64() * 1000.0;
        report.number(&row, name.title(), milliseconds, String::new());
    }
    Ok(())
}

/// Keeps the window full until the end; the latencies of what was accepted in the time that counts.
async fn send(
    mut client: Client<Instant>,
    link: LinkId,
    window: usize,
    begin: Instant,
    end: Instant,
) -> Result<Vec<Duration>, Trouble> {
    let payload = message();
    let mut latencies = Vec::new();
    let mut note = |event| match event {
        Event::Sent { item, outcome: Outcome::Accepted, .. } => {
            let ended = now();
            if (begin..end).contains(&ended) {
                latencies.push(ended - item);
            }
            Ok(())
        }
        Event::Ready { .. } => Ok(()),
        other => Err(format!("the server says {other:?}")),
    };
    'running: while now() < end {
        while client.is_ready(link) && client.pending_count() < window {
            client.send(link, payload.clone(), now()).map_err(|_| "a message was not taken")?;
        }
        match timeout_at(end.into(), client.event()).await {
            Ok(event) => note(event?)?,
            Err(_) => break 'running,
        }
        // Everything that came with it, before the next are sent together.
        while let Some(event) = client.ready_event()? {
            note(event)?;
        }
    }
    drop(client);
    Ok(latencies)
}
