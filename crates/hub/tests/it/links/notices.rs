//! Notices about files over links.

use std::time::Duration;

use serde_json::json;
use skerry_amqp::codec::Value;
use skerry_amqp::message::milliseconds;
use skerry_amqp::performative::{Outcome, Role};
use skerry_model::Clock as _;

use super::client::{Receiver, attach, condition, json, rejected, sections};
use crate::files::{begin, complete, write};
use crate::world::{World, everywhere};

const ADDRESS: &str = "/messages/serviceBound/filenotifications";
const MINUTE: Duration = Duration::from_secs(60);

async fn receiver(world: &World) -> Receiver {
    Receiver::open(world, ADDRESS, attach(Role::Receiver)).await.unwrap()
}

async fn uploaded(world: &World, name: &str) {
    let begun = begin(world, "d1", name).await;
    write(world, &begun, b"four").await;
    complete(world, "d1", &begun, true).await.expect(204);
}

async fn settle(world: &World, receiver: &mut Receiver, key: u128, outcome: Outcome) -> Outcome {
    loop {
        let settled = receiver.settle(key, outcome.clone()).await;
        if !(world.weak
            && matches!(&settled, Outcome::Rejected(Some(fault)) if condition(fault) == "com.microsoft:timeout"))
        {
            return settled;
        }
    }
}

#[test]
fn a_notice_comes_as_soon_as_the_file_is_there() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let mut receiver = receiver(&world).await;
        assert!(receiver.is_quiet().await);
        uploaded(&world, "a.txt").await;
        let item = receiver.next(1).await.unwrap().remove(0);
        assert_eq!(item.tag.unwrap().len(), 16);
        let notice = sections(item.payload);
        let kind = notice.properties.content_type.as_deref();
        assert_eq!(kind, Some("application/vnd.microsoft.iothub.filenotification.json"));
        let at = notice.annotation("iothub-enqueuedtime").unwrap();
        assert_eq!(at, &Value::Timestamp(milliseconds(world.clock.now())));
        let told = json(&notice);
        assert_eq!(
            (&told["deviceId"], &told["blobName"], &told["blobSizeInBytes"]),
            (&json!("d1"), &json!("d1/a.txt"), &json!(4))
        );
        assert_eq!(settle(&world, &mut receiver, item.key, Outcome::Accepted).await, Outcome::Accepted);
        world.pass(2 * MINUTE).await;
        assert!(receiver.is_quiet().await);
        let figures = world.hub.links().figures();
        assert_eq!((figures.notices_given, figures.notices_settled), (1, 1));
    });
}

#[test]
fn notices_are_held_given_back_and_dropped() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        uploaded(&world, "a.txt").await;
        let (mut one, mut two) = (receiver(&world).await, receiver(&world).await);
        let (key, _) = one.one().await;
        assert!(two.is_quiet().await, "one has it");
        assert_eq!(settle(&world, &mut one, key, Outcome::Released).await, Outcome::Released);
        let (key, _) = two.one().await;
        assert!(one.is_quiet().await);
        world.pass(MINUTE).await;
        let (later, _) = one.one().await;
        let lost = rejected(two.settle(key, Outcome::Accepted).await);
        assert_eq!(condition(&lost), "com.microsoft:message-lock-lost");
        drop(one);
        let (last, _) = two.one().await;
        assert_ne!(later, last, "whoever goes gives it back");
        let dropped = Outcome::Rejected(None);
        assert_eq!(settle(&world, &mut two, last, dropped.clone()).await, dropped);
        world.pass(2 * MINUTE).await;
        assert!(two.is_quiet().await);
    });
}

#[test]
fn going_does_not_count_and_giving_back_does() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        uploaded(&world, "a.txt").await;
        for _ in 0..12 {
            receiver(&world).await.one().await;
        }
        let mut receiver = receiver(&world).await;
        for _ in 0..10 {
            let (key, _) = receiver.one().await;
            settle(&world, &mut receiver, key, Outcome::Released).await;
        }
        assert!(receiver.is_quiet().await, "it was given back too often");
    });
}
