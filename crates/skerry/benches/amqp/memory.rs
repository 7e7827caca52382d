//! What a connection holds in the server while nothing goes over it.

use std::time::Duration;

use skerry_uplink::amqp::{Client, Event, Offer};

use crate::meter::Trouble;
use crate::numbers::Unit;
use crate::options::Name;
use crate::report::Report;
use crate::server::{Kind, Server, until_ready};

pub(crate) const NAMES: [Name; 3] = [Name::Skerry, Name::Independent, Name::Rabbitmq];

/// Buffers of the handshakes are given back meanwhile.
const SETTLE: Duration = Duration::from_secs(3);
const ROW: &str = "memory of an idle TLS connection with a session and four links";

pub(crate) async fn run(
    server: &Server,
    name: Name,
    (few, many): (usize, usize),
    report: &mut Report,
) -> Result<(), Trouble> {
    let mut held = Vec::with_capacity(many);
    held.extend(attached(server, 0, few).await?);
    tokio::time::sleep(SETTLE).await;
    let at_few = server.tree.memory();
    held.extend(attached(server, few, many - few).await?);
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

/// Connections with a pair of links for tokens, which those of a hub have already, one for messages
/// and one for commands.
async fn attached(server: &Server, first: usize, count: usize) -> Result<Vec<Client<()>>, Trouble> {
    let mut attached = Vec::with_capacity(count);
    for (number, mut client) in server.clients(first, count).await? {
        let mut offers = vec![server.device_receiver(number)];
        if !matches!(server.kind, Kind::Hub(_)) {
            let named = |name: &str, offer: Offer| Offer { name: name.into(), ..offer };
            offers.push(named("second", server.device_receiver(number)));
            offers.push(named("third", server.sender(number)));
        }
        let mut waiting = offers.len();
        for offer in offers {
            client.attach(offer).ok_or("there is no room for a link")?;
        }
        while waiting > 0 {
            match client.event().await? {
                Event::Attached { .. } => waiting -= 1,
                Event::Detached { fault, .. } => return Err(format!("a link ends: {fault:?}").into()),
                _ => {}
            }
        }
        let link = client.attach(server.sender(number)).ok_or("there is no room for a link")?;
        until_ready(&mut client, link).await?;
        attached.push(client);
    }
    Ok(attached)
}
