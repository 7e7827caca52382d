//! Telemetry over HTTPS, and the stream that shows it.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use skerry_hub::devices::Rates;
use skerry_hub::telemetry::{Event, Stream, StreamStart};
use skerry_tokens::SharedKey;
use tokio::time::Instant;

use crate::world::{Answer, HOST, World, everywhere};

const TO: &str = "/devices/d1/messages/events?api-version=2021-04-12";

async fn key(world: &World, path: &str) -> SharedKey {
    let shown = world.get(path).await.expect(200);
    shown["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().parse().unwrap()
}

async fn token(world: &World, path: &str) -> String {
    world.token_signed_with(None, key(world, path).await, &format!("{HOST}{path}"))
}

/// Sends until the answer is certain: a weak log may not know.
async fn send(world: &World, to: &str, body: &[u8], headers: &[(&str, &str)]) -> Answer {
    loop {
        let answer = world.raw(Method::POST, to, body.to_vec(), headers).await;
        if !(world.weak && answer.status == 503) {
            return answer;
        }
    }
}

async fn next(stream: &mut Stream) -> Event {
    let event = tokio::time::timeout(Duration::from_secs(20), stream.next()).await;
    event.expect("an event comes").unwrap().unwrap()
}

/// The next event with this text; in a weak world some come twice.
async fn find(stream: &mut Stream, text: &str) -> Event {
    loop {
        let event = next(stream).await;
        if event.record.payload == text.as_bytes() {
            return event;
        }
    }
}

#[test]
fn a_message_arrives_with_everything_that_was_said_of_it() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let token = token(&world, "/devices/d1").await;
        let mut stream = world.hub.telemetry().stream(StreamStart::Now);
        let headers = [
            ("authorization", token.as_str()),
            ("iothub-messageid", "m-1"),
            ("iothub-correlationid", "c-1"),
            ("iothub-contenttype", "application/json"),
            ("iothub-contentencoding", "utf-8"),
            ("iothub-expiry", "2026-01-02T03:04:05Z"),
            ("iothub-app-Site", "oslo"),
        ];
        send(&world, TO, br#"{"t":21.5}"#, &headers).await.expect(204);
        let event = find(&mut stream, r#"{"t":21.5}"#).await.json();
        let mut expected = json!({
            "partition": 1,
            "sequence": event["sequence"],
            "enqueuedTime": "2026-01-01T00:00:00Z",
            "deviceId": "d1",
            "source": "Telemetry",
            "authMethod": {"scope": "device", "type": "sas", "issuer": "iothub", "acceptingIpFilterRule": null},
            "authGenerationId": world.get("/devices/d1").await.expect(200)["generationId"],
            "systemProperties": {
                "messageId": "m-1",
                "correlationId": "c-1",
                "contentType": "application/json",
                "contentEncoding": "utf-8",
                "expiryTimeUtc": "2026-01-02T03:04:05Z",
            },
            "body": {"t": 21.5},
        });
        // Header names have no case of their own.
        expected["properties"] = json!({"site": "oslo"});
        assert_eq!(event, expected);
    });
}

#[test]
fn a_batch_keeps_its_order_and_its_forms_of_body() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let token = token(&world, "/devices/d1").await;
        let mut stream = world.hub.telemetry().stream(StreamStart::Now);
        let batch = json!([
            {"body": "b25l", "properties": {"iothub-app-Key": "v", "iothub-messageid": "1"}},
            {"body": "two", "base64Encoded": false},
            {"body": "/w==", "base64Encoded": true},
        ]);
        let headers =
            [("authorization", token.as_str()), ("content-type", "application/vnd.microsoft.iothub.json")];
        send(&world, TO, batch.to_string().as_bytes(), &headers).await.expect(204);
        let first = find(&mut stream, "one").await;
        assert_eq!(first.stamp.application, [("Key".to_owned(), "v".to_owned())]);
        assert_eq!(first.stamp.system.message_id.as_deref(), Some("1"));
        assert_eq!(find(&mut stream, "two").await.json()["body"], "two");
        assert_eq!(next(&mut stream).await.json()["bodyBase64"], "/w==");
    });
}

#[test]
fn a_module_sends_for_itself_and_a_policy_for_anybody() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        world.put("/devices/d1/modules/m1", json!({"deviceId": "d1", "moduleId": "m1"})).await.expect(200);
        let mut stream = world.hub.telemetry().stream(StreamStart::Now);
        let module = token(&world, "/devices/d1/modules/m1").await;
        let to = "/devices/d1/modules/m1/messages/events?api-version=2021-04-12";
        send(&world, to, b"module", &[("authorization", &module)]).await.expect(204);
        let event = find(&mut stream, "module").await.json();
        assert_eq!((&event["moduleId"], &event["authMethod"]["scope"]), (&json!("m1"), &json!("module")));
        let policy = world.token("device");
        send(&world, TO, b"policy", &[("authorization", &policy)]).await.expect(204);
        assert_eq!(find(&mut stream, "policy").await.json()["authMethod"]["scope"], "hub");
        // One does not speak for the other.
        let device = token(&world, "/devices/d1").await;
        for (to, token) in [(to, device), (TO, module)] {
            send(&world, to, b"x", &[("authorization", &token)])
                .await
                .refused(401, "IotHubUnauthorizedAccess");
        }
    });
}

