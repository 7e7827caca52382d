//! Devices that share a connection: each has its own token, and its own end.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use skerry_amqp::address::Node;
use skerry_amqp::performative::condition;
use skerry_uplink::amqp::{Client, Event, LinkId, Offer, Outcome};

use super::{HOUR, Settled, authorize, connect, message, next, sender};
use crate::mqtt::new_device;

#[test]
fn a_token_that_ends_takes_the_links_of_its_device_and_no_others() {
    // Long enough to come in with, on a busy machine.
    const SHORT: Duration = Duration::from_secs(8);
    let settled = Settled::new("token_skew_seconds = 0");
    let hub = settled.start(&[]);
    let devices = ["d1", "d2", "d3"].map(|id| new_device(&hub, id));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut client: Client<LinkId> = connect(&hub).await;
        // The third shows a new one before its first ends.
        for (device, life) in devices.iter().zip([HOUR, SHORT, SHORT]) {
            authorize(&mut client, device, life).await;
        }
        let mut links = Vec::new();
        for device in &devices {
            links.push(
                client
                    .attach(Offer::sender(device.device.as_str(), &Node::Events(device.id()).to_string()))
                    .unwrap(),
            );
        }
        let commands = Node::Devicebound(devices[1].id()).to_string();
        let commands = client.attach(Offer::receiver("commands", &commands, 5)).unwrap();
        authorize(&mut client, &devices[2], HOUR).await;
        let (mut gone, mut after) = (Vec::new(), HashMap::<LinkId, usize>::new());
        let mut begun = HashSet::new();
        // One message of each at a time, until the others have sent some without the second.
        while gone.len() < 2 || [0, 2].iter().any(|at| after.get(&links[*at]).is_none_or(|count| *count < 20))
        {
            match next(&mut client).await.unwrap() {
                Event::Ready { link } if begun.insert(link) => {
                    client.send(link, message("first", &[]), link).unwrap();
                }
                Event::Sent { item, outcome, .. } => {
                    assert_eq!(outcome, Outcome::Accepted);
                    if gone.len() == 2 {
                        *after.entry(item).or_default() += 1;
                    }
                    client.send(item, message("more", &[]), item).unwrap();
                }
                Event::Detached { link, fault, .. } => {
                    assert_eq!(fault.unwrap().condition.as_str(), condition::UNAUTHORIZED_ACCESS);
                    assert!([links[1], commands].contains(&link), "the others go on");
                    gone.push(link);
                }
                Event::Attached { .. } | Event::Ready { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        gone.sort();
        let mut expected = vec![links[1], commands];
        expected.sort();
        assert_eq!(gone, expected);
        // A new token, and it is back.
        authorize(&mut client, &devices[1], HOUR).await;
        let offer = Offer::sender("again", &Node::Events(devices[1].id()).to_string());
        let again = client.attach(offer).unwrap();
        loop {
            match next(&mut client).await.unwrap() {
                Event::Attached { link, .. } if link == again => break,
                Event::Detached { fault, .. } => panic!("{fault:?}"),
                _ => {}
            }
        }
        client.close().await;
    });
    hub.stop();
}

#[test]
fn the_newest_connection_of_a_device_takes_its_links_and_leaves_the_others() {
    let settled = Settled::new("");
    let hub = settled.start(&[]);
    let [moves, stays] = ["moves", "stays"].map(|id| new_device(&hub, id));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut shared: Client<()> = connect(&hub).await;
        for device in [&moves, &stays] {
            authorize(&mut shared, device, HOUR).await;
        }
        let session = shared.begin().unwrap();
        let old = Offer::sender("events", &Node::Events(moves.id()).to_string());
        let old = shared.attach_in(session, old).unwrap();
        let stayed = sender(&mut shared, &stays).await;
        while !shared.is_ready(old) {
            next(&mut shared).await.unwrap();
        }
        let mut alone: Client<()> = connect(&hub).await;
        authorize(&mut alone, &moves, HOUR).await;
        let new = sender(&mut alone, &moves).await;
        let Event::Detached { link, fault, .. } = next(&mut shared).await.unwrap() else { panic!() };
        assert_eq!((link, fault.unwrap().condition.as_str()), (old, condition::STOLEN));
        for (client, link) in [(&mut shared, stayed), (&mut alone, new)] {
            client.send(link, message("here", &[]), ()).unwrap();
            let told = next(client).await.unwrap();
            assert!(matches!(told, Event::Sent { outcome: Outcome::Accepted, .. }), "{told:?}");
        }
    });
    hub.stop();
}
