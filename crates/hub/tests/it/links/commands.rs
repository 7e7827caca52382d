//! Commands over links: taken, refused, in order.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use skerry_amqp::codec::Value;
use skerry_amqp::message::{Body, Header, Properties, Sections, milliseconds};
use skerry_amqp::performative::Outcome;
use skerry_front::link::Target;
use skerry_hub::commands::{Leased, Recipient};
use skerry_model::message::Ack;
use skerry_model::{Clock as _, Timestamp};

use super::client::{code, condition, rejected, target};
use crate::commands::{lease, recipient};
use crate::world::{World, everywhere};

const MINUTE: Duration = Duration::from_secs(60);

fn message(to: &str, body: &'static str) -> Sections {
    let properties = Properties { to: Value::string(to), ..Properties::default() };
    Sections { properties, body: Body::Data(body.into()), ..Sections::default() }
}

fn with_ack(mut message: Sections, ack: &str) -> Sections {
    message.application.push(("iothub-ack".into(), Value::string(ack)));
    message
}

async fn take(target: &dyn Target, message: Sections) {
    assert_eq!(target.take(message).await, Outcome::Accepted);
}

async fn next(world: &World, device: &str, module: Option<&str>) -> Option<Leased> {
    lease(world.hub.commands(), &recipient(world, device, module).await).await
}

#[test]
fn a_command_arrives_with_everything_that_was_said_of_it() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let target = target(&world).await;
        let now = world.clock.now();
        let to = "/devices/d1/messages/deviceBound";
        let mut sent = with_ack(message(to, "open the window"), "FULL");
        sent.properties = Properties {
            message_id: Value::Uuid([0x11; 16]),
            correlation_id: Value::string("c-1"),
            user_id: Some("ann".into()),
            content_type: skerry_amqp::codec::Symbol::new("text/plain".into()),
            expiry: Some(milliseconds(now.plus(MINUTE))),
            ..sent.properties
        };
        sent.application.push(("site".into(), Value::string("oslo")));
        sent.application.push(("floor".into(), Value::Int(3)));
        take(&*target, sent).await;
        let Leased { message, sequence, enqueued, .. } = next(&world, "d1", None).await.unwrap();
        let system = &message.system;
        assert_eq!(system.message_id.as_deref(), Some("11111111-1111-1111-1111-111111111111"));
        assert_eq!(system.correlation_id.as_deref(), Some("c-1"));
        assert_eq!((system.user_id.as_deref(), system.to.as_deref()), (Some("ann"), Some(to)));
        assert_eq!((system.content_type.as_deref(), system.ack), (Some("text/plain"), Some(Ack::Full)));
        assert_eq!(system.expiry, Some(now.plus(MINUTE)));
        let property = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(message.application, [property("site", "oslo"), property("floor", "3")]);
        assert_eq!((message.body.as_ref(), sequence, enqueued), (&b"open the window"[..], 1, now));
        let figures = world.hub.links().figures();
        assert_eq!((figures.commands_taken, figures.commands_refused), (1, 0));
    });
}

#[test]
fn what_is_accepted_is_there_after_a_restart() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        take(&*target(&world).await, message("/devices/d1/messages/devicebound", "later")).await;
        let world = world.reborn();
        assert_eq!(next(&world, "d1", None).await.unwrap().message.body, "later");
    });
}

#[test]
fn ids_are_tried_as_they_stand_and_decoded_and_modules_are_reached() {
    everywhere(|world| async move {
        let target = target(&world).await;
        for (path, id) in [("d%252B", "d%2B"), ("d+", "d+"), ("a%23", "a#")] {
            world.put(&format!("/devices/{path}"), json!({"deviceId": id})).await.expect(200);
        }
        world.put("/devices/d+/modules/m", json!({"deviceId": "d+", "moduleId": "m"})).await.expect(200);
        take(&*target, message("/devices/d%2B/messages/devicebound", "raw")).await;
        take(&*target, message("amqps://h:5671/devices/d%2B/modules/m/messages/devicebound", "module")).await;
        take(&*target, message("/devices/a%23/messages/devicebound", "decoded")).await;
        for (path, id, module, expected) in [
            ("d%252B", "d%2B", None, Some("raw")),
            ("d+", "d+", Some("m"), Some("module")),
            ("a%23", "a#", None, Some("decoded")),
            ("d+", "d+", None, None),
        ] {
            let to = recipient(&world, path, module).await;
            let to = Recipient::new(id.parse().unwrap(), to.identity.module, to.generation);
            let body = lease(world.hub.commands(), &to).await.map(|leased| leased.message.body);
            assert_eq!(body, expected.map(Bytes::from), "{id}");
        }
    });
}

