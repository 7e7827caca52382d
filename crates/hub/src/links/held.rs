//! Sources that give messages out under locks: what a client does not settle comes again.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use skerry_amqp::codec::{Symbol, Value};
use skerry_amqp::message::{Properties, Writer, milliseconds};
use skerry_amqp::performative::{Fault, Outcome};
use skerry_front::device::Soon;
use skerry_front::link::{Item, Source};
use skerry_model::Timestamp;
use tokio::time::Instant;

use super::fault::Refusal;
use crate::to_its_end::to_its_end;

/// How long a reader rests after the store failed to give something.
const PAUSE: Duration = Duration::from_secs(1);

/// A queue whose messages are held by locks.
pub(super) trait Locked: Clone + Send + Sync + Unpin + 'static {
    /// The next one, if there is one.
    fn lease(&self) -> impl Future<Output = Result<Option<Held>, Refusal>> + Send;

    /// Done when there may be one.
    fn wait(&self) -> impl Future<Output = ()> + Send;

    /// The client has it, or does not want it.
    fn complete(&self, key: u128) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// The client gives it back, which counts.
    fn abandon(&self, key: u128) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// The client is gone, which does not.
    fn release(&self, key: u128);

    fn fault(&self, refusal: Refusal) -> Fault;
}

/// A message, and the lock by which it is held.
pub(super) struct Held {
    pub(super) key: u128,
    pub(super) payload: Bytes,
    pub(super) lock: Duration,
}

pub(super) struct HeldSource<Q: Locked> {
    queue: Q,
    next: Pin<Box<dyn Future<Output = Held> + Send>>,
    /// What the client has, and until when; what it held for too long is no more than what waits.
    given: BTreeMap<u128, Instant>,
}

impl<Q: Locked> HeldSource<Q> {
    pub(super) fn new(queue: Q) -> Self {
        Self { next: Box::pin(next(queue.clone())), given: BTreeMap::new(), queue }
    }
}

async fn next<Q: Locked>(queue: Q) -> Held {
    loop {
        match queue.lease().await {
            Ok(Some(held)) => return held,
            Ok(None) => queue.wait().await,
            Err(refusal) => {
                tracing::warn!(error = refusal.text, "Nothing can be given out at the moment.");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl<Q: Locked> Source for HeldSource<Q> {
    fn poll_next(&mut self, context: &mut Context<'_>, credit: u32) -> Poll<Result<Vec<Item>, Fault>> {
        // What is taken out of the queue is held: not without somebody to give it to.
        if credit == 0 {
            return Poll::Pending;
        }
        let held = std::task::ready!(self.next.as_mut().poll(context));
        self.next = Box::pin(next(self.queue.clone()));
        let now = Instant::now();
        self.given.retain(|_, until| *until > now);
        self.given.insert(held.key, now + held.lock);
        let tag = Some(Bytes::copy_from_slice(&tag(held.key)));
        Poll::Ready(Ok(vec![Item { key: held.key, tag, payload: held.payload }]))
    }

    fn settle(&mut self, key: u128, outcome: Outcome) -> Soon<Outcome> {
        let is_abandoned = match outcome {
            Outcome::Accepted | Outcome::Rejected(_) => false,
            Outcome::Released | Outcome::Modified { .. } => true,
            // No outcome yet.
            Outcome::Received { .. } => return Box::pin(ready(outcome)),
        };
        self.given.remove(&key);
        let queue = self.queue.clone();
        Box::pin(to_its_end(async move {
            let settled = match is_abandoned {
                true => queue.abandon(key).await,
                false => queue.complete(key).await,
            };
            match settled {
                Ok(()) => outcome,
                Err(refusal) => Outcome::rejected(queue.fault(refusal)),
            }
        }))
    }

    fn is_settled(&self) -> bool {
        false
    }
}

impl<Q: Locked> Drop for HeldSource<Q> {
    fn drop(&mut self) {
        for key in std::mem::take(&mut self.given).into_keys() {
            self.queue.release(key);
        }
    }
}

/// A lock as clients of this protocol take it apart: a GUID whose first three groups are turned round.
fn tag(key: u128) -> [u8; 16] {
    let mut bytes = key.to_be_bytes();
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

/// A message of the hub itself.
pub(super) fn message(kind: &'static str, hub_name: &str, enqueued: Timestamp, body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + 256);
    let mut writer = Writer::new(&mut out);
    writer.annotations().symbol("iothub-enqueuedtime", &Value::Timestamp(milliseconds(enqueued)));
    writer.properties(&Properties {
        user_id: Some(Bytes::copy_from_slice(hub_name.as_bytes())),
        content_type: Some(Symbol::known(kind)),
        ..Properties::default()
    });
    writer.data(body);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_guids_as_their_readers_lay_them_out() {
        // 00112233-4455-6677-8899-aabbccddeeff
        let expected =
            [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        assert_eq!(tag(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff), expected);
    }
}
