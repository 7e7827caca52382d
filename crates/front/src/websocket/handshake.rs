//! The request that turns an HTTP connection into a WebSocket, and its answer.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use crate::http::{Body, Response};

/// Where clients ask for it; some encode the dollar, some add a query.
const PATHS: [&str; 4] =
    ["/$iothub/websocket", "/%24iothub/websocket", "/$servicebus/websocket", "/%24servicebus/websocket"];
/// Sub-protocols by the names that clients offer.
const PROTOCOLS: [(&str, Inside); 2] = [("mqtt", Inside::Mqtt), ("amqpwsb10", Inside::Amqp)];
/// By order of the standard.
const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What is spoken inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    Mqtt,
    Amqp,
}

/// Whether a request asks for a WebSocket of ours.
pub(crate) fn is_wanted(head: &Parts) -> bool {
    PATHS.contains(&head.uri.path().trim_end_matches('/')) && has_word(&head.headers, UPGRADE, "websocket")
}

/// The answer, and what follows a good one.
pub(crate) fn respond(head: &Parts) -> (Response, Option<Inside>) {
    let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let offered = text(SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
    // Clients compare the answer with their own spelling.
    let protocol = offered.split(',').map(str::trim).find_map(|word| {
        let known = PROTOCOLS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known))?;
        Some((word, known.1))
    });
    let key = text(SEC_WEBSOCKET_KEY).filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == 16));
    let is_proper = head.method == Method::GET
        && head.version == Version::HTTP_11
        && has_word(&head.headers, CONNECTION, "upgrade");
    let refusal = match (is_proper, text(SEC_WEBSOCKET_VERSION), key, protocol) {
        (true, Some("13"), Some(key), Some((protocol, inside))) => {
            return (switch(key, protocol), Some(inside));
        }
        (true, version, ..) if version != Some("13") => "the version of WebSockets must be 13\n",
        (true, _, Some(_), None) => "offer the sub-protocol mqtt or AMQPWSB10\n",
        _ => "this is no request for a WebSocket\n",
    };
    let mut response = Response::new(Body::from(refusal));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    (response, None)
}

fn switch(key: &str, protocol: &str) -> Response {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{SALT}").as_bytes());
    let mut response = Response::new(Body::from(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    for (name, text) in
        [(SEC_WEBSOCKET_ACCEPT, STANDARD.encode(hash)), (SEC_WEBSOCKET_PROTOCOL, protocol.to_owned())]
    {
        // Both are text that came in a header, or base64.
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    response
}

fn has_word(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|text| text.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    const GOOD: [(&str, &str); 5] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "MQTT"),
    ];

    #[test]
    fn the_answer_has_the_key_of_the_standard_and_the_clients_spelling() {
        for path in ["/$iothub/websocket", "/%24iothub/websocket?iothub-no-client-cert=true"] {
            let head = head(path, &GOOD);
            assert!(is_wanted(&head));
            let (response, inside) = respond(&head);
            assert_eq!((response.status().as_u16(), inside), (101, Some(Inside::Mqtt)));
            assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
            assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "MQTT");
        }
    }

    #[test]
    fn what_is_offered_chooses_what_is_spoken() {
        for (offered, inside) in [
            ("AMQPWSB10", Inside::Amqp),
            ("chat, amqpwsb10", Inside::Amqp),
            ("mqtt, AMQPWSB10", Inside::Mqtt),
        ] {
            let mut headers = GOOD;
            headers[4].1 = offered;
            assert_eq!(respond(&head("/$servicebus/websocket", &headers)).1, Some(inside), "{offered}");
        }
    }

    #[test]
    fn what_is_no_such_request_is_told_so() {
        assert!(!is_wanted(&head("/devices", &GOOD)));
        assert!(!is_wanted(&head("/$iothub/websocket", &[])));
        for (missing, value) in [
            ("connection", "close"),
            ("sec-websocket-version", "8"),
            ("sec-websocket-key", "short"),
            ("sec-websocket-protocol", "chat"),
        ] {
            let mut headers = GOOD;
            headers.iter_mut().filter(|(name, _)| *name == missing).for_each(|header| header.1 = value);
            let (response, inside) = respond(&head("/$iothub/websocket", &headers));
            assert_eq!((response.status().as_u16(), inside), (400, None), "{missing}");
        }
    }
}
