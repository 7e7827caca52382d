//! Who of many has something to say: each has a bell of its own, and only those that rang are asked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

pub(super) struct Bells<K>(Arc<Shared<K>>);

struct Shared<K>(Mutex<State<K>>);

struct State<K> {
    /// Each bell at most once.
    rung: VecDeque<Arc<Bell<K>>>,
    task: Option<Waker>,
}

struct Bell<K> {
    key: K,
    is_rung: AtomicBool,
    shared: Arc<Shared<K>>,
}

impl<K: Copy + Send + Sync + 'static> Bells<K> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared(Mutex::new(State { rung: VecDeque::new(), task: None }))))
    }

    pub(super) fn bell(&self, key: K) -> Waker {
        let bell = Bell { key, is_rung: AtomicBool::new(false), shared: Arc::clone(&self.0) };
        Waker::from(Arc::new(bell))
    }

    /// The next that rang; it may ring again from now on.
    pub(super) fn poll_next(&self, context: &Context<'_>) -> Poll<K> {
        let mut state = self.0.state();
        match state.rung.pop_front() {
            Some(bell) => {
                bell.is_rung.store(false, std::sync::atomic::Ordering::Release);
                Poll::Ready(bell.key)
            }
            None => {
                match &mut state.task {
                    Some(task) => task.clone_from(context.waker()),
                    task => *task = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl<K> Shared<K> {
    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Send + Sync + 'static> Wake for Bell<K> {
    fn wake(self: Arc<Self>) {
        Self::wake_by_ref(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_rung.swap(true, AcqRel) {
            return;
        }
        let task = {
            let mut state = self.shared.state();
            state.rung.push_back(Arc::clone(self));
            state.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_that_rang_are_told_and_each_once() {
        let bells = Bells::new();
        let (one, two) = (bells.bell(1), bells.bell(2));
        let context = Context::from_waker(Waker::noop());
        assert_eq!(bells.poll_next(&context), Poll::Pending);
        two.wake_by_ref();
        two.wake_by_ref();
        one.wake_by_ref();
        assert_eq!(bells.poll_next(&context), Poll::Ready(2));
        two.wake_by_ref();
        assert_eq!(bells.poll_next(&context), Poll::Ready(1));
        assert_eq!(bells.poll_next(&context), Poll::Ready(2));
        assert_eq!(bells.poll_next(&context), Poll::Pending);
    }
}
