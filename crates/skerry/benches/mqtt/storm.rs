//! Devices that all come at once, each with a certificate and a handshake of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use skerry_mqtt::client::ClientLimits;
use skerry_uplink::Client;
use tokio::task::JoinSet;

use crate::meter::{Measure, Trouble, now, processor_time, processor_time_since};
use crate::numbers::Unit;
use crate::options::Name;
use crate::report::Report;
use crate::server::Server;
use crate::surroundings::machine_time;

pub(crate) const NAMES: [Name; 3] = [Name::Skerry, Name::Ceiling, Name::Mosquitto];
/// Devices that take turns: none comes again before it is gone for long.
pub(crate) const DEVICES: usize = 2000;
const AT_ONCE: usize = 64;

const RATE: &str = "connects with mutual TLS, 64 at a time";
const PER_PROCESSOR: &str = "connects with mutual TLS, per second that the server computes";

pub(crate) async fn run(
    server: &Server,
    name: Name,
    span: Duration,
    report: &mut Report,
) -> Result<(), Trouble> {
    let (place, next) = (server.place(true)?, Arc::new(AtomicUsize::new(0)));
    let guests: Arc<[_]> = (0..DEVICES).map(|number| server.guest(number).connect).collect();
    let (before, own_before, all_before) = (server.usage(), processor_time(), machine_time());
    let end = now() + span;
    let mut lanes = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (place, next, guests) = (place.clone(), next.clone(), guests.clone());
        lanes.spawn(async move {
            let mut latencies = Vec::new();
            while now() < end {
                let (began, guest) = (now(), next.fetch_add(1, Relaxed) % DEVICES);
                let limits = ClientLimits::default();
                let client = Client::<()>::connect(&place, guests[guest].clone(), limits).await?;
                latencies.push(now() - began);
                client.close().await;
            }
            Ok::<_, Trouble>(latencies)
        });
    }
    let mut parts = Vec::with_capacity(AT_ONCE);
    while let Some(lane) = lanes.join_next().await {
        parts.push(lane??);
    }
    let (after, own) = (server.usage(), processor_time_since(own_before).unwrap_or_default());
    let all = all_before.zip(machine_time()).map_or(own, |(before, after)| after.saturating_sub(before));
    let measure = Measure::whole(span, parts);
    let processor = (after.processor - before.processor).as_secs_f64();
    let seconds = span.as_secs_f64();
    let note = format!(
        "server {:.2} processors, generator {:.2}, others {:.2}, p50 {:.1} ms, p99 {:.1} ms",
        processor / seconds,
        own.as_secs_f64() / seconds,
        (all.as_secs_f64() - own.as_secs_f64() - processor).max(0.0) / seconds,
        measure.percentile(50.0).as_secs_f64() * 1000.0,
        measure.percentile(99.0).as_secs_f64() * 1000.0,
    );
    report.row(RATE, Unit::PerSecond);
    report.number(RATE, name.title(), measure.rate(), note);
    report.row(PER_PROCESSOR, Unit::PerSecond);
    report.number(PER_PROCESSOR, name.title(), measure.count() as f64 / processor.max(0.01), String::new());
    Ok(())
}
