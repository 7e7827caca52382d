//! Feedback: what became of commands, for whoever sent them.

use std::time::Duration;

use http::Method;
use serde_json::json;
use skerry_hub::commands::{FeedbackBatch, Outcome, SettleError};
use skerry_model::message::Ack;

use crate::commands::{lease, recipient, send, with_ack};
use crate::world::{World, everywhere};

const GATHERED: Duration = Duration::from_secs(15);
const MINUTE: Duration = Duration::from_secs(60);

/// Sends a command and completes it.
async fn completed(world: &World, device: &str, id: &str, ack: Ack) {
    send(world, device, with_ack(id, ack)).await;
    let (commands, to) = (world.hub.commands().clone(), recipient(world, device, None).await);
    let leased = lease(&commands, &to).await.unwrap();
    commands.complete(&to, leased.token).await.unwrap();
}

async fn batch(world: &World) -> Option<FeedbackBatch> {
    world.hub.commands().feedback().lease().await.unwrap()
}

fn outcomes(batch: &FeedbackBatch) -> Vec<(String, Outcome)> {
    batch.records.iter().map(|told| (told.message_id.clone(), told.outcome)).collect()
}

#[test]
fn senders_hear_of_what_they_asked_for_once_it_has_come_together() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        for (id, ack) in [("p", Ack::Positive), ("n", Ack::Negative), ("f", Ack::Full), ("0", Ack::None)] {
            completed(&world, "d1", id, ack).await;
        }
        for (id, ack) in [("rp", Ack::Positive), ("rn", Ack::Negative), ("rf", Ack::Full), ("r0", Ack::None)]
        {
            send(&world, "d1", with_ack(id, ack)).await;
            let leased = lease(&commands, &to).await.unwrap();
            commands.reject(&to, leased.token).await.unwrap();
        }
        assert_eq!(batch(&world).await, None, "more may come");
        world.pass(GATHERED).await;
        let told = batch(&world).await.unwrap();
        let mut heard = outcomes(&told);
        heard.sort_by(|one, other| one.0.cmp(&other.0));
        let wanted = [
            ("f", Outcome::Success),
            ("p", Outcome::Success),
            ("rf", Outcome::Rejected),
            ("rn", Outcome::Rejected),
        ];
        assert_eq!(heard, wanted.map(|(id, outcome)| (id.to_owned(), outcome)));
        assert_eq!(told.records[0].device, "d1");
        assert_eq!(told.records[0].generation, to.generation);
        commands.feedback().complete(told.token).await.unwrap();
        assert_eq!(commands.feedback().complete(told.token).await, Err(SettleError::LockLost));
        assert_eq!(commands.figures().feedback_depth, 0);
    });
}

#[test]
fn every_way_to_end_is_told() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        send(&world, "d1", with_ack("often", Ack::Full)).await;
        for _ in 0..10 {
            let leased = lease(&commands, &to).await.unwrap();
            commands.abandon(&to, leased.token).await.unwrap();
        }
        send(&world, "d1", with_ack("purged", Ack::Negative)).await;
        world.delete("/devices/d1/commands").await.expect(200);
        let mut late = with_ack("late", Ack::Negative);
        late.system.expiry = Some("2026-01-01T00:00:10Z".parse().unwrap());
        send(&world, "d1", late).await;
        world.pass(GATHERED).await;
        commands.sweep().await;
        let told = batch(&world).await.unwrap();
        let mut heard: Vec<Outcome> = told.records.iter().map(|told| told.outcome).collect();
        heard.sort_by_key(|outcome| outcome.as_str());
        assert_eq!(heard, [Outcome::DeliveryCountExceeded, Outcome::Expired, Outcome::Purged]);
    });
}

