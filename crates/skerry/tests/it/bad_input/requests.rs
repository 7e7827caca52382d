//! Requests that are whole but wrong.

use super::{PEAK_BYTES_MAX, assert_peak, fill};
use crate::client::{Client, read_all};
use crate::process::{HOST, Hub, token};
use tokio::io::AsyncWriteExt as _;

struct Case {
    what: &'static str,
    request: (&'static str, &'static str),
    headers: &'static [(&'static str, &'static str)],
    body: String,
    expected: (u16, &'static str),
}

fn case(
    what: &'static str,
    request: (&'static str, &'static str),
    headers: &'static [(&'static str, &'static str)],
    body: impl Into<String>,
    expected: (u16, &'static str),
) -> Case {
    Case { what, request, headers, body: body.into(), expected }
}

const ARGUMENT: (u16, &str) = (400, "ArgumentInvalid");
const FORMAT: (u16, &str) = (400, "IotHubFormatError");
const STALE: (u16, &str) = (412, "PreconditionFailed");
const NO_DEVICE: (u16, &str) = (404, "DeviceNotFound");
const NO_OPERATION: (u16, &str) = (404, "OperationNotFound");

const QUERY: (&str, &str) = ("POST", "/devices/query");
const TWIN: (&str, &str) = ("PATCH", "/twins/d1");
const DEVICE: (&str, &str) = ("PUT", "/devices/d1");
const NEW: (&str, &str) = ("PUT", "/devices/new");
const BULK: (&str, &str) = ("POST", "/devices");

fn query(text: &str) -> String {
    serde_json::json!({ "query": text }).to_string()
}

fn cases() -> Vec<Case> {
    let deep = |levels: usize| "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
    let long = "x".repeat(4097);
    let full = format!("{{\"tags\":{{\"a\":\"{0}\",\"b\":\"{0}\",\"c\":\"{0}\"}}}}", "x".repeat(4000));
    vec![
        case("no JSON", TWIN, &[], "{\"tags\":", FORMAT),
        case("no body", TWIN, &[], "", (400, "ArgumentNull")),
        case("not UTF-8 as JSON wants it", TWIN, &[], "{\"tags\":{\"a\":\"\\ud800\"}}", FORMAT),
        case("two documents", TWIN, &[], "{}{}", FORMAT),
        case("an array for an object", TWIN, &[], "[]", ARGUMENT),
        case("tags that are a text", TWIN, &[], "{\"tags\":\"a\"}", ARGUMENT),
        case("JSON of a thousand levels", TWIN, &[], format!("{{\"tags\":{}}}", deep(1000)), FORMAT),
        case("a twin of twelve levels", TWIN, &[], format!("{{\"tags\":{}}}", deep(12)), ARGUMENT),
        case("a twin beyond its size", TWIN, &[], full, ARGUMENT),
        case("a value beyond its size", TWIN, &[], format!("{{\"tags\":{{\"a\":\"{long}\"}}}}"), ARGUMENT),
        case("a key with a dot", TWIN, &[], "{\"tags\":{\"a.b\":1}}", ARGUMENT),
        case("a key with a dollar", TWIN, &[], "{\"tags\":{\"$a\":1}}", ARGUMENT),
        case("a key with a space", TWIN, &[], "{\"properties\":{\"desired\":{\"a b\":1}}}", ARGUMENT),
        case("a key with a control character", TWIN, &[], "{\"tags\":{\"a\\u0007\":1}}", ARGUMENT),
        case("an integer beyond 52 bits", TWIN, &[], "{\"tags\":{\"a\":4503599627370496}}", ARGUMENT),
        case("a stale etag", TWIN, &[("if-match", "\"AAAAAAAAAAE=\"")], "{\"tags\":{\"a\":2}}", STALE),
        case("an etag that is none", TWIN, &[("if-match", "\"!!\"")], "{\"tags\":{\"a\":2}}", STALE),
        case("a twin of nobody", ("PATCH", "/twins/nobody"), &[], "{\"tags\":{}}", NO_DEVICE),
        case("a device of nobody", ("GET", "/devices/nobody"), &[], "", NO_DEVICE),
        case("a deletion of nobody", ("DELETE", "/devices/nobody"), &[], "", NO_DEVICE),
        case("a module of nobody", ("GET", "/devices/d1/modules/m9"), &[], "", (404, "ModuleNotFound")),
        case(
            "a system module's end",
            ("DELETE", "/devices/d2/modules/$edgeHub"),
            &[],
            "",
            (401, "SystemModuleModifyUnauthorizedAccess"),
        ),
        case("a device again", DEVICE, &[], "{\"deviceId\":\"d1\"}", (409, "DeviceAlreadyExists")),
        case("a stale identity", DEVICE, &[("if-match", "\"AA==\"")], "{\"deviceId\":\"d1\"}", STALE),
        case("a stale deletion", ("DELETE", "/devices/d1"), &[("if-match", "\"AA==\"")], "", STALE),
        case("two ids", NEW, &[], "{\"deviceId\":\"d1\"}", ARGUMENT),
        case("an id with a space", ("PUT", "/devices/a%20b"), &[], "{\"deviceId\":\"a b\"}", ARGUMENT),
        case("an id with a zero", ("PUT", "/devices/a%00b"), &[], "{\"deviceId\":\"a\\u0000b\"}", ARGUMENT),
        case("an id that climbs", ("GET", "/devices/..%2F..%2Fetc%2Fpasswd"), &[], "", NO_OPERATION),
        case("a path that is no text", ("GET", "/devices/%ff%fe"), &[], "", NO_OPERATION),
        case("a path of nothing", ("GET", "/nothing/here"), &[], "", NO_OPERATION),
        case("a method of nothing", ("PATCH", "/devices/d1"), &[], "{}", (405, "MethodNotAllowed")),
        case("a status of nothing", NEW, &[], "{\"deviceId\":\"new\",\"status\":\"asleep\"}", ARGUMENT),
        case(
            "a short key",
            NEW,
            &[],
            "{\"deviceId\":\"new\",\"authentication\":{\"type\":\"sas\",\"symmetricKey\":\
             {\"primaryKey\":\"AAAA\",\"secondaryKey\":\"AAAA\"}}}",
            ARGUMENT,
        ),
        case(
            "a scope of nobody",
            NEW,
            &[],
            "{\"deviceId\":\"new\",\"deviceScope\":\"ms-azure-iot-edge://nobody-1\"}",
            (400, "InvalidDeviceScope"),
        ),
        case("a bulk that is no list", BULK, &[], "{}", FORMAT),
        case("a bulk of numbers", BULK, &[], "[1,2]", FORMAT),
        case(
            "a bulk with one twice",
            BULK,
            &[],
            "[{\"id\":\"n1\"},{\"id\":\"n1\"}]",
            (400, "DeviceDefinedMultipleTimes"),
        ),
        case("a bulk of too many", BULK, &[], many_devices(101), ARGUMENT),
        case("a bulk with an unknown mode", BULK, &[], "[{\"id\":\"n1\",\"importMode\":\"x\"}]", ARGUMENT),
        case("a query that is none", QUERY, &[], query("SELEKT * FROM devices"), ARGUMENT),
        case("a query of nothing", QUERY, &[], query("SELECT * FROM things"), ARGUMENT),
        case("a query with an open text", QUERY, &[], query("SELECT * FROM devices WHERE a = 'x"), ARGUMENT),
        case("a query with more behind it", QUERY, &[], query("SELECT * FROM devices; DELETE"), ARGUMENT),
        case(
            "a query of a thousand brackets",
            QUERY,
            &[],
            query(&format!("SELECT * FROM devices WHERE {}true{}", "(".repeat(1000), ")".repeat(1000))),
            ARGUMENT,
        ),
        case(
            "a query beyond its length",
            QUERY,
            &[],
            query(&format!("SELECT * FROM devices WHERE deviceId = '{}'", "x".repeat(9000))),
            ARGUMENT,
        ),
        case("a query that is a number", QUERY, &[], "{\"query\":1}", FORMAT),
        case(
            "a made-up continuation",
            QUERY,
            &[("x-ms-continuation", "AAAA")],
            query("SELECT * FROM devices"),
            ARGUMENT,
        ),
        case(
            "no token",
            ("GET", "/devices/d1"),
            &[("authorization", "")],
            "",
            (401, "IotHubUnauthorizedAccess"),
        ),
        case(
            "a bearer of nothing",
            ("GET", "/devices/d1"),
            &[("authorization", "Bearer x")],
            "",
            (401, "IotHubUnauthorizedAccess"),
        ),
        case(
            "half a token",
            ("GET", "/devices/d1"),
            &[("authorization", "SharedAccessSignature sr=x&sig=")],
            "",
            (401, "IotHubUnauthorizedAccess"),
        ),
    ]
}

fn many_devices(count: usize) -> String {
    let items: Vec<String> = (0..count).map(|number| format!("{{\"id\":\"n{number}\"}}")).collect();
    format!("[{}]", items.join(","))
}

#[tokio::test]
async fn each_wrong_request_has_its_answer_and_changes_nothing() {
    let mut hub = Hub::start();
    let client = Client::new(&hub);
    fill(&client).await;
    let before = client.registry().await;
    let mut wrong = Vec::new();
    for Case { what, request: (method, path), headers, body, expected: (status, code) } in cases() {
        let answer = client.send(method, path, headers, body).await;
        if let Err(found) = answer.check_refused(status, code) {
            wrong.push(format!("{what}: expected {status} {code}, {found}"));
        }
    }
    hub.assert_up();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(client.registry().await, before);
    assert_peak(&hub, PEAK_BYTES_MAX);
    hub.stop();
}

#[tokio::test]
async fn tokens_of_others_open_nothing() {
    let hub = Hub::start();
    let client = Client::new(&hub);
    fill(&client).await;
    let before = client.registry().await;
    let foreign = "Zm9yZWlnbmZvcmVpZ25mb3JlaWduZm9yZWlnbmZvcmU=";
    let owner = || hub.key("iothubowner");
    let access = "IotHubUnauthorizedAccess";
    for (what, sent, code) in [
        ("a foreign key", token("iothubowner", foreign.parse().unwrap(), HOST, 60), access),
        ("a foreign policy", token("nobody", owner(), HOST, 60), access),
        ("another policy's key", token("registryReadWrite", owner(), HOST, 60), access),
        ("another hub", token("iothubowner", owner(), "hub2.skerry.test", 60), access),
        ("a name around ours", token("iothubowner", owner(), "hub1.skerry.test.evil.test", 60), access),
        ("a policy without the right", hub.token("service", 60), access),
        ("a device's policy", hub.token("device", 60), access),
        ("an expired token", hub.token("iothubowner", -3600), "IotHubUnauthorized"),
    ] {
        let body = "{\"deviceId\":\"new\"}";
        let answer = client.send("PUT", "/devices/new", &[("authorization", &sent)], body).await;
        answer.assert_refused(401, code, what);
    }
    let spoilt = client.token.replace("sig=", "sig=A");
    client
        .send("GET", "/devices/d1", &[("authorization", &spoilt)], "")
        .await
        .assert_refused(401, access, "sig");
    assert_eq!(client.registry().await, before);
    hub.stop();
}

/// What is not HTTP, or HTTP of the wrong kind, on a connection of its own.
#[tokio::test]
async fn what_is_no_http_is_closed_and_disturbs_nobody() {
    let hub = Hub::start();
    let client = Client::new(&hub);
    fill(&client).await;
    let before = client.registry().await;
    let many_headers: String = (0..500).map(|number| format!("x-{number}: y\r\n")).collect();
    let get = "GET /devices?api-version=2021-04-12 HTTP/1.1\r\nhost: hub1.skerry.test\r\n";
    for (what, sent) in [
        ("noise", "\u{1}\u{2}\u{3}\r\n\r\n".to_owned()),
        ("another protocol", "SSH-2.0-OpenSSH\r\n\r\n".to_owned()),
        ("an unknown version", "GET / HTTP/9.9\r\n\r\n".to_owned()),
        ("an endless line", "G".repeat(200_000)),
        ("an endless header", format!("{get}x: {}\r\n\r\n", "y".repeat(200_000))),
        ("many headers", format!("{get}{many_headers}\r\n")),
        ("two lengths", format!("{get}content-length: 1\r\ncontent-length: 2\r\n\r\nab")),
        ("a length that is none", format!("{get}content-length: -1\r\n\r\n")),
        ("two ways to end", format!("{get}content-length: 4\r\ntransfer-encoding: identity\r\n\r\nabcd")),
        ("a chunk of nonsense", format!("{get}transfer-encoding: chunked\r\n\r\nzz\r\n")),
    ] {
        let mut stream = client.connect().await.unwrap();
        // The hub may close before it has read everything.
        drop(stream.write_all(sent.as_bytes()).await);
        drop(stream.shutdown().await);
        let answer = read_all(&mut stream).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        let refused =
            answer.is_empty() || ["400", "401", "408", "414", "431", "501", "505"].contains(&status);
        assert!(refused, "{what}: {answer}");
    }
    for sent in ["GET / HTTP/1.1\r\nhost: x\r\n\r\n", "\u{16}\u{3}\u{1}\u{0}\u{5}hello", ""] {
        let mut stream = client.connect_without_tls().await.unwrap();
        drop(stream.write_all(sent.as_bytes()).await);
        drop(stream.shutdown().await);
        assert!(!read_all(&mut stream).await.contains("HTTP/1.1 2"), "{sent:?}");
    }
    assert_eq!(client.registry().await, before);
    assert_peak(&hub, PEAK_BYTES_MAX);
    hub.stop();
}
