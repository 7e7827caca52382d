//! What peers cost that do nothing, or want everything and take nothing.

use skerry_amqp::address::Node;
use skerry_amqp::codec::Value;
use skerry_amqp::selector::Begin;
use skerry_uplink::amqp::{Client, Event, Offer, Outcome};

use super::{ENTITY, HOUR, Settled, authorize, connect, message, next, read_until, reader, sender};
use crate::mqtt::{new_device, said};

#[test]
fn a_peer_that_does_not_read_costs_less_than_a_megabyte() {
    const MESSAGES: usize = 400;
    /// A partition has places for five readers in a group.
    const GROUPS: usize = 8;
    const IN_A_GROUP: usize = 5;
    const PEER_BYTES_MAX: u64 = 1 << 20;
    let settled = Settled::new("telemetry.partitions = 1");
    let hub = settled.start(&[]);
    let identity = new_device(&hub, "d1");
    for group in 1..GROUPS {
        said(&hub, &["consumer-group", "create", &format!("g{group}")]);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        // More than what the system keeps for a connection.
        let mut device: Client<()> = connect(&hub).await;
        authorize(&mut device, &identity, HOUR).await;
        let to = sender(&mut device, &identity).await;
        let bodies = [16_000, 200_000].map(|len| "x".repeat(len));
        let (mut sent, mut accepted) = (0, 0);
        while accepted < MESSAGES {
            while sent < MESSAGES && device.is_ready(to) {
                device.send(to, message(&bodies[sent % 2], &[]), ()).unwrap();
                sent += 1;
            }
            match next(&mut device).await.unwrap() {
                Event::Sent { outcome: Outcome::Accepted, .. } => accepted += 1,
                Event::Ready { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        device.send(to, message("the end", &[]), ()).unwrap();
        while !matches!(next(&mut device).await.unwrap(), Event::Sent { .. }) {}
        let read = read_until(&hub, Begin::Oldest, |event| event.body == "the end").await;
        assert!(read.len() > MESSAGES);
        let before = hub.resident_bytes();
        let mut peers = Vec::new();
        for number in 0..GROUPS * IN_A_GROUP {
            let group = match number / IN_A_GROUP {
                0 => "$Default".to_owned(),
                group => format!("g{group}"),
            };
            let mut peer: Client<()> = reader(&hub).await;
            let node = Node::Partition { entity: ENTITY.to_owned(), group, partition: "0".to_owned() };
            let mut offer = Offer::receiver("reader", &node.to_string(), 1_000_000);
            offer.source.filter = Value::Null;
            peer.attach(offer).unwrap();
            // Its credit is out with the first event; from then on nobody reads.
            assert!(matches!(next(&mut peer).await.unwrap(), Event::Attached { .. }));
            assert!(matches!(next(&mut peer).await.unwrap(), Event::Delivery { .. }));
            peers.push(peer);
        }
        // As long as this takes all of them could have been served.
        for number in 0..3 {
            let end = format!("the end {number}");
            device.send(to, message(&end, &[]), ()).unwrap();
            while !matches!(next(&mut device).await.unwrap(), Event::Sent { .. }) {}
        }
        let each = hub.resident_bytes().saturating_sub(before) / peers.len() as u64;
        assert!(each < PEER_BYTES_MAX, "{} KiB for each of {}", each >> 10, peers.len());
        eprintln!("a peer that does not read costs {} KiB", each >> 10);
    });
    hub.stop();
}

#[test]
fn connections_that_are_idle_hold_no_buffers() {
    const FEW: usize = 100;
    const MANY: usize = 400;
    /// Far above what it is, for allocators keep what they like; a buffer for a read would be as much.
    const EACH_BYTES_MAX: u64 = 64 << 10;
    let settled = Settled::new("");
    let hub = settled.start(&[]);
    let identity = new_device(&hub, "d1");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (mut held, mut at_few) = (Vec::new(), 0);
        for number in 0..MANY {
            if number == FEW {
                at_few = hub.resident_bytes();
            }
            // With a token that counts; which of them has the device is of no interest.
            let mut client: Client<()> = connect(&hub).await;
            authorize(&mut client, &identity, HOUR).await;
            held.push(client);
        }
        let grown = hub.resident_bytes().saturating_sub(at_few);
        let each = grown / (MANY - FEW) as u64;
        assert!(each < EACH_BYTES_MAX, "{} KiB each", each >> 10);
        eprintln!("an idle connection holds {} KiB", each >> 10);
    });
    hub.stop();
}
