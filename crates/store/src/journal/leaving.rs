//! Files that have lost their name: giving back the blocks of a large one takes milliseconds, in
//! which the writer can write.

use std::thread::JoinHandle;

use super::File;

/// One at a time; the next one waits for it.
#[derive(Default)]
pub(super) struct Leaving(Option<JoinHandle<()>>);

impl Leaving {
    /// Closes the last handle of a removed file, beside the writer.
    pub(super) fn close(&mut self, file: Box<dyn File>) {
        self.wait();
        let thread = std::thread::Builder::new().name("log-leave".into());
        // Without a thread it is closed here and now: the closure is dropped.
        self.0 = thread.spawn(move || drop(file)).ok();
    }

    /// Until all that was removed is free; whether anything was not yet.
    pub(super) fn wait(&mut self) -> bool {
        let Some(thread) = self.0.take() else { return false };
        if thread.join().is_err() {
            tracing::error!("A thread that closes a file of the log panicked.");
        }
        true
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.wait();
    }
}
