//! Feedback over links: batches, and every way to settle them.

use std::time::Duration;

use serde_json::json;
use skerry_amqp::codec::Value;
use skerry_amqp::message::milliseconds;
use skerry_amqp::performative::{Outcome, Role};
use skerry_model::Clock as _;
use skerry_model::message::Ack;

use super::client::{Receiver, attach, code, condition, json, rejected, sections};
use crate::commands::{lease, recipient, send, with_ack};
use crate::world::{World, everywhere};

const ADDRESS: &str = "/messages/serviceBound/feedback";
const GATHERED: Duration = Duration::from_secs(15);
const MINUTE: Duration = Duration::from_secs(60);

async fn receiver(world: &World) -> Receiver {
    Receiver::open(world, ADDRESS, attach(Role::Receiver)).await.unwrap()
}

/// Sends commands that ask for everything, and has the device complete them.
async fn completed(world: &World, ids: &[&str]) {
    let (commands, to) = (world.hub.commands().clone(), recipient(world, "d1", None).await);
    for id in ids {
        send(world, "d1", with_ack(id, Ack::Full)).await;
        let leased = lease(&commands, &to).await.unwrap();
        commands.complete(&to, leased.token).await.unwrap();
    }
}

/// Until the store says how it ended: a weak one may not know.
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
fn a_batch_comes_as_applications_read_it() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let mut receiver = receiver(&world).await;
        let generation = recipient(&world, "d1", None).await.generation;
        let enqueued = world.clock.now();
        completed(&world, &["m-1"]).await;
        assert!(receiver.is_quiet().await, "more may come");
        world.pass(GATHERED).await;
        let item = receiver.next(5).await.unwrap().remove(0);
        let tag = item.tag.unwrap();
        let groups = [&item.key.to_be_bytes()[..4], &item.key.to_be_bytes()[8..]];
        let turned: Vec<u8> = tag[..4].iter().rev().copied().collect();
        assert_eq!(
            (tag.len(), turned.as_slice(), &tag[8..]),
            (16, groups[0], groups[1]),
            "a GUID as .NET lays it out"
        );
        let batch = sections(item.payload);
        let properties = &batch.properties;
        assert_eq!(
            properties.content_type.as_deref(),
            Some("application/vnd.microsoft.iothub.feedback.json")
        );
        assert_eq!(properties.user_id.as_deref(), Some(&b"hub1"[..]));
        let at = batch.annotation("iothub-enqueuedtime").unwrap();
        assert_eq!(at, &Value::Timestamp(milliseconds(enqueued)));
        let expected = json!([{
            "originalMessageId": "m-1",
            "description": "Success",
            "deviceGenerationId": generation,
            "deviceId": "d1",
            "enqueuedTimeUtc": "2026-01-01T00:00:00Z",
            "statusCode": "Success",
        }]);
        assert_eq!(json(&batch), expected);
        assert_eq!(settle(&world, &mut receiver, item.key, Outcome::Accepted).await, Outcome::Accepted);
        world.pass(2 * MINUTE).await;
        assert!(receiver.is_quiet().await, "it was told once");
        let figures = world.hub.links().figures();
        assert_eq!((figures.feedback_given, figures.feedback_settled), (1, 1));
    });
}

#[test]
fn a_batch_is_settled_in_every_way() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let mut receiver = receiver(&world).await;
        completed(&world, &["m-1"]).await;
        world.pass(GATHERED).await;
        let modified = Outcome::Modified { is_failed: true, is_undeliverable: false };
        for outcome in [Outcome::Released, modified] {
            let (key, batch) = receiver.one().await;
            assert_eq!(json(&batch)[0]["originalMessageId"], "m-1");
            assert_eq!(settle(&world, &mut receiver, key, outcome.clone()).await, outcome, "given back");
        }
        let (key, _) = receiver.one().await;
        assert_eq!(
            receiver.settle(key, Outcome::Received { section: 0, offset: 0 }).await,
            Outcome::Received { section: 0, offset: 0 }
        );
        world.pass(MINUTE).await;
        let (again, _) = receiver.one().await;
        assert_ne!(key, again, "it was held for too long");
        let lost = rejected(receiver.settle(key, Outcome::Accepted).await);
        assert_eq!((condition(&lost), code(&lost)), ("com.microsoft:message-lock-lost", 412_002));
        let dropped = Outcome::Rejected(None);
        assert_eq!(settle(&world, &mut receiver, again, dropped.clone()).await, dropped);
        world.pass(2 * MINUTE).await;
        assert!(receiver.is_quiet().await);
    });
}

#[test]
fn what_is_given_back_too_often_is_dropped() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let mut receiver = receiver(&world).await;
        completed(&world, &["m-1"]).await;
        world.pass(GATHERED).await;
        for _ in 0..10 {
            let (key, _) = receiver.one().await;
            settle(&world, &mut receiver, key, Outcome::Released).await;
        }
        assert!(receiver.is_quiet().await);
        assert_eq!(world.hub.commands().figures().feedback_depth, 0);
    });
}

#[test]
fn a_receiver_that_goes_gives_back_what_it_had_without_counting() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        completed(&world, &["m-1"]).await;
        world.pass(GATHERED).await;
        for _ in 0..12 {
            let mut gone = receiver(&world).await;
            assert_eq!(json(&gone.one().await.1)[0]["originalMessageId"], "m-1");
        }
        // One that waits gets it at once.
        let mut holder = receiver(&world).await;
        holder.one().await;
        let mut other = receiver(&world).await;
        assert!(other.is_quiet().await);
        drop(holder);
        other.one().await;
    });
}

#[test]
fn batches_are_full_at_once_and_shared_between_receivers() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let (mut one, mut two) = (receiver(&world).await, receiver(&world).await);
        let ids: Vec<String> = (0..64).map(|number| format!("m-{number}")).collect();
        let (last, most) = ids.split_last().unwrap();
        for id in most {
            // The queue of a device holds fewer.
            completed(&world, &[id]).await;
        }
        assert!(one.is_quiet().await, "one more fits");
        completed(&world, &[last]).await;
        let (_, full) = one.one().await;
        assert_eq!(json(&full).as_array().unwrap().len(), 64);
        completed(&world, &["m-64"]).await;
        assert!(two.is_quiet().await, "the other one waits for more");
        world.pass(GATHERED).await;
        let (key, batch) = two.one().await;
        assert_eq!(json(&batch).as_array().unwrap().len(), 1);
        assert_eq!(settle(&world, &mut two, key, Outcome::Accepted).await, Outcome::Accepted);
    });
}

#[test]
fn feedback_waits_for_a_reader_over_a_restart() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let mut receiver_before = receiver(&world).await;
        completed(&world, &["m-1"]).await;
        world.pass(GATHERED).await;
        receiver_before.one().await;
        let world = world.reborn();
        let (key, batch) = receiver(&world).await.one().await;
        assert_eq!((json(&batch)[0]["statusCode"].as_str(), key > 0), (Some("Success"), true));
    });
}
