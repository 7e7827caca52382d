//! As many messages as the server acknowledges.

use std::time::{Duration, Instant};

use bytes::Bytes;
use skerry_mqtt::client::Event;
use skerry_mqtt::packet::Text;
use skerry_uplink::Client;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout_at};

use crate::meter::{Measure, Trouble, now, processor_time, processor_time_since};
use crate::numbers::Unit;
use crate::options::Name;
use crate::report::Report;
use crate::server::Server;
use crate::surroundings::{machine_time, shown};
use crate::tree::Usage;

const PAYLOAD_BYTES: usize = 256;
/// Before anything is counted: queues fill, and files open.
const WARM_UP: Duration = Duration::from_millis(1000);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) window: u16,
}

pub(crate) const SHAPES: [Shape; 2] =
    [Shape { connections: 50, window: 100 }, Shape { connections: 500, window: 1 }];

impl Shape {
    fn row(self, what: &str) -> String {
        format!("QoS 1, 256 B, TLS, {} × {} in flight: {what}", self.connections, self.window)
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
    let clients = server.clients(0, shape.connections, shape.window).await?;
    let begin = now() + WARM_UP;
    let end = begin + span;
    let mut lanes = JoinSet::new();
    for (client, topic) in clients {
        lanes.spawn(publish(client, topic, begin, end));
    }
    sleep_until(begin.into()).await;
    let syncs_before = server.syncs().await?;
    let (before, own_before, all_before) = (server.usage(), processor_time(), machine_time());
    sleep_until(end.into()).await;
    let (after, own, all) = (server.usage(), processor_time_since(own_before), machine_time());
    let all = all_before.zip(all).map(|(before, after)| after.saturating_sub(before));
    let syncs = syncs_before.zip(server.syncs().await?).map(|(before, after)| after - before);
    let mut parts = Vec::with_capacity(shape.connections);
    while let Some(lane) = lanes.join_next().await {
        parts.push(lane??);
    }
    let measure = Measure::whole(span, parts);
    let processor = (after.processor - before.processor).as_secs_f64();
    let note = format!("{}; {}", note(&measure, &before, &after, syncs, own.zip(all)), shown(disk));
    let rate = shape.row("acknowledged");
    report.row(&rate, Unit::PerSecond);
    report.number(&rate, name.title(), measure.rate(), note);
    let row = shape.row("per second that the server computes");
    report.row(&row, Unit::PerSecond);
    report.number(&row, name.title(), measure.count() as f64 / processor.max(0.01), String::new());
    for (percent, word) in [(50.0, "p50"), (99.0, "p99")] {
        let row = shape.row(word);
        report.row(&row, Unit::Milliseconds);
        report.number(&row, name.title(), measure.percentile(percent).as_secs_f64() * 1000.0, String::new());
    }
    Ok(())
}

fn note(
    measure: &Measure,
    before: &Usage,
    after: &Usage,
    syncs: Option<u64>,
    own_and_all: Option<(Duration, Duration)>,
) -> String {
    let (count, seconds) = (measure.count().max(1) as f64, measure.elapsed.as_secs_f64());
    let written = (after.written - before.written) as f64;
    let server = (after.processor - before.processor).as_secs_f64();
    let mut parts = vec![
        format!("server {:.2} processors", server / seconds),
        format!("{:.0} B written a message", written / count),
    ];
    if let Some((own, all)) = own_and_all {
        let others = (all.as_secs_f64() - own.as_secs_f64() - server).max(0.0);
        parts.insert(
            1,
            format!("generator {:.2}, others {:.2}", own.as_secs_f64() / seconds, others / seconds),
        );
    }
    if let Some(syncs) = syncs {
        parts.push(format!(
            "{:.0} syncs/s, {:.1} messages each",
            syncs as f64 / seconds,
            count / syncs.max(1) as f64
        ));
    }
    parts.join(", ")
}

/// Keeps the window full until the end; the latencies of what was acknowledged in the time that counts.
async fn publish(
    mut client: Client<Instant>,
    topic: Text,
    begin: Instant,
    end: Instant,
) -> Result<Vec<Duration>, Trouble> {
    let payload = Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
    let mut latencies = Vec::new();
    let mut note = |event| {
        let Event::Published(sent) = event else { return };
        let ended = now();
        if (begin..end).contains(&ended) {
            latencies.push(ended - sent);
        }
    };
    'running: while now() < end {
        while client.has_room() {
            let sent = client.publish(topic.clone(), payload.clone(), now());
            sent.map_err(|unsent| unsent.reason)?;
        }
        match timeout_at(end.into(), client.event()).await {
            Ok(event) => note(event?),
            Err(_) => break 'running,
        }
        // Everything that came with it, before the next are sent together.
        while let Some(event) = client.ready_event()? {
            note(event);
        }
    }
    drop(client);
    Ok(latencies)
}
