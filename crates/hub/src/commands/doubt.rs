//! Changes whose end nobody may see.

use super::queue::Queue;

/// A change under way. Dropped before its end, because it failed, it has the queue read again.
pub(super) struct Doubt<'a> {
    queue: &'a Queue,
    is_over: bool,
}

impl<'a> Doubt<'a> {
    pub(super) fn of(queue: &'a Queue) -> Self {
        Self { queue, is_over: false }
    }

    /// It is known how the change ended.
    pub(super) fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.queue.doubt();
        }
    }
}
