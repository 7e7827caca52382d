//! Commands: sent, held, settled, expired, purged.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use skerry_hub::commands::{
    Commands, Holder, Leased, LockToken, Recipient, SendError, SessionId, SettleError,
};
use skerry_model::message::{Ack, Message};
use skerry_store::documents::{Action, Change, Commit, Expect, Json, Scan, Update};

use crate::world::{HOST, World, everywhere};

const MINUTE: Duration = Duration::from_secs(60);
const TO: &str = "/devices/d1/messages/deviceBound";
const FROM: &str = "/devices/d1/messages/devicebound?api-version=2021-04-12";

pub fn text(body: &str) -> Message {
    Message { body: body.to_owned().into(), ..Message::default() }
}

pub fn with_ack(body: &str, ack: Ack) -> Message {
    let mut message = text(body);
    message.system.ack = Some(ack);
    message.system.message_id = Some(body.to_owned());
    message
}

pub async fn recipient(world: &World, device: &str, module: Option<&str>) -> Recipient {
    let path =
        module.map_or(format!("/devices/{device}"), |module| format!("/devices/{device}/modules/{module}"));
    let shown = world.get(&path).await.expect(200);
    let generation = shown["generationId"].as_str().unwrap();
    Recipient::new(device.parse().unwrap(), module.map(|module| module.parse().unwrap()), generation)
}

pub async fn send(world: &World, device: &str, message: Message) {
    world.hub.commands().send(&device.parse().unwrap(), None, message).await.unwrap();
}

pub async fn lease(commands: &Commands, to: &Recipient) -> Option<Leased> {
    commands.lease(to, Holder::Timed(MINUTE)).await.unwrap()
}

async fn body(commands: &Commands, to: &Recipient) -> Option<String> {
    let leased = lease(commands, to).await?;
    Some(String::from_utf8(leased.message.body.to_vec()).unwrap())
}

async fn waiting(world: &World, path: &str) -> u64 {
    world.get(path).await.expect(200)["cloudToDeviceMessageCount"].as_u64().unwrap()
}

async fn device_token(world: &World, path: &str) -> String {
    let shown = world.get(path).await.expect(200);
    let key = shown["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().parse().unwrap();
    world.token_signed_with(None, key, &format!("{HOST}{path}"))
}

#[test]
fn a_command_is_received_with_everything_that_was_said_of_it() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let service = world.token("service");
        let headers = [
            ("authorization", service.as_str()),
            ("iothub-messageid", "m-1"),
            ("iothub-correlationid", "c-1"),
            ("iothub-contenttype", "text/plain"),
            ("content-encoding", "utf-8"),
            ("iothub-ack", "full"),
            ("iothub-expiry", "2026-01-01T00:30:00Z"),
            ("iothub-app-site", "oslo"),
        ];
        let uri = format!("{TO}?api-version=2020-09-30");
        world.raw(Method::POST, &uri, b"open the window".to_vec(), &headers).await.expect(204);
        assert_eq!(waiting(&world, "/devices/d1").await, 1);
        assert_eq!(waiting(&world, "/twins/d1").await, 1);

        let token = device_token(&world, "/devices/d1").await;
        let own = [("authorization", token.as_str())];
        let got = world.raw(Method::GET, FROM, Vec::new(), &own).await;
        for (name, value) in [
            ("iothub-messageid", "m-1"),
            ("iothub-correlationid", "c-1"),
            ("iothub-to", "/devices/d1/messages/devicebound"),
            ("iothub-contenttype", "text/plain"),
            ("contenttype", "text/plain"),
            ("iothub-contentencoding", "utf-8"),
            ("contentencoding", "utf-8"),
            ("iothub-ack", "full"),
            ("iothub-expiry", "2026-01-01T00:30:00Z"),
            ("iothub-enqueuedtime", "2026-01-01T00:00:00Z"),
            ("iothub-deliverycount", "0"),
            ("iothub-sequencenumber", "1"),
            ("iothub-app-site", "oslo"),
        ] {
            assert_eq!(got.header(name), Some(value), "{name}");
        }
        let etag = got.header("etag").unwrap().to_owned();
        assert_eq!(got.expect(200), "open the window");
        world.raw(Method::GET, FROM, Vec::new(), &own).await.expect(204);
        let lock = etag.trim_matches('"');
        assert_eq!(etag, format!("\"{lock}\""));
        let at = format!("/Devices/d1/Messages/deviceBound/{lock}?api-version=2021-04-12");
        world.raw(Method::DELETE, &at, Vec::new(), &own).await.expect(204);
        world.raw(Method::DELETE, &at, Vec::new(), &own).await.refused(412, "DeviceMessageLockLost");
        assert_eq!(waiting(&world, "/devices/d1").await, 0);
    });
}

