//! What readers ask before they read, and where they are sent.

use std::time::Duration;

use skerry_amqp::codec::Value;
use skerry_amqp::message::{Properties, Sections, milliseconds};
use skerry_amqp::performative::Role;
use skerry_front::link::{LinkEnd, LinkService as _, Requests, Wanted};
use skerry_model::Clock as _;
use skerry_store::log::Partition;

use super::client::{attach, condition, open, requests, sections};
use super::events::fill;
use crate::world::{HOST, World, everywhere};

const HUB: &str = "com.microsoft:eventhub";
const PARTITION: &str = "com.microsoft:partition";

fn request(kind: &str, name: &str, more: &[(&str, &str)]) -> Sections {
    let mut all = vec![("operation", "READ"), ("type", kind), ("name", name)];
    all.extend_from_slice(more);
    let application = all.into_iter().map(|(name, value)| (name.into(), Value::string(value))).collect();
    let properties = Properties { message_id: Value::Ulong(7), ..Properties::default() };
    Sections { application, properties, ..Sections::default() }
}

async fn ask(requests: &dyn Requests, request: Sections) -> Sections {
    sections(requests.ask(request).await)
}

fn status(answer: &Sections) -> i32 {
    match answer.property("status-code") {
        Some(Value::Int(status)) => *status,
        other => panic!("{other:?}"),
    }
}

