//! A sender that waits until letters of one call are in good hands.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use skerry_store::log::AppendError;
use tokio::sync::Notify;

use crate::room::NotStored;

/// Of one call.
pub(super) struct Sending {
    /// Letters that are neither settled by all nor in the log.
    left: AtomicUsize,
    failed: Mutex<Option<AppendError>>,
    changed: Notify,
}

impl Sending {
    pub(super) fn new(count: usize) -> Self {
        Self { left: AtomicUsize::new(count), failed: Mutex::default(), changed: Notify::new() }
    }

    /// One more is in good hands.
    pub(super) fn is_safe(&self) {
        if self.left.fetch_sub(1, SeqCst) == 1 {
            self.changed.notify_one();
        }
    }

    /// One could not be kept.
    pub(super) fn fail(&self, error: AppendError) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.changed.notify_one();
    }
}

pub(crate) struct Awaited(pub(super) Arc<Sending>);

impl Awaited {
    /// Done when all of them are settled by every endpoint or stored.
    pub(crate) async fn done(self) -> Result<(), NotStored> {
        loop {
            if self.0.left.load(SeqCst) == 0 {
                return Ok(());
            }
            let failed = self.0.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match failed {
                Some(error) => return Err(NotStored::Seen(error)),
                None => self.0.changed.notified().await,
            }
        }
    }
}
