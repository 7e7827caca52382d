//! Twins: what is known of them here, what clients report, and what the hub wants.
//!
//! ```text
//!  client reports ──► record (kept, sealed) ──► 204 ──► joined with what waits ──► hub, when it is there
//!  hub's patch ──► follows? ──► client      missed? ──► the whole twin is asked for, the difference is told
//! ```

mod record;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use skerry_front::device::{Desired, TwinRefused};
use skerry_model::{ErrorCode, IdentityId, ModuleId};
use skerry_store::documents::Key;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::cabinet::{Cabinet, CabinetError, TWINS};
use crate::line::{State, Wants};
use crate::service::Shared;
use record::{NotReported, Patched, Record};

/// Between two reports of one twin to the hub.
const REPORT_PAUSE: Duration = Duration::from_secs(5);
/// Reports that could not be sent are looked at again after this, if nothing happens before.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A twin of which nothing is known here is waited for so long, where the hub is reached.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// Whoever reads or changes a twin has its turn.
type Turn = Arc<tokio::sync::Mutex<Option<Record>>>;

pub(crate) struct Twins {
    cabinet: Cabinet,
    known: Mutex<HashMap<IdentityId, Turn>>,
    unsent: Mutex<Unsent>,
    bell: Notify,
}

#[derive(Default)]
struct Unsent {
    /// Twins with something that the hub has not heard, and when each may be sent.
    waiting: HashMap<IdentityId, Instant>,
    /// When those that were sent a moment ago may be sent again.
    rested: HashMap<IdentityId, Instant>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    device: String,
    module: Option<String>,
    record: Record,
}

impl Twins {
    pub(crate) async fn open(cabinet: Cabinet) -> Result<Self, CabinetError> {
        let kept = cabinet.all::<Kept>(TWINS).await?;
        let waiting = kept.iter().filter(|kept| kept.record.has_pending());
        let now = Instant::now();
        let waiting = waiting.filter_map(|kept| Some((kept.id()?, now))).collect();
        let unsent = Mutex::new(Unsent { waiting, ..Unsent::default() });
        Ok(Self { cabinet, known: Mutex::default(), unsent, bell: Notify::new() })
    }

    fn turn(&self, id: &IdentityId) -> Turn {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(id.clone()).or_default())
    }

    /// Reads or changes a twin, and keeps what was changed.
    async fn with<T>(
        &self,
        id: &IdentityId,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Result<T, CabinetError> {
        self.with_then(id, change, |outcome| outcome).await
    }

    /// The same; what is to happen in the order of the changes happens in `then`, when the change is kept.
    async fn with_then<T, U>(
        &self,
        id: &IdentityId,
        change: impl FnOnce(&mut Record) -> T,
        then: impl FnOnce(T) -> U,
    ) -> Result<U, CabinetError> {
        let turn = self.turn(id);
        let mut known = turn.lock().await;
        let record = match known.as_mut() {
            Some(record) => record,
            None => {
                let kept = match self.cabinet.get::<Kept>(&key(id)).await {
                    Err(CabinetError::Sealed { .. }) => None,
                    other => other?,
                };
                known.insert(kept.map(|kept| kept.record).unwrap_or_default())
            }
        };
        let before = record.clone();
        let outcome = change(record);
        if *record != before {
            let kept = Kept {
                device: id.device.to_string(),
                module: id.module.as_ref().map(ToString::to_string),
                record: record.clone(),
            };
            if let Err(error) = self.cabinet.put(key(id), &kept).await {
                *record = before;
                return Err(error);
            }
        }
        Ok(then(outcome))
    }

    /// Nobody is there who asks: what is known of it is read again when somebody comes.
    pub(crate) fn rest(&self, id: &IdentityId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(id).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            known.remove(id);
        }
    }

    fn note_unsent(&self, id: &IdentityId) {
        let now = Instant::now();
        let mut unsent = self.unsent();
        unsent.rested.retain(|_, at| *at > now);
        let at = unsent.rested.get(id).copied().unwrap_or(now);
        unsent.waiting.entry(id.clone()).or_insert(at);
        drop(unsent);
        self.bell.notify_one();
    }

    /// Its line is up: what waits for it may be sent.
    pub(crate) fn ring(&self, id: &IdentityId) {
        if let Some(at) = self.unsent().waiting.get_mut(id) {
            *at = Instant::now();
        }
        self.bell.notify_one();
    }

    /// Those that may be sent now, and when the next one may. They are not given again before `then`.
    fn due(&self, then: Instant) -> (Vec<IdentityId>, Option<Instant>) {
        let now = Instant::now();
        let mut unsent = self.unsent();
        let mut due = Vec::new();
        for (id, at) in &mut unsent.waiting {
            if *at <= now {
                *at = then;
                due.push(id.clone());
            }
        }
        (due, unsent.waiting.values().min().copied())
    }

    fn postpone(&self, id: &IdentityId, until: Instant) {
        self.unsent().waiting.insert(id.clone(), until);
    }

    /// The hub has heard everything.
    fn is_sent(&self, id: &IdentityId) {
        let mut unsent = self.unsent();
        unsent.waiting.remove(id);
        unsent.rested.insert(id.clone(), Instant::now() + REPORT_PAUSE);
    }

    fn unsent(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn id(&self) -> Option<IdentityId> {
        let module = self.module.as_deref().map(str::parse).transpose().ok()?;
        Some(IdentityId { device: self.device.parse().ok()?, module })
    }
}