fn map(answer: &Sections) -> Vec<(String, Value)> {
    assert_eq!(status(answer), 200);
    assert!(answer.property("status-description").unwrap().as_text().is_some());
    match answer.body_value().unwrap() {
        Value::Map(entries) => {
            entries.into_iter().map(|(name, value)| (name.as_text().unwrap().to_owned(), value)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn entries<const N: usize>(entries: [(&str, Value); N]) -> Vec<(String, Value)> {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn partition(number: &str, first: i64, last: i64, newest: i64, is_empty: bool) -> Vec<(String, Value)> {
    entries([
        ("name", Value::string("hub1")),
        ("type", Value::string(PARTITION)),
        ("partition", Value::string(number)),
        ("begin_sequence_number", Value::Long(first)),
        ("last_enqueued_sequence_number", Value::Long(last)),
        ("last_enqueued_offset", Value::string(&last.to_string())),
        ("last_enqueued_time_utc", Value::Timestamp(newest)),
        ("is_partition_empty", Value::Bool(is_empty)),
    ])
}

#[test]
fn the_hub_and_its_partitions_are_described() {
    everywhere(|world| async move {
        let since = world.clock.now();
        world.hub.groups().open().await.unwrap();
        world.clock.advance(Duration::from_secs(60));
        let requests = requests(&world, &format!("amqps://{HOST}/hub1/$management")).await;
        let answer = ask(&*requests, request(HUB, "hub1", &[])).await;
        let expected = entries([
            ("name", Value::string("hub1")),
            ("type", Value::string(HUB)),
            ("created_at", Value::Timestamp(milliseconds(since))),
            ("partition_count", Value::Int(4)),
            ("partition_ids", Value::strings(["0", "1", "2", "3"])),
        ]);
        assert_eq!(map(&answer), expected);
        let answer = ask(&*requests, request(PARTITION, "HUB1", &[("partition", "0")])).await;
        assert_eq!(map(&answer), partition("0", 0, -1, milliseconds(skerry_model::Timestamp::NEVER), true));

        let newest = world.clock.now().plus(Duration::from_secs(2));
        let places = fill(&world, 3).await;
        let [first, last] = [places[0], places[2]].map(|place| i64::try_from(place.number()).unwrap());
        let answer = ask(&*requests, request(PARTITION, "hub1", &[("partition", "0")])).await;
        assert_eq!(map(&answer), partition("0", first, last, milliseconds(newest), false));
        world.log.trim(Partition::new(0), places[2].next()).await.unwrap();
        let answer = ask(&*requests, request(PARTITION, "hub1", &[("partition", "0")])).await;
        assert_eq!(map(&answer), partition("0", last + 1, last, milliseconds(newest), true));
        assert_eq!(world.hub.links().figures().requests, 4);
        // The same after a restart.
        let world = world.reborn();
        world.clock.advance(Duration::from_secs(60));
        let requests = self::requests(&world, "$management").await;
        assert_eq!(map(&ask(&*requests, request(HUB, "hub1", &[])).await), expected);
    });
}

#[test]
fn an_answer_has_the_id_of_its_request_with_its_type() {
    everywhere(|world| async move {
        let requests = requests(&world, "$management").await;
        for id in [Value::Ulong(0), Value::Uuid([7; 16]), Value::string("a"), Value::Binary("b".into())] {
            let mut request = request(HUB, "hub1", &[]);
            request.properties.message_id = id.clone();
            assert_eq!(ask(&*requests, request).await.properties.correlation_id, id);
        }
        let mut request = request(HUB, "hub2", &[]);
        (request.properties.message_id, request.properties.correlation_id) =
            (Value::Null, Value::string("c"));
        assert_eq!(ask(&*requests, request).await.properties.correlation_id, Value::string("c"));
    });
}

#[test]
fn what_is_not_there_or_not_allowed_has_a_status() {
    everywhere(|world| async move {
        let requests = requests(&world, "hub1/$management").await;
        let device = world.token("device");
        let service = world.token("service");
        let mut other_operation = request(HUB, "hub1", &[]);
        other_operation.application[0].1 = Value::string("DELETE");
        for (request, expected) in [
            (request(HUB, "hub2", &[]), (404, "amqp:not-found")),
            (request(HUB, "", &[]), (404, "amqp:not-found")),
            (request(PARTITION, "hub1", &[("partition", "4")]), (404, "amqp:not-found")),
            (request(PARTITION, "hub1", &[]), (404, "amqp:not-found")),
            (request("com.microsoft:other", "hub1", &[]), (400, "com.microsoft:argument-error")),
            (request(HUB, "hub1", &[("security_token", "nonsense")]), (401, "amqp:unauthorized-access")),
            (request(HUB, "hub1", &[("security_token", &device)]), (401, "amqp:unauthorized-access")),
            (other_operation, (501, "amqp:not-implemented")),
            (Sections::default(), (501, "amqp:not-implemented")),
        ] {
            let told = format!("{:?}", request.application);
            let answer = ask(&*requests, request).await;
            let condition = answer.property("error-condition").unwrap().as_text().unwrap();
            assert_eq!((status(&answer), condition), expected, "{told}");
            assert!(!answer.property("status-description").unwrap().as_text().unwrap().is_empty());
        }
        let shown = request(HUB, "hub1", &[("security_token", &service)]);
        assert_eq!(status(&ask(&*requests, shown).await), 200);
        // Whoever attached with a key that is gone by now needs another one.
        world.policies.regenerate("service", true, true, &crate::world::KnownRandom(9.into())).unwrap();
        assert_eq!(status(&ask(&*requests, request(HUB, "hub1", &[])).await), 401);
        let fresh = world.token("service");
        assert_eq!(status(&ask(&*requests, request(HUB, "hub1", &[("security_token", &fresh)])).await), 200);
        let fault = open(&world, "hub2/$management", attach(Role::Sender)).await.err().unwrap();
        assert_eq!(condition(&fault), "amqp:not-found");
        assert!(matches!(
            open(&world, "hub1/$management", attach(Role::Receiver)).await,
            Ok(LinkEnd::Answers)
        ));
    });
}

#[test]
fn partitions_are_named_by_numbers_too() {
    everywhere(|world| async move {
        let requests = requests(&world, "hub1/$management").await;
        let mut asked = request(PARTITION, "hub1", &[]);
        asked.application.push(("partition".into(), Value::Int(3)));
        let described = map(&ask(&*requests, asked).await);
        assert!(described.contains(&("partition".to_owned(), Value::string("3"))));
    });
}

async fn redirected(world: &World, host: &str, address: &str) -> Vec<(String, Value)> {
    let wanted = Wanted {
        node: skerry_amqp::address::Node::parse(address).unwrap(),
        attach: attach(Role::Receiver).into(),
        host: host.to_owned(),
        tokens: vec![world.token("service").into()],
    };
    let fault = world.hub.links().open(wanted).await.err().unwrap();
    assert_eq!(condition(&fault), "amqp:link:redirect");
    let Value::Map(info) = fault.info else { panic!("no info") };
    assert!(info.iter().all(|(key, _)| matches!(key, Value::Symbol(_))));
    info.into_iter().map(|(key, value)| (key.as_text().unwrap().to_owned(), value)).collect()
}

#[test]
fn readers_at_the_old_address_are_told_the_new_one() {
    everywhere(|world| async move {
        let info = |host: &str, port: i32, address: &str| {
            entries([
                ("hostname", Value::string(host)),
                ("network-host", Value::string(host)),
                ("port", Value::Int(port)),
                ("address", Value::string(address)),
            ])
        };
        for (host, address, expected) in [
            (
                HOST,
                "messages/events/$management",
                info(HOST, 5671, &format!("amqps://{HOST}:5671/hub1/$management")),
            ),
            (
                "127.0.0.1:15671",
                "amqps://127.0.0.1/messages/events/ConsumerGroups/$Default/Partitions/0",
                info(
                    "127.0.0.1",
                    15_671,
                    "amqps://127.0.0.1:15671/hub1/ConsumerGroups/$Default/Partitions/0",
                ),
            ),
            ("elsewhere.test", "messages/events", info(HOST, 5671, &format!("amqps://{HOST}:5671/hub1"))),
        ] {
            assert_eq!(redirected(&world, host, address).await, expected, "{host} {address}");
        }
    });
}
