//! A container as the API shows it, and what lives in this process instead of one.

use serde_json::{Value, json};
use skerry_runtime::Container;

use crate::parts::{Part, PartState};

/// With the status `failed` where it ended with a code, as it was asked for in its label.
pub(super) fn details(container: &Container) -> Value {
    let mut status = json!({ "runtimeStatus": { "status": container.status().as_str() } });
    if let Some(started) = container.started.filter(|started| !started.is_never()) {
        status["startTime"] = started.to_string().into();
    }
    if let Some(exit) = container.exit.filter(|exit| !exit.at.is_never()) {
        status["exitStatus"] = json!({ "exitTime": exit.at, "statusCode": exit.code.to_string() });
    }
    json!({
        "id": "id",
        "name": container.name,
        "type": "docker",
        "config": {
            "settings": {
                "image": container.image(),
                "imageHash": container.image_id,
                "createOptions": { "Labels": container.labels },
            },
            "env": [],
        },
        "status": status,
    })
}

pub(super) fn part_details(part: &Part) -> Value {
    let status = match part.state() {
        PartState::New => json!({ "runtimeStatus": { "status": "stopped" } }),
        PartState::Running { since } => {
            json!({ "runtimeStatus": { "status": "running" }, "startTime": since })
        }
        PartState::Ended { since, at, code } => json!({
            "runtimeStatus": { "status": if code == 0 { "stopped" } else { "failed" } },
            "startTime": since,
            "exitStatus": { "exitTime": at, "statusCode": code.to_string() },
        }),
    };
    json!({
        "id": "id",
        "name": part.name(),
        "type": "built-in",
        "config": { "settings": { "image": part.image(), "createOptions": {} }, "env": [] },
        "status": status,
    })
}
