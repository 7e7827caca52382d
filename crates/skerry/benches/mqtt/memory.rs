//! What a connection holds in the server while nothing goes over it.

use std::time::Duration;

use skerry_mqtt::client::Event;
use skerry_mqtt::packet::{Filter, Qos, Text};
use skerry_uplink::Client;

use crate::meter::Trouble;
use crate::numbers::Unit;
use crate::options::Name;
use crate::report::Report;
use crate::server::Server;

pub(crate) const NAMES: [Name; 3] = [Name::Skerry, Name::Mosquitto, Name::Rumqttd];

/// Buffers of the handshakes are given back meanwhile.
const SETTLE: Duration = Duration::from_secs(3);
const ROW: &str = "memory of an idle TLS connection with one subscription";

pub(crate) async fn run(
    server: &Server,
    name: Name,
    (few, many): (usize, usize),
    report: &mut Report,
) -> Result<(), Trouble> {
    let mut held = Vec::with_capacity(many);
    held.extend(subscribed(server, 0, few).await?);
    tokio::time::sleep(SETTLE).await;
    let at_few = server.tree.memory();
    held.extend(subscribed(server, few, many - few).await?);
    tokio::time::sleep(SETTLE).await;
    let at_many = server.tree.memory();
    let slope = at_many.saturating_sub(at_few) as f64 / (many - few) as f64 / 1024.0;
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let note = format!("{} with {few}, {} with {many}", megabytes(at_few), megabytes(at_many));
    report.row(ROW, Unit::Kibibytes);
    report.number(ROW, name.title(), slope, note);
    drop(held);
    Ok(())
}

async fn subscribed(server: &Server, first: usize, count: usize) -> Result<Vec<Client<()>>, Trouble> {
    let mut subscribed = Vec::with_capacity(count);
    for (mut client, topic) in server.clients(first, count, 2).await? {
        client.subscribe(vec![(filter(&topic)?, Qos::AtLeastOnce)])?;
        while !matches!(client.event().await?, Event::Subscribed { .. }) {}
        subscribed.push(client);
    }
    Ok(subscribed)
}

/// What a hub sends its device, beside the topic under which the device publishes.
fn filter(topic: &Text) -> Result<Filter, Trouble> {
    Ok(Filter::new(Text::from(topic.replace("/events/", "/devicebound/#").as_str()))?)
}
