//! `/skerry/v1/live` and `/skerry/v1/ready`: for whoever starts hubs and sends clients to them. Nobody has to prove
//! anything for it, and nothing is told but yes or no and why.
//!
//! A hub is alive while it answers. It is ready while it takes clients in and its documents answer; a disk that is full
//! does not count, for another place to send clients to would have no more room.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::route::not_allowed;
use super::{Problem, Reply, Request};
use crate::Hub;

/// Documents that take longer are not there.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl Hub {
    /// `None` for other paths.
    pub(super) async fn health(&self, request: &Request, path: &[&str]) -> Option<Result<Reply, Problem>> {
        let ["skerry", "v1", which @ ("live" | "ready")] = path else { return None };
        let method = &request.head.method;
        if method != Method::GET && method != Method::HEAD {
            return Some(Err(not_allowed(method, "GET, HEAD")));
        }
        if *which == "live" {
            return Some(Ok(Reply::json(200, &json!({"live": true}))));
        }
        Some(Ok(match self.why_not_ready().await {
            None => Reply::json(200, &json!({"ready": true})),
            Some(why) => Reply::json(503, &json!({"ready": false, "why": why})),
        }))
    }

    async fn why_not_ready(&self) -> Option<&'static str> {
        if *self.ending.borrow() {
            return Some("the hub is stopping");
        }
        match tokio::time::timeout(ANSWER_WITHIN, self.registry.is_reached()).await {
            Ok(true) => None,
            Ok(false) => Some("the documents cannot be read"),
            Err(_) => Some("the documents do not answer"),
        }
    }
}
