//! The edge's line to a hub, over one protocol: messages that are given on at once, and those that waited while the line
//! was cut. They count when a back end at the hub has read them.

use bytes::Bytes;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::backlog::{DRAINED_MAX, SENDER, SETTLE, WINDOW, append};
use crate::bridge::{Across, Bridge};
use crate::edge::{self, DEVICE, Edge, Upstream};
use crate::ground::Ground;
use crate::hop::{self, Hop};
use crate::meter::{Trouble, now, processor_time, processor_time_since};
use crate::numbers::Unit;
use crate::options::{Name, Options};
use crate::pair::Server as _;
use crate::peak::Peak;
use crate::reader::Reader;
use crate::report::Report;
use crate::upward::Upward;

/// Of the hub: one reader is to get everything, in its order.
const SETTINGS: &str = "telemetry.partitions = 1\n";

pub(crate) async fn run(
    name: Name,
    ground: &Ground<'_>,
    options: &Options,
    report: &mut Report,
) -> Result<(), Trouble> {
    let (protocol, door) = match name {
        Name::LineAmqp => ("Amqp", "amqp"),
        _ => ("Mqtt", "mqtt"),
    };
    let known = edge::register(ground, SETTINGS, &[SENDER]).await?;
    let (hub, _) = &known;
    hub.post(&format!("/devices/{DEVICE}/applyConfigurationContent"), &content()).await?;
    let mut bridge = Bridge::open(Across { hub: hub.door(door)? })?;
    let upstream = Upstream { protocol, port: bridge.address.port() };
    let edge = edge::start(ground, options, known, &upstream, &[SENDER]).await?;
    sleep(SETTLE).await;
    let before = edge.tree().proportional_memory();

    let peak = Peak::watch(edge.tree());
    live(name, &edge, ground, options, report).await?;
    let live = peak.most();
    drop(peak);

    bridge.leave().await;
    append(&edge, options.backlog, |number| body(number, options.payload as usize)).await?;
    sleep(SETTLE).await;
    let waiting = edge.tree().proportional_memory();
    let peak = Peak::watch(edge.tree());
    drain(name, &edge, &mut bridge, ground, options, report).await?;
    let going = peak.most();
    drop(peak);
    sleep(SETTLE).await;
    let after = edge.tree().proportional_memory();
    for (when, bytes) in [
        ("before", before),
        ("at most while they are given on at once", live),
        ("while they wait", waiting),
        ("at most while they go", going),
        ("after the last one", after),
    ] {
        let row = format!("{}: memory of the edge (PSS) {when}", what(options));
        report.row(&row, Unit::Megabytes);
        report.number(&row, name.title(), bytes as f64 / 1e6, String::new());
    }
    Ok(())
}

/// As an operator sets it at the hub.
fn content() -> serde_json::Value {
    json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": {
            "schemaVersion": "1.1", "runtime": {"type": "docker", "settings": {}},
            "systemModules": {}, "modules": {},
        }},
        "$edgeHub": {"properties.desired": {
            "schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream"},
            "storeAndForwardConfiguration": {"timeToLiveSecs": 86_400},
        }},
    }})
}

/// As many on their way as a line has, and one.
async fn live(
    name: Name,
    edge: &Edge,
    ground: &Ground<'_>,
    options: &Options,
    report: &mut Report,
) -> Result<(), Trouble> {
    let (windows, tree, folder) = ([WINDOW, 1], edge.tree(), ground.folder);
    let above = Some(&edge.hub_tree);
    let hop = Hop { name, what: "up to the hub", windows, tree, above, options, folder };
    let connect =
        async |window| Upward::connect(edge, SENDER, ground.papers, window, options.payload as usize).await;
    hop::run(&hop, connect, report, None).await
}

/// What waits, from the first that arrives to the last.
async fn drain(
    name: Name,
    edge: &Edge,
    bridge: &mut Bridge,
    ground: &Ground<'_>,
    options: &Options,
    report: &mut Report,
) -> Result<(), Trouble> {
    let count = options.backlog;
    let mut reader = Reader::connect(&edge.hub, ground.papers).await?;
    let back = now();
    bridge.come()?;
    let late = |_| "what waits does not go on";
    let first = timeout(DRAINED_MAX, reader.next()).await.map_err(late)??;
    let (usage, own, began) = (edge.tree().usage(), processor_time(), now());
    let hub = edge.hub_tree.usage();
    let mut taken = Taken::default();
    taken.take(&first)?;
    while taken.next < count {
        let mut body = Some(timeout(DRAINED_MAX, reader.next()).await.map_err(late)??);
        while let Some(known) = body {
            taken.take(&known)?;
            body = reader.ready()?;
        }
    }
    let elapsed = (now() - began).as_secs_f64();
    let computed = (edge.tree().usage().processor - usage.processor).as_secs_f64();
    let own = processor_time_since(own).unwrap_or_default().as_secs_f64();
    let hub = (edge.hub_tree.usage().processor - hub.processor).as_secs_f64();
    reader.close().await;
    let note = format!(
        "the first {:.1} s after the hub was back, {} came twice; edge {:.2} processors, hub {:.2}, \
         reader and bridge {:.2}",
        (began - back).as_secs_f64(),
        taken.again,
        computed / elapsed,
        hub / elapsed,
        own / elapsed,
    );
    let row = |found: &str| format!("{}: {found}", what(options));
    for (found, number, note) in [
        ("given on when the hub is back", (count - 1) as f64 / elapsed, note),
        (
            "given on, per second that the edge computes",
            (count - 1) as f64 / computed.max(0.01),
            String::new(),
        ),
    ] {
        report.row(&row(found), Unit::PerSecond);
        report.number(&row(found), name.title(), number, note);
    }
    Ok(())
}

fn what(options: &Options) -> String {
    format!("the line, {} messages of {} B", options.backlog, options.payload)
}

fn body(number: u64, size: usize) -> Bytes {
    let mut body = vec![b'x'; size];
    body[..8].copy_from_slice(&number.to_le_bytes());
    body.into()
}

/// Messages as they came: a line that begins anew may send some again, and loses none.
#[derive(Default)]
struct Taken {
    next: u64,
    again: u64,
}

impl Taken {
    fn take(&mut self, body: &[u8]) -> Result<(), Trouble> {
        let (number, _) = body.split_first_chunk().ok_or("a message came that nobody sent")?;
        let number = u64::from_le_bytes(*number);
        if number > self.next {
            return Err("messages of the backlog are lost, or not in order".into());
        }
        match number == self.next {
            true => self.next += 1,
            false => self.again += 1,
        }
        Ok(())
    }
}
