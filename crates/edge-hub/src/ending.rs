//! The end of the process, as tasks wait for it.

use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct Ending(watch::Receiver<bool>);

impl Ending {
    pub(crate) fn new(stopping: watch::Receiver<bool>) -> Self {
        Self(stopping)
    }

    /// Done when everybody is to end.
    pub(crate) async fn wait(&mut self) {
        // Only a sender that is gone fails; either way it is over.
        drop(self.0.wait_for(|is_over| *is_over).await);
    }
}
