//! Messages that wait to be read.

use skerry_amqp::message::{BATCH_FORMAT, Writer};
use skerry_uplink::amqp::{Event, Outcome, Outgoing};

use crate::meter::Trouble;
use crate::server::{Server, message, until_ready};

/// In one transfer, below what a hub takes in one.
const IN_A_BATCH: usize = 500;
const WINDOW: usize = 1000;
/// Of batches: as much as a hub lets one connection have on the way.
const BATCHES_WINDOW: usize = 8;

/// Leaves so many for the first consumer.
pub(crate) async fn fill(server: &Server, count: usize) -> Result<(), Trouble> {
    let (number, mut client) = server.clients::<usize>(0, 1).await?.remove(0);
    let link = client.attach(server.sender(number)).ok_or("there is no room for a link")?;
    until_ready(&mut client, link).await?;
    let window = if server.takes_batches() { BATCHES_WINDOW } else { WINDOW };
    let (mut sent, mut accepted) = (0, 0);
    while accepted < count {
        while sent < count && client.is_ready(link) && client.pending_count() < window {
            let part = if server.takes_batches() { IN_A_BATCH.min(count - sent) } else { 1 };
            let outgoing = if part > 1 { batch(part) } else { message().into() };
            client.send(link, outgoing, part).map_err(|_| "a message was not taken")?;
            sent += part;
        }
        match client.event().await? {
            Event::Sent { item, outcome: Outcome::Accepted, .. } => accepted += item,
            Event::Ready { .. } => {}
            other => return Err(format!("the server says {other:?}").into()),
        }
    }
    client.close().await;
    Ok(())
}

fn batch(count: usize) -> Outgoing {
    let mut out = Vec::new();
    let message = message();
    for _ in 0..count {
        Writer::new(&mut out).data(&message);
    }
    Outgoing { format: BATCH_FORMAT, ..Outgoing::from(bytes::Bytes::from(out)) }
}
