//! Refusals of twin requests, as devices read them.

use bytes::Bytes;
use serde_json::json;
use skerry_front::device::TwinRefused;
use skerry_model::{ErrorCode, Random, Timestamp};

use crate::rest::tracking_id;

/// Some clients tell an error from an answer only by the body's `errorCode`.
pub(super) fn refusal(code: ErrorCode, text: &str, random: &dyn Random, now: Timestamp) -> TwinRefused {
    let body = json!({
        "errorCode": code.number(),
        "trackingId": tracking_id(random, now),
        "message": text,
        "timestampUtc": now.to_string(),
    });
    TwinRefused { status: code.status(), body: Bytes::from(body.to_string()) }
}