fn key(id: &IdentityId) -> Key {
    Key::new(TWINS, id.device.as_str(), id.module.as_ref().map_or("", ModuleId::as_str))
}

impl Shared {
    /// The twin for its client: the hub's if it answers, with what it has not heard yet; else what is known.
    pub(crate) async fn twin(&self, id: &IdentityId) -> Result<Bytes, TwinRefused> {
        let (label, asked) = (id.to_string(), Instant::now());
        let took = |source: &str| {
            let labels = [("source", source), ("id", &label)];
            self.figures.twin_gets.add(&labels, 1);
            self.figures.twin_get_took.record(&labels, asked.elapsed());
        };
        let mut reply = self.lines.twin(id).await;
        if reply.is_none() && self.lines.is_reached() && self.known_desired(id).await.is_none() {
            // Somebody who has just come for the first time.
            self.lines.up_within(id, FIRST_WITHIN).await;
            reply = self.lines.twin(id).await;
        }
        match reply {
            Some(reply) if reply.status == 200 => {
                took("upstream");
                if let Ok(twin) = serde_json::from_slice::<Value>(&reply.body) {
                    self.take_twin(id, &twin).await;
                }
            }
            Some(reply) if reply.status < 500 && reply.status != 429 => {
                return Err(TwinRefused { status: reply.status, body: reply.body });
            }
            _ => took("edge_hub"),
        }
        let document = self.twins.with(id, Record::show).await;
        document.map(|twin| Bytes::from(twin.to_string())).map_err(|error| unavailable(&error))
    }

    /// Takes what a client reports; the hub hears of it as soon as it can.
    pub(crate) async fn report(
        &self,
        id: &IdentityId,
        patch: &[u8],
        version: Option<u64>,
    ) -> Result<Option<u64>, TwinRefused> {
        let malformed = |what: &str| refusal(ErrorCode::ArgumentInvalid, what);
        if version.is_some() {
            return Err(malformed(
                "an edge merges reported properties, whatever their version: leave $version out",
            ));
        }
        let mut patch: Map<String, Value> = serde_json::from_slice(patch)
            .map_err(|error| malformed(&format!("reported properties must be a JSON object, {error}")))?;
        // Clients send back what they read.
        patch.shift_remove("$version");
        patch.shift_remove("$metadata");
        let begun = Instant::now();
        let merged = self.twins.with(id, |record| record.report(&patch)).await;
        merged.map_err(|error| unavailable(&error))?.map_err(|error| match error {
            NotReported::Twin(error) => malformed(&error.to_string()),
            NotReported::TooMany => refusal(ErrorCode::ThrottlingException, &error.to_string()),
        })?;
        self.count_report("edge_hub", id, begun);
        self.twins.note_unsent(id);
        self.announce_twin_change(id, &patch).await;
        Ok(None)
    }

    fn count_report(&self, target: &str, id: &IdentityId, begun: Instant) {
        let id = id.to_string();
        let labels = [("target", target), ("id", id.as_str())];
        self.figures.reported.add(&labels, 1);
        self.figures.report_took.record(&labels, begun.elapsed());
    }

    /// A whole twin came from the hub; the client is told what has changed.
    async fn take_twin(&self, id: &IdentityId, twin: &Value) {
        let tell = |change: Option<(u64, Map<String, Value>)>| {
            let is_news = change.is_some();
            if let Some((version, change)) = change {
                self.tell_desired(id, version, change);
            }
            is_news
        };
        match self.twins.with_then(id, |record| record.replace(twin), tell).await {
            Ok(true) if *id == self.own() => self.reconfigure().await,
            Ok(_) => {}
            Err(error) => tracing::warn!(%id, %error, "A twin is not remembered."),
        }
    }