#[test]
fn a_device_abandons_and_rejects_over_http() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        send(&world, "d1", text("one")).await;
        let token = device_token(&world, "/devices/d1").await;
        let own = [("authorization", token.as_str())];
        let get = || world.raw(Method::GET, FROM, Vec::new(), &own);
        let lock = get().await.header("etag").unwrap().trim_matches('"').to_owned();
        let uri = format!("/devices/d1/messages/devicebound/{lock}/abandon?api-version=2021-04-12");
        world.raw(Method::POST, &uri, Vec::new(), &own).await.expect(204);
        let again = get().await;
        assert_eq!(again.header("iothub-deliverycount"), Some("1"));
        let lock = again.header("etag").unwrap().trim_matches('"').to_owned();
        let uri = format!("/devices/d1/messages/devicebound/{lock}?api-version=2021-04-12&reject");
        world.raw(Method::DELETE, &uri, Vec::new(), &own).await.expect(204);
        get().await.expect(204);
        assert_eq!(world.hub.commands().figures().rejected, 1);
        for (method, path, status, name) in [
            (Method::DELETE, "/devices/d1/messages/devicebound/lock", 400, "ArgumentInvalid"),
            (Method::PUT, "/devices/d1/messages/devicebound", 405, "MethodNotAllowed"),
            (Method::GET, "/devices/d1/messages/devicebound/a/b/c", 404, "OperationNotFound"),
        ] {
            let uri = format!("{path}?api-version=2021-04-12");
            world.raw(method, &uri, Vec::new(), &own).await.refused(status, name);
        }
        let uri = format!("{FROM}&iothub-messagelocktimeout=soon");
        world.raw(Method::GET, &uri, Vec::new(), &own).await.refused(400, "ArgumentInvalid");
    });
}

#[test]
fn each_side_needs_its_own_right_and_ids_may_be_encoded_twice() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        world.put("/devices/a%23b", json!({"deviceId": "a#b"})).await.expect(200);
        let version = "?api-version=2021-04-12";
        let (service, device) = (world.token("service"), world.token("device"));
        let call = |method, path: &str, token: &str| {
            let (uri, token) = (format!("{path}{version}"), token.to_owned());
            let world = &world;
            async move { world.raw(method, &uri, b"x".to_vec(), &[("authorization", &token)]).await }
        };
        call(Method::POST, TO, &device).await.refused(401, "IotHubUnauthorizedAccess");
        call(Method::GET, TO, &service).await.refused(401, "IotHubUnauthorizedAccess");
        call(Method::DELETE, "/devices/d1/commands", &device).await.refused(401, "IotHubUnauthorizedAccess");
        call(Method::POST, "/devices/gone/messages/deviceBound", &service)
            .await
            .refused(404, "DeviceNotFound");
        call(Method::POST, "/devices/a%2523b/messages/deviceBound", &service).await.expect(204);
        assert_eq!(waiting(&world, "/devices/a%23b").await, 1);
        // A policy that may connect devices receives for each of them.
        call(Method::GET, "/devices/a%23b/messages/devicebound", &device).await.expect(200);
    });
}

