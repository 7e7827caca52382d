//! What a client listens to.

use skerry_mqtt::packet::Qos;
use skerry_mqtt::topic::Subscription;

/// Each kind with the quality of service that was granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscriptions {
    granted: [Option<Qos>; Subscription::ALL.len()],
}

impl Subscriptions {
    pub fn set(&mut self, kind: Subscription, qos: Option<Qos>) {
        self.granted[kind as usize] = qos;
    }

    pub fn get(&self, kind: Subscription) -> Option<Qos> {
        self.granted[kind as usize]
    }

    pub fn has(&self, kind: Subscription) -> bool {
        self.get(kind).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Subscription, Qos)> + '_ {
        Subscription::ALL.into_iter().filter_map(|kind| Some((kind, self.get(kind)?)))
    }
}
