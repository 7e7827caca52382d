//! Questions to the service that are under way; answers come in any order.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use skerry_mqtt::packet::{PacketId, SubackCode};

use crate::device::{NotSettled, Soon, TwinRefused, Unavailable};

/// An answer, with what is needed to pass it on.
pub(super) enum Answer {
    Twin { request: String, outcome: Result<Bytes, TwinRefused> },
    Reported { request: String, outcome: Result<Option<u64>, TwinRefused> },
    Subscribed { id: PacketId, codes: Vec<SubackCode>, outcome: Result<(), Unavailable> },
    Unsubscribed { id: PacketId, outcome: Result<(), Unavailable> },
    Completed(Result<(), NotSettled>),
}

#[derive(Default)]
pub(super) struct Asked(Vec<Soon<Answer>>);

impl Asked {
    pub(super) fn push(&mut self, soon: Soon<Answer>) {
        self.0.push(soon);
    }

    /// One that is answered. Loses nothing when it is dropped.
    pub(super) async fn next(&mut self) -> Answer {
        poll_fn(|context| {
            for at in 0..self.0.len() {
                if let Poll::Ready(answer) = self.0[at].as_mut().poll(context) {
                    drop(self.0.swap_remove(at));
                    return Poll::Ready(answer);
                }
            }
            Poll::Pending
        })
        .await
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
