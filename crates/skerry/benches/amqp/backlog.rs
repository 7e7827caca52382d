//! A large partition, from its beginning to its end, by one consumer.

use std::time::Duration;

use skerry_uplink::amqp::{Event, Outcome};
use tokio::time::timeout;

use crate::fill::fill;
use crate::meter::Trouble;
use crate::numbers::Unit;
use crate::options::Name;
use crate::report::Report;
use crate::server::Server;
use crate::span::Span;

pub(crate) const NAMES: [Name; 1] = [Name::Skerry];
const CREDIT: u32 = 1000;
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Events between two looks at the memory.
const LOOK_EVERY: usize = 100_000;

pub(crate) async fn run(
    server: &Server,
    name: Name,
    events: usize,
    report: &mut Report,
) -> Result<(), Trouble> {
    fill(server, events).await?;
    let before = server.tree.memory();
    let mut client = server.reader().await?;
    client.attach(server.consumer(CREDIT)).ok_or("there is no room for a link")?;
    let (counting, mut count, mut most) = (Span::begin(&server.tree), 0, before);
    // What the hub tells of its devices comes between the messages.
    while count < events {
        match timeout(PAUSE_MAX, client.event()).await?? {
            Event::Delivery { link, delivery } => {
                client.settle(link, &delivery, Outcome::Accepted);
                count += 1;
                if count % LOOK_EVERY == 0 {
                    most = most.max(server.tree.memory());
                }
            }
            Event::Detached { fault, .. } => return Err(format!("the link ends: {fault:?}").into()),
            _ => {}
        }
    }
    let spent = counting.end(&server.tree);
    let row = |what: &str| format!("{events} events of one partition, read back by one consumer: {what}");
    for (what, unit, number, note) in [
        ("delivered", Unit::PerSecond, spent.rate(count), spent.note(count)),
        ("per second that the server computes", Unit::PerSecond, spent.rate_computed(count), String::new()),
        ("in seconds", Unit::Milliseconds, spent.elapsed.as_secs_f64() * 1000.0, String::new()),
        (
            "memory that it takes",
            Unit::Megabytes,
            most.saturating_sub(before) as f64 / 1e6,
            format!("{:.1} MB before", before as f64 / 1e6),
        ),
    ] {
        let row = row(what);
        report.row(&row, unit);
        report.number(&row, name.title(), number, note);
    }
    client.close().await;
    Ok(())
}
