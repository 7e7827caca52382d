//! Who may come: the identities in this device's scope, as its hub told them, and kept for when it cannot be
//! asked.
//!
//! ```text
//!  whole (at start, each hour, when asked) ──┐
//!  one (somebody comes who is not known,     ├──► known, in memory ──► check
//!       or whose proof does not fit) ────────┘        └──► kept, sealed
//! ```

mod behalf;
mod check;
mod known;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use skerry_model::limits::{EDGE_GENERATIONS_MAX, SCOPE_PAGE_DEFAULT};
use skerry_model::{DeviceId, EDGE_HUB, IdentityId, ModuleId};
use skerry_store::documents::Key;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cabinet::{Cabinet, CabinetError, IDENTITIES};
use crate::home::{Home, HomeError};
pub(crate) use behalf::{hub_of, is_of_another};
pub(crate) use check::{Admitted, NotAdmitted};
use known::Page;
pub(crate) use known::{Item, Known};

const API_VERSION: &str = "2020-06-30-preview";
/// So many identities are known at most; the hub says of more that they are too many.
const IDENTITIES_MAX: usize = 20_000;
/// Between two questions about one identity.
const ONE_AGAIN: Duration = Duration::from_secs(10);
/// Identities that were asked about one by one, and are remembered for that.
const ONES_MAX: usize = 1000;

pub(crate) struct Scope {
    own: DeviceId,
    home: Arc<dyn Home>,
    cabinet: Cabinet,
    known: ArcSwap<Identities>,
    asked: Mutex<HashMap<IdentityId, Instant>>,
    /// One question at a time.
    turn: tokio::sync::Mutex<()>,
    changes: watch::Sender<u64>,
}