#[test]
fn every_refusal_has_the_condition_that_sdks_look_for() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let target = target(&world).await;
        let to = "/devices/d1/messages/devicebound";
        let mut stale = message(to, "x");
        stale.properties.expiry = Some(milliseconds(world.clock.now()));
        let mut large = message(to, "");
        large.body = Body::Data(vec![0; 64 * 1024 + 1].into());
        let mut nameless = message(to, "x");
        nameless.application.push(("".into(), Value::string("x")));
        let mut odd = message(to, "x");
        odd.properties.message_id = Value::string("white space");
        for (message, expected) in [
            (message("/devices/d2/messages/devicebound", "x"), ("amqp:not-found", 404_001)),
            (message("/devices/d1/modules/m/messages/devicebound", "x"), ("amqp:not-found", 404_010)),
            (message("/devices/d1/messages/events", "x"), ("com.microsoft:argument-error", 400_004)),
            (message("", "x"), ("com.microsoft:argument-error", 400_004)),
            (Sections::default(), ("com.microsoft:argument-error", 400_004)),
            (with_ack(message(to, "x"), "perhaps"), ("com.microsoft:argument-error", 400_004)),
            (stale, ("com.microsoft:argument-error", 403_009)),
            (large, ("amqp:link:message-size-exceeded", 413_001)),
            (nameless, ("com.microsoft:argument-error", 400_004)),
            (odd, ("com.microsoft:argument-error", 400_004)),
        ] {
            let told = format!("{:?} {:?}", message.properties.to, message.application);
            let fault = rejected(target.take(message).await);
            assert_eq!((condition(&fault), code(&fault)), expected, "{told}");
        }
        for _ in 0..50 {
            take(&*target, message(to, "x")).await;
        }
        let fault = rejected(target.take(message(to, "x")).await);
        assert_eq!((condition(&fault), code(&fault)), ("amqp:resource-limit-exceeded", 403_004));
        let figures = world.hub.links().figures();
        assert_eq!((figures.commands_taken, figures.commands_refused), (50, 11));
    });
}

#[test]
fn a_command_lives_as_long_as_its_header_says() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let target = target(&world).await;
        let mut sent = message("/devices/d1/messages/devicebound", "now or never");
        sent.header = Some(Header { ttl_ms: Some(60_000), ..Header::default() });
        take(&*target, sent).await;
        let expiry = next(&world, "d1", None).await.unwrap().message.system.expiry;
        assert_eq!(expiry, Some(world.clock.now().plus(MINUTE)));
        world.pass(2 * MINUTE).await;
        assert!(next(&world, "d1", None).await.is_none());
        assert!(world.clock.now() > Timestamp::NEVER);
    });
}

#[test]
fn commands_of_one_link_to_one_device_keep_their_order() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        world.device("d2", json!({})).await;
        let target = target(&world).await;
        let bodies = ["0", "1", "2", "3", "4", "5", "6", "7"];
        let mut taking: Vec<_> = Vec::new();
        for body in bodies {
            for device in ["d1", "d2"] {
                taking.push(target.take(message(&format!("/devices/{device}/messages/devicebound"), body)));
            }
        }
        // Whoever was asked last is looked at first.
        let taking: Vec<_> = taking.into_iter().rev().map(tokio::spawn).collect();
        for taken in taking {
            assert_eq!(taken.await.unwrap(), Outcome::Accepted);
        }
        for device in ["d1", "d2"] {
            for body in bodies {
                assert_eq!(next(&world, device, None).await.unwrap().message.body, body);
            }
        }
    });
}
