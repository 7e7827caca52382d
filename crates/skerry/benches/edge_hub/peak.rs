//! How much a server holds at most, looked at now and then beside what goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::tree::{Tree, proportional_memory_of};

/// A look costs some of what the generator has.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) struct Peak {
    most: Arc<AtomicU64>,
    looking: JoinHandle<()>,
}

impl Peak {
    pub(crate) fn watch(tree: &Tree) -> Self {
        let (root, most) = (tree.root(), Arc::new(AtomicU64::new(0)));
        let seen = Arc::clone(&most);
        let looking = tokio::spawn(async move {
            loop {
                seen.fetch_max(proportional_memory_of(root), Relaxed);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self { most, looking }
    }

    /// Until now.
    pub(crate) fn most(&self) -> u64 {
        self.most.load(Relaxed)
    }
}

impl Drop for Peak {
    fn drop(&mut self) {
        self.looking.abort();
    }
}
