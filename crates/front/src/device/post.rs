//! What waits for one connection to be told.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::{CloseReason, Order};

/// Orders that wait; with one more the client has to begin anew.
const WAITING_MAX: usize = 64;

#[derive(Default)]
pub struct Post {
    waiting: Mutex<VecDeque<Order>>,
    bell: Notify,
}

impl Post {
    pub fn push(&self, order: Order) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match order {
            // The end comes before everything else.
            Order::Close(reason) => waiting.push_front(Order::Close(reason)),
            _ if waiting.len() >= WAITING_MAX => {
                waiting.clear();
                waiting.push_back(Order::Close(CloseReason::Lagged));
            }
            order => waiting.push_back(order),
        }
        drop(waiting);
        self.bell.notify_one();
    }

    pub fn pop(&self) -> Option<Order> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Something changed that whoever waits has to look at.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Done when there was a push or a ring since the last time.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Desired;

    use super::*;

    #[test]
    fn who_does_not_keep_up_begins_anew() {
        let post = Post::default();
        for version in 0..=WAITING_MAX as u64 {
            post.push(Order::Desired(Desired { version, patch: bytes::Bytes::new() }));
        }
        assert!(matches!(post.pop(), Some(Order::Close(CloseReason::Lagged))));
        assert!(post.pop().is_none());
    }
}
