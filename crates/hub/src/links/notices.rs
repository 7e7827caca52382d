//! Notices about files, one at a time under locks.

use std::sync::Arc;

use skerry_amqp::performative::Fault;
use skerry_front::link::LinkEnd;
use skerry_model::ErrorCode;

use super::Shared;
use super::fault::Refusal;
use super::figures::count;
use super::held::{Held, HeldSource, Locked, message};
use crate::files::{FileError, NOTICE_LOCK, Notices};

const KIND: &str = "application/vnd.microsoft.iothub.filenotification.json";

#[derive(Clone)]
struct NoticeQueue(Arc<Shared>);

impl Shared {
    pub(super) fn notices_source(self: &Arc<Self>) -> Result<LinkEnd, Refusal> {
        let queue = NoticeQueue(Arc::clone(self));
        queue.notices()?;
        Ok(LinkEnd::Source(Box::new(HeldSource::new(queue))))
    }
}

impl NoticeQueue {
    fn notices(&self) -> Result<&Notices, Refusal> {
        let text = "file upload is switched off on this hub, set files.enabled in its configuration";
        let off = || Refusal::new(ErrorCode::InvalidOperation, text);
        Ok(self.0.files.as_ref().ok_or_else(off)?.notices().ok_or(FileError::NoticesOff)?)
    }
}

impl Locked for NoticeQueue {
    async fn lease(&self) -> Result<Option<Held>, Refusal> {
        let Some(lease) = self.notices()?.lease().await? else { return Ok(None) };
        count(&self.0.counters.notices_given, 1);
        let body = serde_json::to_vec(&lease.notice).expect("texts, numbers and times are JSON");
        let payload = message(KIND, &self.0.hub_name, lease.notice.enqueued_time_utc, &body);
        let key = u128::from_str_radix(&lease.lock, 16).expect("locks are hexadecimal digits");
        Ok(Some(Held { key, payload, lock: NOTICE_LOCK }))
    }

    async fn wait(&self) {
        match self.notices() {
            Ok(notices) => notices.wait().await,
            // They are switched on or off for the life of a process.
            Err(_) => std::future::pending().await,
        }
    }

    async fn complete(&self, key: u128) -> Result<(), Refusal> {
        self.notices()?.complete(&lock(key)).await?;
        count(&self.0.counters.notices_settled, 1);
        Ok(())
    }

    async fn abandon(&self, key: u128) -> Result<(), Refusal> {
        self.notices()?.abandon(&lock(key)).await?;
        count(&self.0.counters.notices_settled, 1);
        Ok(())
    }

    fn release(&self, key: u128) {
        if let Ok(notices) = self.notices() {
            notices.release(&lock(key));
        }
    }

    fn fault(&self, refusal: Refusal) -> Fault {
        self.0.hub_fault(refusal)
    }
}

/// As notices are locked by.
fn lock(key: u128) -> String {
    format!("{key:032x}")
}
