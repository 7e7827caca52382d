//! What readers of events get, and from where on.

use std::time::Duration;

use bytes::Bytes;
use skerry_amqp::codec::Value;
use skerry_amqp::message::{Sections, milliseconds};
use skerry_amqp::performative::{Outcome, Role};
use skerry_hub::telemetry::{Letterhead, ProvenBy, Sender, SenderScope, Source};
use skerry_model::message::{Ack, SystemProperties};
use skerry_model::{Clock as _, Timestamp};
use skerry_store::log::{AppendError, Batch, Draft, Durability, Name, Partition, Placed, Sequence};

use super::client::{Receiver, attach, condition, from_filter, sections, with_metric};
use crate::world::{World, everywhere};

pub const ADDRESS: &str = "hub1/ConsumerGroups/$Default/Partitions/0";
const SECOND: Duration = Duration::from_secs(1);

pub fn sender() -> Sender {
    Sender {
        device: "d2".parse().unwrap(),
        module: None,
        generation: "637618061680407492".into(),
        scope: SenderScope::Device,
        proven_by: ProvenBy::Token,
    }
}

/// Places a record in partition 0, once, and says where.
pub async fn place(world: &World, number: u64, headers: Bytes, payload: Bytes) -> Sequence {
    loop {
        let name = Some(Name { producer: 7, number });
        let draft = Draft { name, headers: headers.clone(), payload: payload.clone(), ..Draft::default() };
        match world.log.append(Batch::new(vec![draft], Durability::Synced)).await.remove(0) {
            Ok(Placed::At { sequence, .. }) => return sequence,
            // It was the try before that placed it; nobody else places anything.
            Ok(Placed::Already) => {
                let next = world.log.extent(Partition::new(0)).await.unwrap().next;
                return Sequence::from_number(next.number() - 1);
            }
            Err(AppendError::Unknown) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// So many events, a second apart, with their numbers as bodies.
pub async fn fill(world: &World, count: u64) -> Vec<Sequence> {
    let headers =
        Letterhead::new(&sender(), Source::Telemetry, None).stamp(&SystemProperties::default().into(), &[]);
    let mut places = Vec::new();
    for number in 0..count {
        places.push(place(world, number, headers.clone(), number.to_string().into()).await);
        world.clock.advance(SECOND);
    }
    places
}

pub fn sequence(message: &Sections) -> u64 {
    match message.annotation("x-opt-sequence-number") {
        Some(Value::Long(number)) => u64::try_from(*number).unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn bodies(receiver: &mut Receiver, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < count {
        let credit = u32::try_from((count - found.len()).min(3)).unwrap();
        for item in receiver.next(credit).await.unwrap() {
            let message = sections(item.payload);
            assert_eq!(u128::from(sequence(&message)), item.key);
            found.push(String::from_utf8(message.body_bytes().unwrap().to_vec()).unwrap());
        }
    }
    found
}

fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

async fn receiver(world: &World, filter: &str) -> Receiver {
    Receiver::open(world, ADDRESS, from_filter(filter)).await.unwrap()
}

#[test]
fn an_event_has_everything_that_is_known_of_it_with_its_type() {
    everywhere(|world| async move {
        let now = world.clock.now();
        let sender = Sender { module: Some("m".parse().unwrap()), scope: SenderScope::Module, ..sender() };
        let system = SystemProperties {
            message_id: Some("m-1".into()),
            correlation_id: Some("c-1".into()),
            user_id: Some("ann".into()),
            to: Some("/devices/d2/modules/m/messages/events".into()),
            content_type: Some("application/json".into()),
            content_encoding: Some("utf-8".into()),
            expiry: Some(now.plus(SECOND)),
            creation_time: Some(now),
            ack: Some(Ack::Full),
            schema: Some("s;1".into()),
            interface_id: Some("urn:i".into()),
            component: Some("thermostat".into()),
            output: Some("out".into()),
            input: None,
        };
        let letterhead = Letterhead::new(&sender, Source::Telemetry, Some("dtmi:a;1"));
        let application = [("site".to_owned(), "oslo".to_owned()), ("ü".to_owned(), "é".to_owned())];
        let headers = letterhead.stamp(&system.into(), &application);
        let place = place(&world, 1, headers, "{}".into()).await;

        let mut receiver = Receiver::open(&world, ADDRESS, attach(Role::Receiver)).await.unwrap();
        let (_, message) = receiver.one().await;
        let number = i64::try_from(place.number()).unwrap();
        let method = r#"{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#;
        let at = Value::Timestamp(milliseconds(now));
        let annotations = [
            ("x-opt-sequence-number", Value::Long(number)),
            ("x-opt-offset", Value::string(&number.to_string())),
            ("x-opt-enqueued-time", at.clone()),
            ("iothub-connection-device-id", Value::string("d2")),
            ("iothub-connection-module-id", Value::string("m")),
            ("iothub-connection-auth-generation-id", Value::string("637618061680407492")),
            ("iothub-connection-auth-method", Value::string(method)),
            ("iothub-message-source", Value::string("Telemetry")),
            ("iothub-interface-id", Value::string("urn:i")),
            ("dt-dataschema", Value::string("dtmi:a;1")),
            ("dt-subject", Value::string("thermostat")),
            ("iothub-enqueuedtime", at),
        ];
        assert_eq!(message.annotations.len(), annotations.len());
        for (name, value) in &annotations {
            assert_eq!(message.annotation(name), Some(value), "{name}");
        }
        assert!(message.annotations.iter().all(|(key, _)| matches!(key, Value::Symbol(_))));
        let properties = &message.properties;
        assert_eq!(
            (&properties.message_id, &properties.correlation_id),
            (&Value::string("m-1"), &Value::string("c-1"))
        );
        assert_eq!(properties.to, Value::string("/devices/d2/modules/m/messages/events"));
        assert_eq!(properties.user_id.as_deref(), Some(&b"ann"[..]));
        assert_eq!(properties.content_type.as_deref(), Some("application/json"));
        assert_eq!(properties.content_encoding.as_deref(), Some("utf-8"));
        assert_eq!(properties.expiry, Some(milliseconds(now.plus(SECOND))));
        let application: Vec<(&str, &str)> =
            message.application.iter().map(|(name, value)| (&**name, value.as_text().unwrap())).collect();
        let expected = [
            ("site", "oslo"),
            ("ü", "é"),
            ("iothub-outputname", "out"),
            ("iothub-message-schema", "s;1"),
            ("iothub-ack", "full"),
            ("iothub-creation-time-utc", "2026-01-01T00:00:00Z"),
        ];
        assert_eq!(application, expected);
        assert!(message.delivery_annotations.is_empty());
        assert_eq!(message.body_bytes().unwrap(), "{}");
    });
}

#[test]
fn events_of_the_hub_come_beside_those_of_devices() {
    everywhere(|world| async move {
        let letterhead = Letterhead::new(&sender(), Source::ConnectionState, None);
        let headers = letterhead.stamp(&SystemProperties::default().into(), &[]);
        place(&world, 1, headers, "{}".into()).await;
        let (_, message) = receiver(&world, "amqp.annotation.x-opt-offset > '-1'").await.one().await;
        let source = message.annotation("iothub-message-source").unwrap();
        assert_eq!(source.as_text(), Some("deviceConnectionStateEvents"));
        assert!(message.properties.is_empty() && message.application.is_empty());
    });
}

#[test]
fn reading_begins_where_the_filter_says() {
    everywhere(|world| async move {
        let start = world.clock.now();
        let places = fill(&world, 10).await;
        let at = |seconds: u64| milliseconds(start.plus(SECOND * u32::try_from(seconds).unwrap()));
        let fifth = places[5].number();
        for (filter, first) in [
            ("amqp.annotation.x-opt-offset > '-1'".to_owned(), 0),
            (format!("amqp.annotation.x-opt-offset > '{fifth}'"), 6),
            (format!("amqp.annotation.x-opt-offset >= '{fifth}'"), 5),
            (format!("amqp.annotation.x-opt-sequence-number > '{fifth}'"), 6),
            (format!("amqp.annotation.x-opt-sequence-number >= {fifth}"), 5),
            (format!("amqp.annotation.x-opt-enqueued-time > '{}'", at(5)), 6),
            (format!("amqp.annotation.x-opt-enqueued-time >= '{}'", at(5)), 5),
            (format!("amqp.annotation.x-opt-enqueuedtimeutc > {}", at(5) - 1), 5),
            (format!("amqp.annotation.x-opt-enqueued-time > '{}'", at(0) - 1000), 0),
        ] {
            let mut receiver = receiver(&world, &filter).await;
            let count = usize::try_from(10 - first).unwrap();
            assert_eq!(bodies(&mut receiver, count).await, numbers(first..10), "{filter}");
            assert!(receiver.is_quiet().await, "{filter}");
        }
        let mut receiver = Receiver::open(&world, ADDRESS, attach(Role::Receiver)).await.unwrap();
        assert_eq!(bodies(&mut receiver, 10).await, numbers(0..10), "without one, everything");
    });
}

#[test]
fn readers_of_the_newest_get_what_comes_after_they_are_there() {
    everywhere(|world| async move {
        fill(&world, 3).await;
        let mut newest = receiver(&world, "amqp.annotation.x-opt-offset > '@latest'").await;
        let last = world.log.extent(Partition::new(0)).await.unwrap().next.number();
        let mut next = receiver(&world, &format!("amqp.annotation.x-opt-offset >= '{last}'")).await;
        let later = milliseconds(world.clock.now().plus(5 * SECOND));
        let mut later = receiver(&world, &format!("amqp.annotation.x-opt-enqueued-time >= '{later}'")).await;
        assert!(newest.is_quiet().await && next.is_quiet().await && later.is_quiet().await);
        let headers = Letterhead::new(&sender(), Source::Telemetry, None)
            .stamp(&SystemProperties::default().into(), &[]);
        place(&world, 100, headers.clone(), "new".into()).await;
        assert_eq!(bodies(&mut newest, 1).await, ["new"]);
        assert_eq!(bodies(&mut next, 1).await, ["new"]);
        assert!(later.is_quiet().await);
        world.clock.advance(5 * SECOND);
        place(&world, 101, headers, "later".into()).await;
        assert_eq!(bodies(&mut later, 1).await, ["later"]);
        assert_eq!(bodies(&mut newest, 1).await, ["later"]);
    });
}

#[test]
fn what_cannot_be_begun_with_is_refused() {
    everywhere(|world| async move {
        fill(&world, 3).await;
        let next = world.log.extent(Partition::new(0)).await.unwrap().next.number();
        let beyond = format!("amqp.annotation.x-opt-offset >= '{}'", next + 1);
        for (address, filter, expected) in [
            (ADDRESS, "amqp.annotation.x-opt-offset > 'x'", "com.microsoft:argument-error"),
            (ADDRESS, "amqp.annotation.color > 'red'", "com.microsoft:argument-error"),
            (ADDRESS, &beyond, "com.microsoft:argument-out-of-range"),
            ("hub1/ConsumerGroups/$Default/Partitions/4", "", "com.microsoft:argument-out-of-range"),
            ("hub1/ConsumerGroups/$Default/Partitions/+1", "", "com.microsoft:argument-out-of-range"),
            ("hub1/ConsumerGroups/other/Partitions/0", "", "amqp:not-found"),
            ("hub2/ConsumerGroups/$Default/Partitions/0", "", "amqp:not-found"),
        ] {
            let attach = if filter.is_empty() { attach(Role::Receiver) } else { from_filter(filter) };
            let fault = Receiver::open(&world, address, attach).await.err().unwrap();
            assert_eq!(condition(&fault), expected, "{address} {filter}");
            let text = fault.description.as_deref().unwrap();
            assert!(text.contains(" TrackingId:") && !text.starts_with('{'), "{text}");
        }
        assert_eq!(world.hub.links().figures().readers_open, 0);
    });
}

#[test]
fn a_reader_of_a_place_that_is_gone_goes_on_at_the_oldest() {
    everywhere(|world| async move {
        let places = fill(&world, 10).await;
        let mut reading = receiver(&world, "amqp.annotation.x-opt-offset > '-1'").await;
        assert_eq!(bodies(&mut reading, 1).await, ["0"]);
        world.log.trim(Partition::new(0), places[6]).await.unwrap();
        let first = places[2].number();
        let mut late = receiver(&world, &format!("amqp.annotation.x-opt-offset > '{first}'")).await;
        assert_eq!(bodies(&mut late, 4).await, numbers(6..10));
        // What it had in hand it may still give.
        let mut rest = Vec::new();
        while rest.last().is_none_or(|last| last != "9") {
            rest.extend(bodies(&mut reading, 1).await);
        }
        assert!(rest.ends_with(&numbers(6..10)), "{rest:?}");
        assert!(rest.is_sorted_by(|one, other| one < other), "{rest:?}");
        assert!(world.hub.links().figures().events_lost > 0);
    });
}

#[test]
fn checkpoints_hold_over_a_restart_and_nothing_comes_twice() {
    everywhere(|world| async move {
        fill(&world, 20).await;
        let mut receiver_before = receiver(&world, "amqp.annotation.x-opt-offset > '-1'").await;
        assert_eq!(bodies(&mut receiver_before, 7).await, numbers(0..7));
        let (key, message) = receiver_before.one().await;
        assert_eq!(message.body_bytes().unwrap(), "7");
        let world = world.reborn_with_log();
        let mut receiver = receiver(&world, &format!("amqp.annotation.x-opt-offset > '{key}'")).await;
        assert_eq!(bodies(&mut receiver, 12).await, numbers(8..20));
        assert_eq!(world.hub.links().figures().events_delivered, 12);
    });
}

#[test]
fn credit_is_kept_to_and_outcomes_change_nothing() {
    everywhere(|world| async move {
        fill(&world, 4).await;
        let mut receiver = receiver(&world, "amqp.annotation.x-opt-offset > '-1'").await;
        assert!(receiver.0.is_settled());
        assert!(receiver.poll(0).is_pending(), "without credit nothing comes");
        let (key, _) = receiver.one().await;
        assert_eq!(receiver.settle(key, Outcome::Released).await, Outcome::Released);
        assert_eq!(bodies(&mut receiver, 3).await, numbers(1..4));
        let mut other = Receiver::open(&world, ADDRESS, attach(Role::Receiver)).await.unwrap();
        assert_eq!(bodies(&mut other, 4).await, numbers(0..4), "each reader has everything");
    });
}

#[test]
fn a_reader_hears_how_far_behind_it_is_if_it_wants() {
    everywhere(|world| async move {
        let places = fill(&world, 3).await;
        let newest = Timestamp::from_ticks(world.clock.now().ticks() - 10_000_000);
        let mut receiver = Receiver::open(&world, ADDRESS, with_metric()).await.unwrap();
        let (_, message) = receiver.one().await;
        let last = i64::try_from(places[2].number()).unwrap();
        let told = |name: &str| {
            let mut found =
                message.delivery_annotations.iter().filter(|(key, _)| key.as_text() == Some(name));
            found.next().map(|(_, value)| value.clone()).unwrap()
        };
        assert_eq!(told("last_enqueued_sequence_number"), Value::Long(last));
        assert_eq!(told("last_enqueued_offset"), Value::string(&last.to_string()));
        assert_eq!(told("last_enqueued_time_utc"), Value::Timestamp(milliseconds(newest)));
        assert_eq!(
            told("runtime_info_retrieval_time_utc"),
            Value::Timestamp(milliseconds(world.clock.now()))
        );
    });
}

#[test]
fn what_cannot_be_read_is_passed_over() {
    everywhere(|world| async move {
        place(&world, 1, Bytes::from_static(&[9, 9]), "?".into()).await;
        let headers = Letterhead::new(&sender(), Source::Telemetry, None)
            .stamp(&SystemProperties::default().into(), &[]);
        place(&world, 2, headers, "!".into()).await;
        let mut receiver = Receiver::open(&world, ADDRESS, attach(Role::Receiver)).await.unwrap();
        assert_eq!(bodies(&mut receiver, 1).await, ["!"]);
    });
}

#[test]
fn devices_publish_and_readers_get_it() {
    everywhere(|world| async move {
        let mut receiver = Receiver::open(&world, ADDRESS, attach(Role::Receiver)).await.unwrap();
        let message = skerry_model::message::Message { body: "21.5".into(), ..Default::default() };
        let telemetry = world.hub.telemetry();
        assert_eq!(telemetry.partition_of(&sender().device), Partition::new(0));
        while telemetry.publish(&sender(), vec![message.clone()]).await.is_err() {
            assert!(world.weak);
        }
        assert_eq!(bodies(&mut receiver, 1).await, ["21.5"]);
    });
}
