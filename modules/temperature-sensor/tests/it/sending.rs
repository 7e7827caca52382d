//! What it sends, and what it listens to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use skerry_tokens::SasToken;

use crate::edge::{DIGEST, Edge};

/// As fast as it goes.
const FAST: (&str, &str) = ("MessageDelay", "00:00:00.01");

#[tokio::test]
async fn it_comes_with_a_token_that_the_edge_has_signed() {
    let edge = Edge::start(&[FAST]).await;
    let (_hub, user, password) = edge.welcome(&json!({})).await;
    assert!(user.starts_with("hub.example.com/edge-1/sensor/?api-version="), "{user}");
    let token = SasToken::parse(&password).unwrap();
    assert_eq!(token.resource(), "hub.example.com%2Fdevices%2Fedge-1%2Fmodules%2Fsensor");
    // An hour after the clock's time.
    assert_eq!(token.expiry().to_string(), "2024-05-01T13:00:00Z");
    let signature = STANDARD.encode(DIGEST).replace('=', "%3D");
    assert!(password.contains(&format!("sig={signature}")), "{password}");
    let asked = edge.asked.lock().unwrap();
    let (path, body) = asked.iter().find(|(path, _)| path.contains("sign")).unwrap();
    assert_eq!(path, "/modules/sensor/genid/638%205/sign?api-version=2022-08-03");
    let signed = STANDARD.decode(body["data"].as_str().unwrap()).unwrap();
    assert_eq!(signed, b"hub.example.com%2Fdevices%2Fedge-1%2Fmodules%2Fsensor\n1714568400");
}

#[tokio::test]
async fn it_sends_as_many_messages_as_it_should_and_goes_on_listening() {
    let edge = Edge::start(&[FAST, ("MessageCount", "3"), ("machineTempMin", "50")]).await;
    let (mut hub, ..) = edge.welcome(&json!({})).await;
    for number in 1..=3 {
        let (found, body) = hub.message().await;
        assert_eq!(found, number);
        // Every chance is one half here.
        assert_eq!(body["machine"]["temperature"], 50.0 + 0.5 * number as f64);
        assert_eq!(body["ambient"], json!({"temperature": 21.0, "humidity": 25}));
        assert_eq!(body["timeCreated"], "2024-05-01T12:00:00.2500000Z");
    }
    hub.send("$iothub/methods/POST/reset/?$rid=9", &json!({}), None).await;
    while let (topic, _) = hub.answer().await
        && topic != "$iothub/methods/res/200/?$rid=9"
    {
        assert!(topic.starts_with("$iothub/twin/PATCH/properties/reported/"), "{topic}");
    }
    let log = edge.log.lock().unwrap();
    let line = log.iter().find(|line| line.contains("Sending message: 3, Body: [{")).unwrap();
    assert!(line.starts_with("<6> 2024-05-01 12:00:00.250 +00:00 [INF] - "), "{line}");
}

#[tokio::test]
async fn the_twin_stops_it_and_lets_it_go_on() {
    let edge = Edge::start(&[FAST, ("MessageCount", "-1")]).await;
    let (mut hub, ..) = edge.welcome(&json!({"SendData": false, "SendInterval": 7})).await;
    let (topic, reported) = hub.answer().await;
    assert!(topic.starts_with("$iothub/twin/PATCH/properties/reported/"), "{topic}");
    assert_eq!(reported, json!({"SendData": false, "SendInterval": 7}));
    let topic = "$iothub/twin/PATCH/properties/desired/?$version=2";
    hub.send(topic, &json!({"SendData": true, "SendInterval": 1, "$version": 2}), None).await;
    assert_eq!(hub.answer().await.1, json!({"SendData": true, "SendInterval": 1}));
    let (first, _) = hub.message().await;
    assert_eq!(hub.message().await.0, first + 1);
}

#[tokio::test]
async fn control_messages_reset_the_walk_and_nonsense_is_told() {
    let edge = Edge::start(&[FAST, ("MessageCount", "-1")]).await;
    let (mut hub, ..) = edge.welcome(&json!({})).await;
    while hub.message().await.0 < 10 {}
    let topic = "devices/edge-1/modules/sensor/inputs/control/a=b";
    hub.send(topic, &json!("nonsense"), Some(1)).await;
    hub.send(topic, &json!([{"command": "reset"}]), Some(2)).await;
    let mut is_reset = false;
    for _ in 0..1000 {
        is_reset |= hub.message().await.1["machine"]["temperature"] == 21.5;
        if is_reset {
            break;
        }
    }
    assert!(is_reset);
    let log = edge.log.lock().unwrap();
    assert!(log.iter().any(|line| line.starts_with("<3>") && line.contains("control message")), "{log:?}");
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again() {
    let edge = Edge::start(&[FAST, ("MessageCount", "2")]).await;
    let (mut hub, ..) = edge.welcome(&json!({})).await;
    assert_eq!(hub.message_in_vain().await.0, 1);
    drop(hub);
    let (mut hub, ..) = edge.welcome(&json!({})).await;
    assert_eq!(hub.message().await.0, 1);
    assert_eq!(hub.message().await.0, 2);
}
