//! Readers that kept their place, and a hub that died: nothing is skipped, and nothing comes twice.

use std::collections::HashSet;

use skerry_amqp::codec::Value;
use skerry_amqp::selector::{Begin, filter};
use skerry_uplink::Identity;
use skerry_uplink::amqp::{Client, Event, Outcome};

use super::{HOUR, Read, Settled, authorize, connect, events, message, next, read_until, reader, sender};
use crate::mqtt::new_device;
use crate::process::Hub;

/// What readers keep of the last event that they have dealt with.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Offset,
    Sequence,
    Time,
}

impl Kept {
    /// The filter with which a reader goes on behind an event.
    fn behind(self, last: &Read) -> Value {
        match self {
            Self::Sequence => filter(Begin::Sequence(last.sequence + 1)),
            // Of what was enqueued at the same moment it has seen some.
            Self::Time => filter(Begin::Time { at: last.enqueued, is_inclusive: true }),
            Self::Offset => {
                let text = format!("amqp.annotation.x-opt-offset > '{}'", last.offset);
                let name = Value::symbol("apache.org:selector-filter:string");
                Value::Map(vec![(name.clone(), Value::described(name, Value::string(&text)))])
            }
        }
    }
}

#[derive(Default)]
struct Story {
    accepted: Vec<String>,
    read: Vec<Read>,
}

impl Story {
    /// A device sends as fast as it may, and a reader goes on behind what was read, until the hub is
    /// killed. What comes again because of its time is dropped, as readers do.
    async fn go_on(&mut self, hub: Hub, identity: &Identity, round: usize, kept: Kept) {
        let mut device: Client<String> = connect(&hub).await;
        authorize(&mut device, identity, HOUR).await;
        let to = sender(&mut device, identity).await;
        let mut reader = reader(&hub).await;
        let begin = self.read.last().map_or(Value::Null, |last| kept.behind(last));
        let from = events(&mut reader, "$Default", 0, &begin, 300);
        let enough = (self.accepted.len() + 400 + 150 * round, self.read.len() + 200);
        let (mut hub, mut number, mut is_sending, mut is_reading) = (Some(hub), 0, true, true);
        while is_sending || is_reading {
            while is_sending && device.is_ready(to) {
                let text = format!("r{round}-{number}");
                number += 1;
                device.send(to, message(&text, &[]), text).unwrap();
            }
            tokio::select! {
                event = next(&mut device), if is_sending => match event {
                    Ok(Event::Sent { item, outcome: Outcome::Accepted, .. }) => self.accepted.push(item),
                    Ok(Event::Ready { .. }) => {}
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => is_sending = false,
                },
                event = next(&mut reader), if is_reading => match event {
                    Ok(Event::Delivery { delivery, .. }) => {
                        reader.settle(from, &delivery, Outcome::Accepted);
                        let event = Read::new(&delivery);
                        if self.read.last().is_none_or(|last| last.sequence < event.sequence) {
                            self.read.push(event);
                        }
                    }
                    Ok(Event::Attached { .. }) => {}
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => is_reading = false,
                },
            }
            if self.accepted.len() >= enough.0
                && self.read.len() >= enough.1
                && let Some(hub) = hub.take()
            {
                hub.kill();
            }
        }
    }
}