#[test]
fn a_batch_is_given_back_by_time_or_by_word_and_not_for_ever() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        completed(&world, "d1", "m", Ack::Full).await;
        world.pass(GATHERED).await;
        let feedback = world.hub.commands().feedback();
        let late = batch(&world).await.unwrap();
        assert_eq!(batch(&world).await, None);
        world.pass(MINUTE).await;
        assert_eq!(feedback.complete(late.token).await, Err(SettleError::LockLost));
        for _ in 0..10 {
            let again = batch(&world).await.unwrap();
            feedback.abandon(again.token).await.unwrap();
        }
        assert_eq!(batch(&world).await, None);
        let figures = world.hub.commands().figures();
        assert_eq!((figures.feedback_depth, figures.feedback_expired), (0, 1));
    });
}

#[test]
fn full_batches_go_at_once_and_the_rest_waits() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        world.device("d2", json!({})).await;
        for n in 0..66 {
            completed(&world, if n % 2 == 0 { "d1" } else { "d2" }, &format!("m{n}"), Ack::Full).await;
        }
        let feedback = world.hub.commands().feedback();
        feedback.wait().await;
        let first = batch(&world).await.unwrap();
        assert_eq!(first.records.len(), 64);
        feedback.complete(first.token).await.unwrap();
        assert_eq!(batch(&world).await, None);
        world.pass(GATHERED).await;
        feedback.wait().await;
        assert_eq!(batch(&world).await.unwrap().records.len(), 2);
    });
}

#[test]
fn feedback_expires_goes_with_its_device_and_survives_a_life() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        world.device("d2", json!({})).await;
        completed(&world, "d1", "m1", Ack::Full).await;
        completed(&world, "d2", "m2", Ack::Full).await;
        let reborn = world.reborn();
        reborn.hub.commands().open().await.unwrap();
        assert_eq!(reborn.hub.commands().figures().feedback_depth, 2);
        world.delete("/devices/d1").await.expect(204);
        let told = batch(&reborn).await.unwrap();
        assert_eq!(outcomes(&told), [("m2".to_owned(), Outcome::Success)]);
        reborn.pass(Duration::from_secs(3600)).await;
        reborn.hub.commands().sweep().await;
        assert_eq!(batch(&reborn).await, None);
        assert_eq!(reborn.hub.commands().figures().feedback_expired, 1);
        assert_eq!(reborn.reborn().hub.commands().figures().feedback_depth, 0);
    });
}

#[test]
fn feedback_is_read_over_http() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        world.get("/messages/serviceBound/feedback").await.expect(204);
        completed(&world, "d1", "m1", Ack::Full).await;
        world.pass(GATHERED).await;
        let got = world.get("/messages/servicebound/feedback").await;
        assert_eq!(got.header("content-type"), Some("application/vnd.microsoft.iothub.feedback.json"));
        assert_eq!(got.header("iothub-userid"), Some("hub1"));
        let lock = got.header("etag").unwrap().trim_matches('"').to_owned();
        let generation = recipient(&world, "d1", None).await.generation;
        let record = json!({
            "originalMessageId": "m1",
            "description": "Success",
            "deviceGenerationId": generation,
            "deviceId": "d1",
            "enqueuedTimeUtc": "2026-01-01T00:00:00Z",
            "statusCode": "Success",
        });
        assert_eq!(got.expect(200), json!([record]));
        world
            .call(Method::POST, &format!("/messages/serviceBound/feedback/{lock}/abandon"), None)
            .await
            .expect(204);
        let again = world.get("/messages/serviceBound/feedback").await;
        let lock = again.header("etag").unwrap().trim_matches('"').to_owned();
        let path = format!("/messages/serviceBound/feedback/{lock}");
        world.delete(&path).await.expect(204);
        world.delete(&path).await.refused(412, "DeviceMessageLockLost");
        let token = world.token("device");
        let uri = "/messages/serviceBound/feedback?api-version=2021-04-12";
        world
            .raw(Method::GET, uri, Vec::new(), &[("authorization", &token)])
            .await
            .refused(401, "IotHubUnauthorizedAccess");
    });
}
