//! The device's three steps of an upload, the notices about it, and what an operator sees.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use skerry_tokens::SharedKey;

use crate::world::{Answer, HOST, World, everywhere};

async fn token(world: &World, device: &str) -> String {
    let shown = world.get(&format!("/devices/{device}")).await.expect(200);
    let key: SharedKey =
        shown["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().parse().unwrap();
    world.token_signed_with(None, key, &format!("{HOST}/devices/{device}"))
}

/// As a device with its own key.
async fn post(world: &World, path: &str, body: Value) -> Answer {
    let device = path.split('/').nth(2).unwrap().to_owned();
    let token = token(world, &device).await;
    let uri = format!("{path}?api-version=2021-04-12");
    loop {
        let headers = [("authorization", token.as_str())];
        let answer = world.raw(Method::POST, &uri, body.to_string().into_bytes(), &headers).await;
        if !(world.weak && answer.status == 503) {
            return answer;
        }
    }
}

pub async fn begin(world: &World, device: &str, name: &str) -> Value {
    post(world, &format!("/devices/{device}/files"), json!({"blobName": name})).await.expect(200)
}

/// Writes the blob through the link that the hub gave.
pub async fn write(world: &World, begun: &Value, bytes: &[u8]) {
    let of = |name: &str| begun[name].as_str().unwrap().to_owned();
    let uri = format!("/{}/{}{}", of("containerName"), of("blobName"), of("sasToken"));
    world.storage(Method::PUT, &uri, bytes, &[("x-ms-blob-type", "BlockBlob")]).await.expect(201);
}

pub async fn complete(world: &World, device: &str, begun: &Value, success: bool) -> Answer {
    let id = begun["correlationId"].as_str().unwrap();
    let path = format!("/devices/{device}/files/notifications/{id}");
    post(world, &path, json!({"isSuccess": success, "statusCode": 201, "statusDescription": "ok"})).await
}

const NOTICES: &str = "/messages/serviceBound/filenotifications";

async fn notice(world: &World) -> Answer {
    loop {
        let answer = world.get(NOTICES).await;
        if !(world.weak && answer.status == 503) {
            return answer;
        }
    }
}

async fn settle(world: &World, method: Method, path: &str) -> Answer {
    loop {
        let answer = world.call(method.clone(), path, None).await;
        if !(world.weak && answer.status == 503) {
            return answer;
        }
    }
}

fn lock(answer: &Answer) -> String {
    answer.header("etag").unwrap().trim_matches('"').to_owned()
}

#[test]
fn a_device_uploads_a_file_and_the_back_end_is_told() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let begun = begin(&world, "d1", "logs/ü 1.txt").await;
        assert_eq!(begun["hostName"], HOST);
        assert_eq!(
            (&begun["containerName"], &begun["blobName"]),
            (&json!("uploads"), &json!("d1/logs/ü 1.txt"))
        );
        assert!(begun["sasToken"].as_str().unwrap().starts_with("?sv="));
        let link = begun["sasToken"].as_str().unwrap();
        let uri = format!("/uploads/d1/logs/%C3%BC%201.txt{link}");
        world.storage(Method::PUT, &uri, b"hello", &[("x-ms-blob-type", "BlockBlob")]).await.expect(201);
        world.clock.advance(Duration::from_secs(5));
        complete(&world, "d1", &begun, true).await.expect(204);

        let told = notice(&world).await;
        let (lock, deliveries) = (lock(&told), told.header("iothub-deliverycount").map(str::to_owned));
        assert_eq!(deliveries.as_deref(), Some("1"));
        let expected = json!({
            "deviceId": "d1",
            "blobUri": format!("https://{HOST}/uploads/d1/logs/%C3%BC%201.txt"),
            "blobName": "d1/logs/ü 1.txt",
            "lastUpdatedTime": "2026-01-01T00:00:00Z",
            "blobSizeInBytes": 5,
            "enqueuedTimeUtc": "2026-01-01T00:00:05Z",
        });
        assert_eq!(told.expect(200), expected);
        notice(&world).await.expect(204);
        settle(&world, Method::DELETE, &format!("{NOTICES}/{lock}")).await.expect(204);
        settle(&world, Method::DELETE, &format!("{NOTICES}/{lock}"))
            .await
            .refused(412, "DeviceMessageLockLost");
        world.clock.advance(Duration::from_secs(61));
        notice(&world).await.expect(204);
    });
}

