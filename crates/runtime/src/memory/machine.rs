//! The hand that plays with the machine: it publishes images, fills the disk, kills containers.

use std::sync::Arc;
use std::time::Duration;

use super::state::{Image, Shared};
use super::{Behaviour, Offer};
use crate::{Credentials, Health, Stream};

#[derive(Clone)]
pub struct Machine {
    shared: Arc<Shared>,
}

impl Machine {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Puts an image into the registry, or another one in its place.
    pub fn publish(&self, reference: &str, behaviour: Behaviour) {
        self.offer(reference, behaviour, None);
    }

    /// Puts an image into the registry that only these credentials may pull.
    pub fn publish_private(&self, reference: &str, behaviour: Behaviour, credentials: Credentials) {
        self.offer(reference, behaviour, Some(credentials));
    }

    fn offer(&self, reference: &str, behaviour: Behaviour, credentials: Option<Credentials>) {
        self.shared.change(|state| {
            state.published += 1;
            let id = format!("sha256:{:064x}", state.published);
            let image = Image { id, behaviour };
            state.registry.insert(reference.to_owned(), Offer { image, credentials });
        });
    }

    /// Takes an image out of the registry; machines that have it keep it.
    pub fn withdraw(&self, reference: &str) {
        self.shared.change(|state| state.registry.remove(reference));
    }

    /// The engine answers nothing while it is down; containers run on.
    pub fn set_down(&self, is_down: bool) {
        self.shared.change(|state| state.is_down = is_down);
        self.shared.tell();
    }

    pub fn set_disk_full(&self, is_full: bool) {
        self.shared.change(|state| state.is_disk_full = is_full);
    }

    /// Whether registries can be reached.
    pub fn set_offline(&self, is_offline: bool) {
        self.shared.change(|state| state.is_offline = is_offline);
    }

    pub fn set_pull_takes(&self, takes: Duration) {
        self.shared.change(|state| state.pull_takes = takes);
    }

    /// A container ends at once when it is asked to, and the engine says so that much later.
    pub fn set_stop_takes(&self, takes: Duration) {
        self.shared.change(|state| state.stop_takes = takes);
    }

    /// The engine refuses to create containers of this name, with this text.
    pub fn refuse(&self, name: &str, text: &str) {
        self.shared.change(|state| state.refused.insert(name.to_owned(), text.to_owned()));
    }

    /// Ends a running container as if by itself.
    pub fn crash(&self, name: &str, code: i64) {
        self.shared.change(|state| state.end(name, code));
        self.shared.tell();
    }

    /// The engine could not remove it.
    pub fn make_dead(&self, name: &str) {
        self.shared.change(|state| state.make_dead(name));
        self.shared.tell();
    }

    pub fn set_health(&self, name: &str, health: Health) {
        self.shared.change(|state| state.set_health(name, health));
        self.shared.tell();
    }

    pub fn say(&self, name: &str, stream: Stream, text: &str) {
        self.shared.change(|state| state.write(name, stream, text));
        self.shared.tell();
    }

    /// What was asked of the engine and changes something, in order, since the last time.
    pub fn take_calls(&self) -> Vec<String> {
        self.shared.change(|state| std::mem::take(&mut state.calls))
    }

    /// How often the containers were listed, or should have been.
    pub fn lists(&self) -> u64 {
        self.shared.change(|state| state.lists)
    }

    /// How often a container was started.
    pub fn starts(&self, name: &str) -> u64 {
        self.shared.change(|state| state.entry(name).map_or(0, |entry| entry.starts))
    }
}