type Identities = HashMap<IdentityId, Arc<Known>>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ScopeError {
    #[error("the hub cannot be asked for the identities of this device's scope: {0}")]
    Home(#[from] HomeError),
    #[error("the hub does not tell the identities of this device's scope (HTTP status {status}): {text}")]
    Refused { status: u16, text: String },
    #[error("the hub's answer about identities cannot be read: {what}")]
    Answer { what: String },
    #[error(transparent)]
    Cabinet(#[from] CabinetError),
}

impl Scope {
    /// With what was kept.
    pub(crate) async fn open(
        own: DeviceId,
        home: Arc<dyn Home>,
        cabinet: Cabinet,
    ) -> Result<Self, CabinetError> {
        let kept = cabinet.all::<Item>(IDENTITIES).await?;
        let known: Identities = by_id(kept.into_iter().filter_map(Item::read));
        Ok(Self {
            own,
            home,
            cabinet,
            known: ArcSwap::from_pointee(known),
            asked: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            changes: watch::Sender::new(0),
        })
    }

    pub(crate) fn get(&self, id: &IdentityId) -> Option<Arc<Known>> {
        self.known.load().get(id).cloned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.known.load().is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.known.load().len()
    }

    /// Moves on with every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// From an identity up to this device, as hubs want it; `None` for one that is not behind it.
    pub(crate) fn chain(&self, id: &IdentityId) -> Option<String> {
        let path = self.path(&id.device)?;
        let module = id.module.iter().map(|module| format!("{}/{module}", id.device));
        let chain: Vec<String> = module.chain(path.iter().map(ToString::to_string)).collect();
        Some(chain.join(";"))
    }

    /// Asks for everything, and forgets what is not told any more.
    pub(crate) async fn refresh(&self) -> Result<(), ScopeError> {
        let _turn = self.turn.lock().await;
        let mut found: Identities = HashMap::new();
        let mut edges = VecDeque::from([(self.own.to_string(), 1)]);
        let mut seen = HashSet::from([self.own.clone()]);
        while let Some((chain, generation)) = edges.pop_front() {
            let mut link: Option<String> = None;
            loop {
                let body = json!({
                    "pageSize": SCOPE_PAGE_DEFAULT, "continuationLink": link.as_deref().unwrap_or(""), "authChain": chain,
                });
                let page = self.ask("devicesAndModulesInTargetDeviceScope", body.to_string()).await?;
                for known in items(page.devices).chain(items(page.modules)) {
                    let is_below =
                        known.is_edge && known.id.module.is_none() && seen.insert(known.id.device.clone());
                    if is_below && generation < EDGE_GENERATIONS_MAX {
                        edges.push_back((format!("{};{chain}", known.id.device), generation + 1));
                    }
                    if found.len() >= IDENTITIES_MAX {
                        tracing::error!(
                            max = IDENTITIES_MAX,
                            "The scope of this device has more identities than it can know."
                        );
                        return self.take(found).await;
                    }
                    found.insert(known.id.clone(), Arc::new(known));
                }
                match page.continuation_link.filter(|next| !next.is_empty()) {
                    Some(next) if Some(&next) != link.as_ref() => link = Some(next),
                    _ => break,
                }
            }
        }
        self.take(found).await
    }

    /// Something was just changed that is known otherwise.
    pub(crate) async fn look_at(&self, id: &IdentityId) -> Result<bool, ScopeError> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.ask_for(id).await
    }

    /// Asks about one identity, unless that was done a moment ago. `true` when what is known of it changed.
    pub(crate) async fn ask_for(&self, id: &IdentityId) -> Result<bool, ScopeError> {
        if !self.may_ask(id) {
            return Ok(false);
        }
        let _turn = self.turn.lock().await;
        let body = json!({
            "targetDeviceId": id.device.as_str(),
            "targetModuleId": id.module.as_ref().map_or("", ModuleId::as_str),
            "authChain": self.own.as_str(),
        });
        let before = self.get(id);
        let page = match self.ask("getDeviceAndModuleOnBehalfOf", body.to_string()).await {
            Ok(page) => page,
            // It is not in the scope, or not any more. What says that we are not believed says nothing of it.
            Err(ScopeError::Refused { status: 400 | 404, text }) => {
                tracing::info!(%id, text, "The hub knows of no such identity in this device's scope.");
                if before.is_some() {
                    self.change(|known| drop(known.remove(id)));
                    self.cabinet.remove(place(id)).await?;
                }
                return Ok(before.is_some());
            }
            Err(error) => return Err(error),
        };
        let found: Vec<Known> = items(page.devices).chain(items(page.modules)).collect();
        for known in &found {
            self.cabinet.put(place(&known.id), &Item::of(known)).await?;
        }
        self.change(|known| known.extend(by_id(found.into_iter())));
        Ok(self.get(id) != before)
    }

    /// Whether it was not asked about a moment ago; from now on it was.
    fn may_ask(&self, id: &IdentityId) -> bool {
        let now = Instant::now();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.get(id).is_some_and(|at| now < *at + ONE_AGAIN) {
            return false;
        }
        if asked.len() >= ONES_MAX {
            asked.retain(|_, at| now < *at + ONE_AGAIN);
            // Strangers with ever new names wait for each other.
            if asked.len() >= ONES_MAX {
                return false;
            }
        }
        asked.insert(id.clone(), now);
        true
    }

    async fn ask(&self, question: &str, body: String) -> Result<Page, ScopeError> {
        let own = utf8_percent_encode(self.own.as_str(), NON_ALPHANUMERIC);
        let path = format!("/devices/{own}/modules/{EDGE_HUB}/{question}?api-version={API_VERSION}");
        let reply = self.home.ask(path, false, Bytes::from(body)).await?;
        if reply.status != 200 {
            let text = String::from_utf8_lossy(&reply.body).chars().take(300).collect();
            return Err(ScopeError::Refused { status: reply.status, text });
        }
        serde_json::from_slice(&reply.body).map_err(|error| ScopeError::Answer { what: error.to_string() })
    }

    async fn take(&self, found: Identities) -> Result<(), ScopeError> {
        let before = self.known.load_full();
        for (id, known) in &found {
            if before.get(id) != Some(known) {
                self.cabinet.put(place(id), &Item::of(known)).await?;
            }
        }
        for id in before.keys().filter(|id| !found.contains_key(id)) {
            self.cabinet.remove(place(id)).await?;
        }
        self.change(|known| *known = found);
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Identities)) {
        let before = self.known.load_full();
        let mut after = Identities::clone(&before);
        change(&mut after);
        if after != *before {
            self.known.store(Arc::new(after));
            self.changes.send_modify(|count| *count += 1);
        }
    }
}

fn place(id: &IdentityId) -> Key {
    Key::new(IDENTITIES, id.device.as_str(), id.module.as_ref().map_or("", ModuleId::as_str))
}

fn items(items: Option<Vec<Item>>) -> impl Iterator<Item = Known> {
    items.unwrap_or_default().into_iter().filter_map(Item::read)
}

fn by_id(known: impl Iterator<Item = Known>) -> Identities {
    known.map(|known| (known.id.clone(), Arc::new(known))).collect()
}