#[test]
fn what_comes_back_keeps_its_place_and_a_lost_lock_settles_nothing() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        for message in ["one", "two", "three"] {
            send(&world, "d1", text(message)).await;
        }
        let one = lease(&commands, &to).await.unwrap();
        assert_eq!((one.again, one.deliveries), (false, 0));
        assert_eq!(body(&commands, &to).await.as_deref(), Some("two"));
        world.pass(Duration::from_secs(61)).await;
        for settled in [commands.complete(&to, one.token).await, commands.abandon(&to, one.token).await] {
            assert_eq!(settled, Err(SettleError::LockLost));
        }
        let again = lease(&commands, &to).await.unwrap();
        assert_eq!((again.message.body.as_ref(), again.again, again.deliveries), (&b"one"[..], true, 0));
        assert_eq!(again.sequence, one.sequence);
        for expected in [Some("two"), Some("three"), None] {
            assert_eq!(body(&commands, &to).await.as_deref(), expected);
        }
        commands.complete(&to, again.token).await.unwrap();
        assert_eq!(commands.complete(&to, again.token).await, Err(SettleError::LockLost));
        assert_eq!(commands.figures().depth, 2);
    });
}

#[test]
fn only_abandoning_counts_and_too_often_is_the_end() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        send(&world, "d1", text("one")).await;
        for _ in 0..12 {
            let leased = lease(&commands, &to).await.unwrap();
            assert_eq!(leased.deliveries, 0);
            world.pass(MINUTE).await;
        }
        for deliveries in 0..10 {
            let leased = lease(&commands, &to).await.unwrap();
            assert_eq!(leased.deliveries, deliveries);
            commands.abandon(&to, leased.token).await.unwrap();
        }
        assert_eq!(lease(&commands, &to).await, None);
        let figures = commands.figures();
        assert_eq!((figures.abandoned, figures.undeliverable, figures.depth), (10, 1, 0));
    });
}

#[test]
fn commands_expire_and_one_from_the_past_is_refused() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        let mut past = text("past");
        past.system.expiry = Some("2026-01-01T00:00:00Z".parse().unwrap());
        let refused = commands.send(&to.identity.device, None, past).await.unwrap_err();
        assert_eq!(refused.code().number(), 403_009);
        let mut short = text("short");
        short.system.expiry = Some("2026-01-01T00:10:00Z".parse().unwrap());
        send(&world, "d1", short).await;
        send(&world, "d1", text("usual")).await;
        world.pass(10 * MINUTE).await;
        assert_eq!(body(&commands, &to).await.as_deref(), Some("usual"));
        world.pass(50 * MINUTE).await;
        assert_eq!(waiting(&world, "/devices/d1").await, 2, "nobody has looked yet");
        commands.sweep().await;
        assert_eq!(waiting(&world, "/devices/d1").await, 0);
        assert_eq!(lease(&commands, &to).await, None);
        assert_eq!(commands.figures().expired, 2);
    });
}

#[test]
fn the_sweep_comes_by_itself() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        send(&world, "d1", text("one")).await;
        let commands = world.hub.commands().clone();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = commands.clone();
        let sweeps = tokio::spawn(async move { running.run(async { drop(stopped.await) }).await });
        tokio::task::yield_now().await;
        world.pass(Duration::from_secs(3600)).await;
        let swept = async {
            while commands.figures().expired == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), swept).await.unwrap();
        drop(stop);
        sweeps.await.unwrap();
    });
}