#[test]
fn every_sdk_s_way_to_the_end_of_an_upload_leads_there_once() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        // With a slash behind, as the C SDK writes it; the id in the body, as Python does.
        let begun = post(&world, "/devices/d1/files/", json!({"blobName": "a"})).await.expect(200);
        write(&world, &begun, b"x").await;
        let told = json!({"correlationId": begun["correlationId"], "isSuccess": true, "statusCode": 200, "statusDescription": "OK"});
        for _ in 0..3 {
            post(&world, "/devices/d1/files/notifications", told.clone()).await.expect(204);
        }
        complete(&world, "d1", &begun, true).await.expect(204);
        assert_eq!(notice(&world).await.status, 200);
        notice(&world).await.expect(204);
        // A policy speaks for any device.
        let policy = world.token("device");
        let uri = "/devices/d1/files?api-version=2021-04-12";
        let headers = [("authorization", policy.as_str())];
        let answer = world.raw(Method::POST, uri, br#"{"blobName":"b"}"#.to_vec(), &headers).await;
        assert!(answer.status == 200 || world.weak && answer.status == 503, "{answer:?}");
    });
}

#[test]
fn an_upload_that_failed_is_over_and_tells_nobody() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let begun = begin(&world, "d1", "a").await;
        complete(&world, "d1", &begun, false).await.expect(204);
        notice(&world).await.expect(204);
        let figures = world.hub.files().unwrap().figures();
        assert_eq!((figures.succeeded, figures.failed), (0, 1));
    });
}

#[test]
fn an_upload_ends_only_as_what_it_is() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        world.device("d2", json!({})).await;
        let begun = begin(&world, "d1", "a").await;
        let unwritten = complete(&world, "d1", &begun, true).await;
        unwritten.refused(400, "InvalidStorageEndpointOrBlob");
        complete(&world, "d2", &begun, true).await.refused(400, "InvalidFileUploadCorrelationId");
        let id = begun["correlationId"].as_str().unwrap();
        let path = format!("/devices/d1/files/notifications/{id}");
        post(&world, &path, json!({"statusCode": 200}))
            .await
            .refused(400, "InvalidFileUploadCompletionStatus");
        let unknown = json!({"correlationId": "x", "isSuccess": true});
        let path = "/devices/d1/files/notifications";
        post(&world, path, unknown).await.refused(400, "InvalidFileUploadCorrelationId");
        write(&world, &begun, b"x").await;
        world.clock.advance(Duration::from_secs(3600));
        complete(&world, "d1", &begun, true).await.refused(400, "ExpiredFileUploadCorrelationId");
        // What another upload wrote before does not count for this one.
        let again = begin(&world, "d1", "a").await;
        complete(&world, "d1", &again, true).await.refused(400, "InvalidStorageEndpointOrBlob");
        notice(&world).await.expect(204);
    });
}

#[test]
fn ten_uploads_of_a_device_may_be_pending() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        world.device("d2", json!({})).await;
        let first = begin(&world, "d1", "0").await;
        for at in 1..10 {
            begin(&world, "d1", &at.to_string()).await;
        }
        let path = "/devices/d1/files";
        let refused = post(&world, path, json!({"blobName": "x"})).await;
        refused.refused(403, "DeviceMaximumActiveFileUploadLimitExceeded");
        begin(&world, "d2", "another device's").await;
        complete(&world, "d1", &first, false).await.expect(204);
        begin(&world, "d1", "x").await;
        world.clock.advance(Duration::from_secs(3600));
        begin(&world, "d1", "those have expired").await;
    });
}

#[test]
fn names_and_callers_are_checked() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        for name in ["", "..", "a/../b", "a\nb", &"x".repeat(1025)] {
            let answer = post(&world, "/devices/d1/files", json!({"blobName": name})).await;
            answer.refused(400, "ArgumentInvalid");
        }
        post(&world, "/devices/d1/files", json!("a")).await.refused(400, "IotHubFormatError");
        let uri = "/devices/d1/files?api-version=2021-04-12";
        for token in [world.token("service"), world.token("registryReadWrite"), String::new()] {
            let body = br#"{"blobName":"a"}"#.to_vec();
            let answer = world.raw(Method::POST, uri, body, &[("authorization", &token)]).await;
            answer.refused(401, "IotHubUnauthorizedAccess");
        }
        let device = world.token("device");
        let uri = format!("{NOTICES}?api-version=2021-04-12");
        let answer = world.raw(Method::GET, &uri, Vec::new(), &[("authorization", &device)]).await;
        answer.refused(401, "IotHubUnauthorizedAccess");
    });
}