#[test]
fn a_reader_goes_on_behind_what_it_has_seen_however_the_hub_died() {
    let settled = Settled::new("telemetry.partitions = 1");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut story, mut identity) = (Story::default(), None);
    for (round, kept) in [Kept::Offset, Kept::Sequence, Kept::Time, Kept::Offset].into_iter().enumerate() {
        let hub = settled.start(&[]);
        let identity = identity.get_or_insert_with(|| new_device(&hub, "d1"));
        runtime.block_on(story.go_on(hub, identity, round, kept));
    }
    let hub = settled.start(&[]);
    let last = story.read.last().unwrap().clone();
    let rest = runtime.block_on(async {
        let identity = identity.as_ref().unwrap();
        let mut device: Client<()> = connect(&hub).await;
        authorize(&mut device, identity, HOUR).await;
        let to = sender(&mut device, identity).await;
        device.send(to, message("the end", &[]), ()).unwrap();
        let sent = next(&mut device).await.unwrap();
        assert!(matches!(sent, Event::Sent { outcome: Outcome::Accepted, .. }), "{sent:?}");
        read_until(&hub, Begin::Sequence(last.sequence + 1), |event| event.body == "the end").await
    });
    // That devices came and went is told there, too.
    let all: Vec<&str> = story.read.iter().chain(&rest).map(|event| event.body.as_str()).collect();
    let mut messages: Vec<&str> = all.iter().copied().filter(|body| body.starts_with('r')).collect();
    let present: HashSet<&str> = messages.iter().copied().collect();
    assert_eq!(present.len(), messages.len(), "nothing came twice");
    let lost: Vec<_> = story.accepted.iter().filter(|text| !present.contains(text.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), story.accepted.len());
    for round in 0..4 {
        let start = format!("r{round}-");
        let numbers = messages.extract_if(.., |body| body.starts_with(&start));
        let numbers: Vec<usize> = numbers.map(|body| body[start.len()..].parse().unwrap()).collect();
        assert!(numbers.iter().copied().eq(0..numbers.len()), "in order, without a gap: {numbers:?}");
    }
    hub.stop();
}

#[test]
fn a_reader_goes_on_in_a_partition_that_lost_its_beginning() {
    const COUNT: usize = 800;
    // Several times what a connection may have on the way, for what is not on the disk cannot be trimmed.
    let settled = Settled::new("[telemetry]\npartitions = 1\nbytes_max = 4194304");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let hub = settled.start(&[]);
    let identity = new_device(&hub, "d1");
    let (kept, middle) = runtime.block_on(async {
        let mut device: Client<()> = connect(&hub).await;
        authorize(&mut device, &identity, HOUR).await;
        let to = sender(&mut device, &identity).await;
        let (mut sent, mut accepted) = (0, 0);
        while accepted < COUNT {
            while sent < COUNT && device.is_ready(to) {
                let body = format!("{sent:03}{}", "x".repeat(10_000));
                device.send(to, message(&body, &[]), ()).unwrap();
                sent += 1;
            }
            match next(&mut device).await.unwrap() {
                Event::Sent { outcome: Outcome::Accepted, .. } => accepted += 1,
                Event::Ready { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        let last = format!("{:03}", COUNT - 1);
        let kept = read_until(&hub, Begin::Oldest, |event| event.body.starts_with(&last)).await;
        let middle = kept[kept.len() / 2].clone();
        (kept, middle)
    });
    hub.kill();
    assert!(kept[0].sequence > 0 && kept.len() < COUNT, "the oldest are gone: {}", kept.len());
    let sequences = |events: &[Read]| events.iter().map(|event| event.sequence).collect::<Vec<_>>();
    assert!(sequences(&kept).windows(2).all(|pair| pair[0] + 1 == pair[1]));
    for way in [Kept::Offset, Kept::Sequence, Kept::Time] {
        // Each goes on at a hub that died, and another one at a place that is not there any more.
        let hub = settled.start(&[]);
        let end = kept.last().unwrap().sequence;
        let (mut rest, again) = runtime.block_on(async {
            let mut client = reader(&hub).await;
            let from = events(&mut client, "$Default", 0, &way.behind(&middle), 300);
            let mut rest: Vec<Read> = Vec::new();
            while rest.last().is_none_or(|last| last.sequence < end) {
                if let Event::Delivery { delivery, .. } = next(&mut client).await.unwrap() {
                    client.settle(from, &delivery, Outcome::Accepted);
                    rest.push(Read::new(&delivery));
                }
            }
            (rest, read_until(&hub, Begin::Sequence(1), |event| event.sequence == end).await)
        });
        if let Kept::Time = way {
            rest.retain(|event| event.sequence > middle.sequence);
        }
        assert_eq!(sequences(&rest), (middle.sequence + 1..=end).collect::<Vec<_>>(), "{way:?}");
        assert_eq!(again, kept, "what is left, from its beginning on");
        hub.kill();
    }
}