#[test]
fn a_queue_is_bounded_in_number_and_size() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        world.device("d2", json!({})).await;
        for n in 0..50 {
            send(&world, "d1", text(&n.to_string())).await;
        }
        let call = |path: &'static str, body: Vec<u8>| {
            let (token, uri) = (world.token("service"), format!("{path}?api-version=2021-04-12"));
            let world = &world;
            async move { world.raw(Method::POST, &uri, body, &[("authorization", &token)]).await }
        };
        call(TO, b"x".to_vec()).await.refused(403, "DeviceMaximumQueueDepthExceeded");
        let other = "/devices/d2/messages/deviceBound";
        call(other, vec![b'.'; 65_537]).await.refused(413, "MessageTooLarge");
        call(other, vec![b'.'; 60_000]).await.expect(204);
        // What is held counts as well.
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        let held = lease(&commands, &to).await.unwrap();
        let full = commands.send(&to.identity.device, None, text("x")).await.unwrap_err();
        assert!(matches!(full, SendError::Full { depth: 50, .. }), "{full}");
        commands.complete(&to, held.token).await.unwrap();
        send(&world, "d1", text("50")).await;
        assert_eq!((waiting(&world, "/devices/d1").await, commands.figures().refused_full), (50, 2));
    });
}

#[test]
fn purging_takes_everything_out() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        for message in ["one", "two", "three"] {
            send(&world, "d1", text(message)).await;
        }
        let held = lease(&commands, &to).await.unwrap();
        let purged = world.delete("/devices/d1/commands").await.expect(200);
        assert_eq!(purged, json!({"totalMessagesPurged": 3, "deviceId": "d1", "moduleId": null}));
        assert_eq!(commands.complete(&to, held.token).await, Err(SettleError::LockLost));
        let purged = world.delete("/devices/d1/commands").await.expect(200);
        assert_eq!(purged["totalMessagesPurged"], 0);
        world.delete("/devices/gone/commands").await.refused(404, "DeviceNotFound");
        assert_eq!(waiting(&world, "/devices/d1").await, 0);
    });
}

#[test]
fn modules_have_queues_of_their_own_which_go_with_them() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let module = json!({"deviceId": "d1", "moduleId": "m1"});
        world.put("/devices/d1/modules/m1", module.clone()).await.expect(200);
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", Some("m1")).await);
        let token = world.token("service");
        let uri = "/devices/d1/modules/m1/messages/deviceBound?api-version=2021-04-12";
        world.raw(Method::POST, uri, b"x".to_vec(), &[("authorization", &token)]).await.expect(204);
        assert_eq!(lease(&commands, &recipient(&world, "d1", None).await).await, None);
        let got = lease(&commands, &to).await.unwrap();
        assert_eq!(got.message.system.to.as_deref(), Some("/devices/d1/modules/m1/messages/devicebound"));
        world.delete("/devices/d1/modules/m1").await.expect(204);
        world.put("/devices/d1/modules/m1", module).await.expect(200);
        let completed = commands.complete(&to, got.token).await;
        // Where the end of a commit is not known, a command that is gone counts as completed.
        assert!(completed == Err(SettleError::LockLost) || world.weak && completed.is_ok(), "{completed:?}");
        let to = recipient(&world, "d1", Some("m1")).await;
        assert_eq!(lease(&commands, &to).await, None);
        let reborn = world.reborn();
        assert_eq!(lease(reborn.hub.commands(), &to).await, None);
        assert_eq!(reborn.hub.commands().figures().depth, 0);
    });
}

#[test]
fn a_queue_does_not_outlive_its_device() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let (commands, old) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        send(&world, "d1", text("for the old one")).await;
        send(&world, "d1", text("for the old one too")).await;
        let held = lease(&commands, &old).await.unwrap();
        world.delete("/devices/d1").await.expect(204);
        world.device("d1", json!({})).await;
        assert_eq!(waiting(&world, "/devices/d1").await, 0);
        let new = recipient(&world, "d1", None).await;
        send(&world, "d1", text("for the new one")).await;
        assert_eq!(waiting(&world, "/devices/d1").await, 1);
        assert_eq!(commands.complete(&old, held.token).await, Err(SettleError::LockLost));
        assert_eq!(lease(&commands, &old).await, None);
        assert_eq!(body(&commands, &new).await.as_deref(), Some("for the new one"));
        assert_eq!(lease(&commands, &new).await, None);
    });
}