#[test]
fn a_full_hub_refuses_before_the_device_sends_anything() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        for name in ["a", "b"] {
            let begun = begin(&world, "d1", name).await;
            write(&world, &begun, &[7; 50_000]).await;
        }
        let answer = post(&world, "/devices/d1/files", json!({"blobName": "c"})).await;
        answer.refused(403, "IotHubQuotaExceeded");
        settle(&world, Method::DELETE, "/skerry/v1/files/d1/a").await.expect(204);
        begin(&world, "d1", "c").await;
    });
}

#[test]
fn a_notice_that_nobody_settles_comes_again_and_ends_some_day() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        for name in ["a", "b"] {
            let begun = begin(&world, "d1", name).await;
            write(&world, &begun, b"x").await;
            complete(&world, "d1", &begun, true).await.expect(204);
            world.clock.advance(Duration::from_secs(1));
        }
        for round in 1..=10 {
            let told = notice(&world).await;
            assert_eq!(told.header("iothub-deliverycount"), Some(round.to_string().as_str()));
            let lock = lock(&told);
            assert_eq!(told.expect(200)["blobName"], "d1/a", "the oldest first");
            if round % 2 == 0 {
                settle(&world, Method::POST, &format!("{NOTICES}/{lock}/abandon")).await.expect(204);
            } else {
                world.clock.advance(Duration::from_secs(60));
                let path = format!("{NOTICES}/{lock}");
                settle(&world, Method::DELETE, &path).await.refused(412, "DeviceMessageLockLost");
            }
        }
        // Given out ten times, it is dropped.
        assert_eq!(notice(&world).await.expect(200)["blobName"], "d1/b");
        world.clock.advance(Duration::from_secs(3600));
        notice(&world).await.expect(204);
        let figures = world.hub.files().unwrap().figures();
        assert_eq!((figures.notices_waiting, figures.notices_dropped), (0, 2));
    });
}

#[test]
fn what_was_pending_and_told_goes_with_its_device_and_files_stay() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let begun = begin(&world, "d1", "a").await;
        write(&world, &begun, b"kept").await;
        complete(&world, "d1", &begun, true).await.expect(204);
        let pending = begin(&world, "d1", "b").await;
        settle(&world, Method::DELETE, "/devices/d1").await;
        notice(&world).await.expect(204);
        world.device("d1", json!({})).await;
        complete(&world, "d1", &pending, true).await.refused(400, "InvalidFileUploadCorrelationId");
        let listed = world.get("/skerry/v1/files?device=d1").await.expect(200);
        assert_eq!(listed["items"][0]["bytes"], 4);
    });
}

#[test]
fn an_operator_lists_files_page_by_page_and_deletes_them() {
    everywhere(|world| async move {
        for device in ["d1", "d10"] {
            world.device(device, json!({})).await;
            for name in ["a", "b/c", "b/d"] {
                let begun = begin(&world, device, name).await;
                write(&world, &begun, name.as_bytes()).await;
                complete(&world, device, &begun, true).await.expect(204);
            }
        }
        let first = world.get("/skerry/v1/files?device=d1&top=2").await.expect(200);
        let names = |page: &Value| -> Vec<String> {
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!((names(&first), &first["next"]), (vec!["a".into(), "b/c".into()], &json!("d1/b/c")));
        assert_eq!(first["items"][0]["contentType"], "application/octet-stream");
        let second = world.get("/skerry/v1/files?device=d1&top=2&after=d1/b/c").await.expect(200);
        assert_eq!((names(&second), &second["next"]), (vec!["b/d".to_owned()], &Value::Null));
        assert_eq!(world.get("/skerry/v1/files").await.expect(200)["items"].as_array().unwrap().len(), 6);
        world.get("/skerry/v1/files?top=0").await.refused(400, "ArgumentInvalid");
        settle(&world, Method::DELETE, "/skerry/v1/files/d1/b%2Fc").await.expect(204);
        settle(&world, Method::DELETE, "/skerry/v1/files/d1/b/c").await.refused(404, "OperationNotFound");
        let device = world.token("service");
        for method in [Method::GET, Method::DELETE] {
            let uri = "/skerry/v1/files/d1/a?api-version=2021-04-12";
            let answer = world.raw(method, uri, Vec::new(), &[("authorization", &device)]).await;
            answer.refused(401, "IotHubUnauthorizedAccess");
        }
        let text = world.get_text("/skerry/v1/metrics").await;
        assert!(
            text.contains("skerry_hub_files 5\n")
                && text.contains("skerry_hub_files_uploads_succeeded_total 6\n")
        );
    });
}