#[test]
fn who_may_not_send_is_told_and_nothing_is_kept() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        world.device("d2", json!({})).await;
        let own = token(&world, "/devices/d1").await;
        let other = token(&world, "/devices/d2").await;
        let service = world.token("service");
        let wrong = world.token_signed_with(
            None,
            SharedKey::from_bytes(&[7; 32]).unwrap(),
            &format!("{HOST}/devices/d1"),
        );
        for token in [&other, &service, &wrong] {
            send(&world, TO, b"x", &[("authorization", token)])
                .await
                .refused(401, "IotHubUnauthorizedAccess");
        }
        send(&world, TO, b"x", &[]).await.refused(401, "IotHubUnauthorizedAccess");
        let gone = "/devices/gone/messages/events?api-version=2021-04-12";
        let device = world.token("device");
        send(&world, gone, b"x", &[("authorization", &device)]).await.refused(404, "DeviceNotFound");
        let big = vec![b'.'; 256 * 1024 + 1];
        send(&world, TO, &big, &[("authorization", &own)]).await.refused(413, "MessageTooLarge");
        let batch =
            [("authorization", own.as_str()), ("content-type", "application/vnd.microsoft.iothub.json")];
        for (body, name) in
            [("[", "IotHubFormatError"), ("[]", "ArgumentInvalid"), (r#"[{"body":"%"}]"#, "ArgumentInvalid")]
        {
            send(&world, TO, body.as_bytes(), &batch).await.refused(400, name);
        }
        let bad = [("authorization", own.as_str()), ("iothub-expiry", "soon")];
        send(&world, TO, b"x", &bad).await.refused(400, "ArgumentInvalid");
        let disabled = world
            .call_with(
                Method::PUT,
                "/devices/d1",
                Some(json!({"deviceId": "d1", "status": "disabled"})),
                &[("if-match", "*")],
            )
            .await;
        disabled.expect(200);
        send(&world, TO, b"x", &[("authorization", &own)]).await.refused(401, "IotHubUnauthorizedAccess");
        assert_eq!(world.hub.telemetry().figures().records, 0);
    });
}

#[test]
fn a_stream_begins_where_it_is_asked_to() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let token = token(&world, "/devices/d1").await;
        send(&world, TO, b"old", &[("authorization", &token)]).await.expect(204);
        world.clock.advance(Duration::from_secs(60));
        let young = "2026-01-01T00:01:00Z".parse().unwrap();
        send(&world, TO, b"young", &[("authorization", &token)]).await.expect(204);
        let mut oldest = world.hub.telemetry().stream(StreamStart::Oldest);
        assert_eq!(next(&mut oldest).await.json()["body"], Value::from("old"));
        let mut since = world.hub.telemetry().stream(StreamStart::Time(young));
        assert_eq!(next(&mut since).await.json()["body"], Value::from("young"));
    });
}

#[tokio::test(start_paused = true)]
async fn who_sends_too_fast_is_delayed_then_told_and_others_go_on() {
    let world = World::limited(Rates { messages_per_device: Some(10), ..Rates::default() });
    let mut tokens = Vec::new();
    for id in ["d1", "d2"] {
        world.device(id, json!({})).await;
        tokens.push(token(&world, &format!("/devices/{id}")).await);
    }
    let began = Instant::now();
    for _ in 0..20 {
        send(&world, TO, b"x", &[("authorization", &tokens[0])]).await.expect(204);
    }
    let delay = began.elapsed();
    assert!(delay >= Duration::from_millis(800) && delay <= Duration::from_secs(1), "{delay:?}");
    let batch: Vec<Value> = (0..150).map(|_| json!({"body": "eA=="})).collect();
    let headers =
        [("authorization", tokens[0].as_str()), ("content-type", "application/vnd.microsoft.iothub.json")];
    send(&world, TO, json!(batch).to_string().as_bytes(), &headers).await.expect(204);
    let refused = send(&world, TO, b"x", &[("authorization", &tokens[0])]).await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    refused.refused(429, "ThrottlingException");
    let other = "/devices/d2/messages/events?api-version=2021-04-12";
    send(&world, other, b"x", &[("authorization", &tokens[1])]).await.expect(204);
    tokio::time::advance(Duration::from_secs(20)).await;
    send(&world, TO, b"x", &[("authorization", &tokens[0])]).await.expect(204);
    assert_eq!(world.hub.devices().too_fast(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_rate_of_all_holds_for_requests_too() {
    let world = World::limited(Rates { messages: Some(10), ..Rates::default() });
    world.device("d1", json!({})).await;
    let token = token(&world, "/devices/d1").await;
    let batch: Vec<Value> = (0..150).map(|_| json!({"body": "eA=="})).collect();
    let headers =
        [("authorization", token.as_str()), ("content-type", "application/vnd.microsoft.iothub.json")];
    send(&world, TO, json!(batch).to_string().as_bytes(), &headers).await.expect(204);
    send(&world, TO, b"x", &headers[..1]).await.refused(429, "ThrottlingException");
}
