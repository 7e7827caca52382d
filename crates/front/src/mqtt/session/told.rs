//! Orders of the service, looked at only when there may be one: a connection wakes for each message and
//! each acknowledgement, and seldom for an order.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use crate::device::{Order, Orders};

pub(super) struct Told {
    /// Dropped when the session ends.
    orders: Option<Box<dyn Orders>>,
    bell: Arc<Bell>,
}

/// What orders wake.
struct Bell {
    has_rung: AtomicBool,
    /// The connection's.
    task: Mutex<Option<Waker>>,
}

impl Told {
    pub(super) fn new(orders: Box<dyn Orders>) -> Self {
        let bell = Bell { has_rung: AtomicBool::new(true), task: Mutex::default() };
        Self { orders: Some(orders), bell: Arc::new(bell) }
    }

    /// Loses nothing when it is not asked again.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Order> {
        // First, so that whoever rings from here on is heard.
        self.bell.is_for(context.waker());
        let Some(orders) = self.orders.as_mut().filter(|_| self.bell.has_rung.swap(false, SeqCst)) else {
            return Poll::Pending;
        };
        let waker = Waker::from(Arc::clone(&self.bell));
        let order = ready!(orders.poll_next(&mut Context::from_waker(&waker)));
        // There may be more.
        self.bell.has_rung.store(true, SeqCst);
        Poll::Ready(order)
    }

    pub(super) fn end(&mut self) {
        self.orders = None;
    }
}

impl Bell {
    fn is_for(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, SeqCst);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::device::CloseReason;

    /// Gives an order for each ring, and counts how often it is asked.
    #[derive(Default)]
    struct Counting {
        waiting: AtomicUsize,
        asked: AtomicUsize,
        waker: Mutex<Option<Waker>>,
    }

    impl Orders for Arc<Counting> {
        fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Order> {
            self.asked.fetch_add(1, SeqCst);
            if self.waiting.load(SeqCst) == 0 {
                *self.waker.lock().unwrap() = Some(context.waker().clone());
                return Poll::Pending;
            }
            self.waiting.fetch_sub(1, SeqCst);
            Poll::Ready(Order::Close(CloseReason::Stopping))
        }
    }

    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn orders_are_asked_when_they_rang_until_there_is_none() {
        let orders = Arc::new(Counting::default());
        let mut told = Told::new(Box::new(Arc::clone(&orders)));
        let task = Arc::new(Task(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&task));
        let mut context = Context::from_waker(&waker);
        for _ in 0..10 {
            assert!(told.poll_next(&mut context).is_pending());
        }
        assert_eq!(orders.asked.load(SeqCst), 1);
        orders.waiting.store(2, SeqCst);
        orders.waker.lock().unwrap().take().unwrap().wake();
        assert_eq!(task.0.load(SeqCst), 1, "the connection is woken");
        assert!(told.poll_next(&mut context).is_ready() && told.poll_next(&mut context).is_ready());
        assert!(told.poll_next(&mut context).is_pending() && told.poll_next(&mut context).is_pending());
        assert_eq!(orders.asked.load(SeqCst), 4);
    }
}