    /// A patch came from the hub.
    pub(crate) async fn take_patch(&self, id: &IdentityId, version: u64, patch: Map<String, Value>) {
        let change = |record: &mut Record| record.patch(version, &patch);
        let tell = |patched| {
            if patched == Patched::Follows {
                self.tell_desired(id, version, patch.clone());
            }
            patched
        };
        match self.twins.with_then(id, change, tell).await {
            Ok(Patched::Follows) if *id == self.own() => self.reconfigure().await,
            Ok(Patched::Follows | Patched::Known) => {}
            Ok(Patched::Missed) => self.resync(id).await,
            Err(error) => tracing::warn!(%id, %error, "A change of a twin is not remembered."),
        }
    }

    /// Asks for the whole twin, so that nothing is missed.
    pub(crate) async fn resync(&self, id: &IdentityId) {
        if let Some(reply) = self.lines.twin(id).await
            && reply.status == 200
            && let Ok(twin) = serde_json::from_slice::<Value>(&reply.body)
        {
            self.take_twin(id, &twin).await;
        }
    }

    fn tell_desired(&self, id: &IdentityId, version: u64, mut patch: Map<String, Value>) {
        patch.insert("$version".to_owned(), json!(version));
        if let Some(live) = self.directory.get(id) {
            live.tell_desired(Desired { version, patch: Bytes::from(Value::Object(patch).to_string()) });
        }
    }

    /// The desired properties that are known, if the hub ever said any.
    pub(crate) async fn known_desired(&self, id: &IdentityId) -> Option<(u64, Map<String, Value>)> {
        let known = self.twins.with(id, |record| {
            let (version, desired) = record.desired();
            record.is_told().then(|| (version, desired.clone()))
        });
        known.await.ok().flatten()
    }

    /// Sends to the hub what clients reported, as long as the process runs.
    pub(crate) async fn pass_on_reports(self: &Arc<Self>) {
        loop {
            // One that is under way is not begun a second time.
            let (due, next) = self.twins.due(Instant::now() + 2 * LOOK_AGAIN);
            for id in due {
                let shared = Arc::clone(self);
                tokio::spawn(async move { shared.pass_on_report(&id).await });
            }
            let next = next.unwrap_or_else(|| Instant::now() + LOOK_AGAIN);
            tokio::select! {
                () = self.twins.bell.notified() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    async fn pass_on_report(&self, id: &IdentityId) {
        let twins = &self.twins;
        let later = |pause| twins.postpone(id, Instant::now() + pause);
        if self.lines.state(id) != State::Up {
            // Somebody who has gone since then: the line is opened for what they left.
            if self.directory.get(id).is_none() && self.lines.is_reached() {
                self.lines.want_exactly(id, Wants::default());
            }
            return later(LOOK_AGAIN);
        }
        // With the turn: whoever reports after it says so again.
        let note = |patch: Option<Map<String, Value>>| {
            if patch.is_none() {
                twins.is_sent(id);
            }
            patch
        };
        let Ok(patch) = twins.with_then(id, Record::send, note).await else { return later(LOOK_AGAIN) };
        let Some(patch) = patch else { return };
        let begun = Instant::now();
        let sent = self.lines.report(id, Bytes::from(Value::Object(patch).to_string())).await;
        let Some(reply) = sent.filter(|reply| reply.status < 500 && reply.status != 429) else {
            return later(REPORT_PAUSE);
        };
        if reply.status >= 300 {
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            tracing::warn!(%id, status = reply.status, text, "The hub does not take what was reported.");
        }
        self.count_report("upstream", id, begun);
        let change = |record: &mut Record| {
            record.sent(reply.version);
            record.has_pending()
        };
        let note = |is_more: bool| {
            if !is_more {
                twins.is_sent(id);
            }
            is_more
        };
        if twins.with_then(id, change, note).await.unwrap_or(true) {
            return later(REPORT_PAUSE);
        }
        if self.directory.get(id).is_none() && *id != self.own() {
            self.leave_line(id);
            twins.rest(id);
        }
    }
}

/// Some clients tell an error from an answer only by the body's `errorCode`.
fn refusal(code: ErrorCode, text: &str) -> TwinRefused {
    let body = json!({"errorCode": code.number(), "message": text});
    TwinRefused { status: code.status(), body: Bytes::from(body.to_string()) }
}

fn unavailable(error: &CabinetError) -> TwinRefused {
    refusal(ErrorCode::ServiceUnavailable, &error.to_string())
}
