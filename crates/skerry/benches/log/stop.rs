//! Tells threads that nobody waits for them any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn now(&self) {
        self.0.store(true, Relaxed);
    }

    pub(crate) fn is_now(&self) -> bool {
        self.0.load(Relaxed)
    }
}
