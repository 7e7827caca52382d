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

    /// Until all that was removed is free.
    pub(super) fn wait(&mut self) {
        if let Some(thread) = self.0.take()
            && thread.join().is_err()
        {
            tracing::error!("A thread that closes a file of the log panicked.");
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.wait();
    }
}