#[test]
fn another_life_knows_what_waits_and_holds_nothing() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        world.device("d2", json!({})).await;
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        for message in ["one", "two", "three"] {
            send(&world, "d1", text(message)).await;
        }
        send(&world, "d2", text("other")).await;
        let first = lease(&commands, &to).await.unwrap();
        commands.complete(&to, first.token).await.unwrap();
        let second = lease(&commands, &to).await.unwrap();
        commands.abandon(&to, second.token).await.unwrap();
        let held = lease(&commands, &to).await.unwrap();

        let reborn = world.reborn();
        let commands = reborn.hub.commands().clone();
        commands.open().await.unwrap();
        assert_eq!(waiting(&reborn, "/devices/d1").await, 2);
        assert_eq!(waiting(&reborn, "/devices/d2").await, 1);
        assert_eq!(commands.figures().depth, 3);
        assert_eq!(commands.complete(&to, held.token).await, Err(SettleError::LockLost));
        let again = lease(&commands, &to).await.unwrap();
        assert_eq!((again.message.body.as_ref(), again.deliveries), (&b"two"[..], 1));
        assert_eq!(again.sequence, second.sequence);
        assert_eq!(body(&commands, &to).await.as_deref(), Some("three"));
        send(&reborn, "d1", text("four")).await;
        assert_eq!(lease(&commands, &to).await.unwrap().sequence, 4);
    });
}

#[test]
fn what_nobody_uses_is_kept_in_documents_only_and_found_again() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        for message in ["one", "two"] {
            send(&world, "d1", text(message)).await;
        }
        for _ in 0..3 {
            commands.sweep().await;
        }
        assert_eq!(waiting(&world, "/devices/d1").await, 2);
        assert_eq!(body(&commands, &to).await.as_deref(), Some("one"));
        for _ in 0..3 {
            commands.sweep().await;
        }
        assert_eq!(body(&commands, &to).await.as_deref(), Some("two"), "a lock is not forgotten");
        assert_eq!(lease(&commands, &to).await, None);
    });
}

async fn soon(task: tokio::task::JoinHandle<Leased>) -> Leased {
    tokio::time::timeout(Duration::from_secs(20), task).await.unwrap().unwrap()
}

#[test]
fn who_waits_is_woken_by_a_command_a_lock_that_ends_and_a_release() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        let mine = |session| Holder::Held(SessionId(session));
        assert_eq!(commands.lease(&to, mine(1)).await.unwrap(), None);
        let woken = |commands: &Commands| {
            let (commands, to) = (commands.clone(), to.clone());
            tokio::spawn(async move {
                loop {
                    commands.wait(&to).await;
                    if let Some(leased) = commands.lease(&to, mine(1)).await.unwrap() {
                        return leased;
                    }
                }
            })
        };
        let waits = woken(&commands);
        tokio::task::yield_now().await;
        send(&world, "d1", text("one")).await;
        let leased = soon(waits).await;
        assert!(!leased.again);

        // Another holds it for a minute, and does not come back.
        commands.release(&to, SessionId(1));
        assert!(lease(&commands, &to).await.unwrap().again);
        let waits = woken(&commands);
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        world.pass(MINUTE).await;
        let leased = soon(waits).await;
        assert!(leased.again);

        // Time does not end what a connection holds; its end does.
        world.pass(10 * MINUTE).await;
        assert_eq!(lease(&commands, &to).await, None);
        let waits = woken(&commands);
        tokio::task::yield_now().await;
        commands.release(&to, SessionId(2));
        tokio::task::yield_now().await;
        assert!(!waits.is_finished(), "another connection holds nothing of it");
        commands.release(&to, SessionId(1));
        let leased = soon(waits).await;
        assert_eq!((leased.again, leased.deliveries), (true, 0));
        commands.complete(&to, leased.token).await.unwrap();
    });
}

