//! Messages to one address are taken in the order in which they came, those to others beside them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// One line for each address. As many places as messages are being taken at most.
#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    next: u64,
    /// The last one in each line.
    last: HashMap<String, Last>,
}

struct Last {
    number: u64,
    /// Ends when it is gone.
    gone: oneshot::Receiver<()>,
}

/// A place in a line; leaving it lets the next one go.
pub(super) struct Turn {
    turns: Turns,
    to: String,
    number: u64,
    before: Option<oneshot::Receiver<()>>,
    _here: oneshot::Sender<()>,
}

impl Turns {
    /// The place is that of the call.
    pub(super) fn join(&self, to: &str) -> Turn {
        let (here, gone) = oneshot::channel();
        let mut lines = self.lines();
        let number = lines.next;
        lines.next += 1;
        let before = lines.last.insert(to.to_owned(), Last { number, gone }).map(|last| last.gone);
        drop(lines);
        Turn { turns: self.clone(), to: to.to_owned(), number, before, _here: here }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Done when whoever came before is gone.
    pub(super) async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            // Nothing is ever sent.
            drop(before.await);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut lines = self.turns.lines();
        if lines.last.get(&self.to).is_some_and(|last| last.number == self.number) {
            lines.last.remove(&self.to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_came_first_goes_first_and_no_line_stays() {
        let turns = Turns::default();
        let (mut first, mut second, mut other) = (turns.join("a"), turns.join("a"), turns.join("b"));
        other.come().await;
        first.come().await;
        let waits = tokio::time::timeout(std::time::Duration::ZERO, second.come()).await;
        assert!(waits.is_err());
        drop((first, other));
        second.come().await;
        drop(second);
        assert!(turns.lines().last.is_empty());
    }
}
