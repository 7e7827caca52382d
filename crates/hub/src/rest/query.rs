//! `POST /devices/query`.

use serde::Deserialize;
use serde_json::Value;

use super::{Problem, Reply, Request};
use crate::Hub;
use crate::search::QueryRequest;

#[derive(Deserialize)]
struct QueryDocument {
    query: String,
}

impl Hub {
    pub(super) async fn run_query(&self, request: &Request) -> Result<Reply, Problem> {
        let document: QueryDocument = request.json()?;
        let query = QueryRequest {
            text: document.query,
            page_size: request.header("x-ms-max-item-count").and_then(|text| text.trim().parse().ok()),
            continuation: request.header("x-ms-continuation").map(str::to_owned),
        };
        let page = self.searcher.run(&query).await?;
        let rows: Vec<Value> = page.rows.into_iter().map(Value::Object).collect();
        let mut reply = Reply::json(200, &rows.into());
        reply.header("x-ms-item-type", page.kind.name());
        if let Some(continuation) = page.continuation {
            reply.header("x-ms-continuation", continuation);
        }
        Ok(reply)
    }
}
