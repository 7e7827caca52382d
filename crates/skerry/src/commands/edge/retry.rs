//! `skerry edge retry`: the agent forgets that a version failed, and tries it again.

use http::Method;
use serde_json::{Value, json};
use skerry_model::EDGE_AGENT;

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;

/// The agent answers at once.
const ANSWER_S: u32 = 30;

pub(super) async fn retry(client: &mut Client, device: &str, is_json: bool) -> Result<(), Failure> {
    let path = format!("/twins/{}/modules/{}/methods", segment(device), segment(EDGE_AGENT));
    let body = json!({
        "methodName": "RetryDeployment",
        "payload": {"schemaVersion": "1.0"},
        "responseTimeoutInSeconds": ANSWER_S,
    });
    let answered: Value = client.call(Method::POST, &path, Some(&body), &[]).await?.body;
    let payload = &answered["payload"];
    let Some(is_tried) = payload["retried"].as_bool().filter(|_| answered["status"] == 200) else {
        return Err(Failure::failed(format!(
            "the agent of {device} does not know how to try again ({}); it may be another one than ours",
            answered["status"]
        )));
    };
    if is_json {
        return output::json(payload);
    }
    let version = output::cell(&payload["version"]);
    output::line(&if is_tried {
        format!(
            "{device} tries version {version} again; `skerry edge show-modules {device}` tells how it goes"
        )
    } else {
        format!("Nothing of {device} has failed or waits.")
    })
}
