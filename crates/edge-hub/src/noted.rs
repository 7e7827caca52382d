//! Who came and went, as `$edgeHub` reports it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};
use skerry_model::{DeviceId, IdentityId, Timestamp};
use tokio::sync::watch;

/// So many clients are told; a few hundred would fill the twin.
const CLIENTS_MAX: usize = 100;

pub(crate) struct Noted {
    own: DeviceId,
    state: Mutex<State>,
    /// Moves on when there is something to report.
    pub(crate) bell: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    clients: BTreeMap<IdentityId, Client>,
    /// As the hub knows it; `None` for what it does not know.
    told: BTreeMap<String, Value>,
}

#[derive(Clone, Copy)]
struct Client {
    is_in: bool,
    came: Timestamp,
    went: Timestamp,
}

impl Noted {
    pub(crate) fn new(own: DeviceId) -> Self {
        Self { own, state: Mutex::default(), bell: watch::Sender::new(0) }
    }

    pub(crate) fn came(&self, id: &IdentityId, now: Timestamp) {
        self.change(id, |client| (client.is_in, client.came) = (true, now));
    }

    pub(crate) fn went(&self, id: &IdentityId, now: Timestamp) {
        self.change(id, |client| (client.is_in, client.went) = (false, now));
    }

    fn change(&self, id: &IdentityId, change: impl FnOnce(&mut Client)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.clients.contains_key(id) && state.clients.len() >= CLIENTS_MAX {
            return;
        }
        let never = Timestamp::NEVER;
        let client =
            state.clients.entry(id.clone()).or_insert(Client { is_in: false, came: never, went: never });
        change(client);
        let is_gone_leaf = !client.is_in && id.device != self.own;
        if is_gone_leaf {
            state.clients.remove(id);
        }
        drop(state);
        self.bell.send_modify(|count| *count += 1);
    }

    /// What the hub does not know yet: the whole of each entry that differs, null for those that are gone.
    pub(crate) fn untold(&self) -> Map<String, Value> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Self::rendered(&state);
        let gone =
            state.told.keys().filter(|key| !now.contains_key(*key)).map(|key| (key.clone(), Value::Null));
        let changed = now.iter().filter(|(key, value)| state.told.get(*key) != Some(*value));
        changed.map(|(key, value)| (key.clone(), value.clone())).chain(gone).collect()
    }

    /// The hub has heard it.
    pub(crate) fn is_told(&self, patch: &Map<String, Value>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in patch {
            match value {
                Value::Null => drop(state.told.remove(key)),
                value => drop(state.told.insert(key.clone(), value.clone())),
            }
        }
    }

    fn rendered(state: &State) -> BTreeMap<String, Value> {
        let entry = |(id, client): (&IdentityId, &Client)| {
            let mut entry = Map::new();
            let status = if client.is_in { "Connected" } else { "Disconnected" };
            entry.insert("status".to_owned(), json!(status));
            for (name, at) in
                [("lastConnectedTimeUtc", client.came), ("lastDisconnectedTimeUtc", client.went)]
            {
                if !at.is_never() {
                    entry.insert(name.to_owned(), json!(at.to_string()));
                }
            }
            (encoded(&id.to_string()), Value::Object(entry))
        };
        state.clients.iter().map(entry).collect()
    }
}

/// Twins have no keys with these characters.
fn encoded(id: &str) -> String {
    let mut text = String::with_capacity(id.len());
    for c in id.chars() {
        match c {
            '.' => text.push_str("%2E"),
            '$' => text.push_str("%24"),
            '#' => text.push_str("%23"),
            ' ' => text.push_str("%20"),
            '%' => text.push_str("%25"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_stay_and_leaves_go() {
        let noted = Noted::new("edge".parse().unwrap());
        let module = IdentityId { device: "edge".parse().unwrap(), module: Some("m.1".parse().unwrap()) };
        let leaf = IdentityId { device: "leaf".parse().unwrap(), module: None };
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        noted.came(&module, now);
        noted.came(&leaf, now);
        let first = noted.untold();
        assert_eq!(first.keys().collect::<Vec<_>>(), ["edge/m%2E1", "leaf"]);
        assert_eq!(first["leaf"]["status"], "Connected");
        noted.is_told(&first);
        assert!(noted.untold().is_empty());
        noted.went(&module, now);
        noted.went(&leaf, now);
        let second = noted.untold();
        assert_eq!(second["leaf"], Value::Null);
        assert_eq!(second["edge/m%2E1"]["status"], "Disconnected");
        for number in 0..2 * CLIENTS_MAX {
            noted.came(&IdentityId { device: format!("l{number}").parse().unwrap(), module: None }, now);
        }
        assert!(noted.untold().len() <= CLIENTS_MAX + 1);
    }
}
