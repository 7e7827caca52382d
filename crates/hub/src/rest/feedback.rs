//! `/messages/serviceBound/feedback`: what became of commands, for whoever sent them.

use http::Method;

use super::route::{not_allowed, unknown};
use super::{Problem, Reply, Request};
use crate::Hub;
use crate::commands::{FEEDBACK_TYPE, FeedbackBatch};

impl Hub {
    /// `rest` is what follows the word feedback.
    pub(super) async fn show_feedback(&self, request: &Request, rest: &[&str]) -> Result<Reply, Problem> {
        let feedback = self.commands.feedback();
        let method = &request.head.method;
        match (rest, method) {
            ([], &Method::GET) => {
                let batch = feedback.lease().await?;
                return Ok(batch.map_or_else(Reply::empty, |batch| self.feedback_reply(&batch)));
            }
            ([lock], &Method::DELETE) => feedback.complete(lock.parse()?).await?,
            ([lock, abandon], &Method::POST) if abandon.eq_ignore_ascii_case("abandon") => {
                feedback.abandon(lock.parse()?).await?;
            }
            ([], _) => return Err(not_allowed(method, "GET")),
            ([_], _) => return Err(not_allowed(method, "DELETE")),
            _ => return Err(unknown(request)),
        }
        Ok(Reply::empty())
    }

    fn feedback_reply(&self, batch: &FeedbackBatch) -> Reply {
        let body = batch.json().to_string().into_bytes();
        let mut reply = Reply { status: 200, body, ..Reply::default() };
        reply.header("content-type", FEEDBACK_TYPE);
        reply.header("iothub-contenttype", FEEDBACK_TYPE);
        reply.header("iothub-userid", self.name.clone());
        reply.header("iothub-enqueuedtime", batch.enqueued.to_string());
        reply.with_etag(&batch.token.to_string())
    }
}