#[test]
fn many_senders_and_receivers_lose_and_double_nothing() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        let mut senders = tokio::task::JoinSet::new();
        for n in 0..40 {
            let (commands, device) = (commands.clone(), to.identity.device.clone());
            senders.spawn(async move {
                commands.send(&device, None, text(&n.to_string())).await.unwrap().sequence
            });
        }
        let mut sequences = senders.join_all().await;
        sequences.sort_unstable();
        assert_eq!(sequences, (1..=40).collect::<Vec<u64>>());
        let taken = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut receivers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (commands, to, taken) = (commands.clone(), to.clone(), Arc::clone(&taken));
            receivers.spawn(async move {
                while let Some(leased) = lease(&commands, &to).await {
                    taken.lock().unwrap().push(leased.sequence);
                    commands.complete(&to, leased.token).await.unwrap();
                }
            });
        }
        receivers.join_all().await;
        let mut taken = taken.lock().unwrap().clone();
        taken.sort_unstable();
        assert_eq!(taken, sequences);
        assert_eq!(commands.figures().depth, 0);
    });
}

#[test]
fn who_goes_away_in_the_middle_leaves_nothing_half_done() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        for polls in 1..24 {
            let (device, message) = (to.identity.device.clone(), text(&polls.to_string()));
            let mut sending = Box::pin(commands.send(&device, None, message));
            for _ in 0..polls {
                if futures_poll(sending.as_mut()).await {
                    break;
                }
            }
            drop(sending);
            if let Some(leased) = lease(&commands, &to).await {
                let mut settling = Box::pin(commands.complete(&to, leased.token));
                for _ in 0..polls {
                    if futures_poll(settling.as_mut()).await {
                        break;
                    }
                }
            }
        }
        // What was begun goes on; then both say the same.
        let (mut left, mut shown, mut found) = (0, 0, u64::MAX);
        let settled = async {
            while left != found || left != shown {
                while lease(&commands, &to).await.is_some() {
                    left += 1;
                }
                let reborn = world.reborn();
                reborn.hub.commands().open().await.unwrap();
                found = waiting(&reborn, "/devices/d1").await;
                shown = waiting(&world, "/devices/d1").await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), settled).await.expect("documents and memory agree");
    });
}

/// Polls once, lets others go on, and tells whether it was done.
async fn futures_poll<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
    let done =
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_ready()))
            .await;
    tokio::task::yield_now().await;
    done
}

#[test]
fn the_metrics_speak_of_commands() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        send(&world, "d1", text("one")).await;
        let metrics = world.get_text("/skerry/v1/metrics").await;
        for line in ["skerry_hub_commands_depth 1\n", "skerry_hub_commands_enqueued_total 1\n"] {
            assert!(metrics.contains(line), "{metrics}");
        }
        let unknown = LockToken(7);
        let to = recipient(&world, "d1", None).await;
        assert_eq!(world.hub.commands().reject(&to, unknown).await, Err(SettleError::LockLost));
        assert_eq!(
            world.get("/skerry/v1/status").await.expect(200)["figures"]["commands_depth"],
            Value::from(1)
        );
    });
}

#[test]
fn one_that_cannot_be_read_goes_and_holds_up_nobody() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        send(&world, "d1", text("damaged")).await;
        send(&world, "d1", text("whole")).await;
        let mut scan = Scan::all(skerry_hub::spaces::COMMANDS);
        scan.at_least = Some(world.documents.latest().await.unwrap());
        let page = world.documents.scan(scan).await.unwrap();
        let first = page.documents.iter().find(|document| document.key.name.contains('/')).unwrap();
        let update = Update { identity: Some(Json::encode(&json!("?"))), ..Update::default() };
        let change = Change {
            key: first.key.clone(),
            expect: Expect::Present,
            action: Action::Update(update),
            note: Vec::new(),
        };
        while world.documents.commit(Commit::new("d1", vec![change.clone()])).await.is_err() {}

        let reborn = world.reborn();
        let (commands, to) = (reborn.hub.commands().clone(), recipient(&reborn, "d1", None).await);
        assert_eq!(body(&commands, &to).await.as_deref(), Some("whole"));
        commands.sweep().await;
        assert_eq!(waiting(&reborn, "/devices/d1").await, 1);
    });
}
