//! What comes from the hub over the lines.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use skerry_front::device::{CallReply, Settlement, WantedCall};
use skerry_model::IdentityId;
use tokio::sync::watch;

use crate::letter::{Kind, Letter};
use crate::line::{Ear, State, Told};
use crate::live::Item;
use crate::service::Shared;
use crate::ticket::{Fate, Ticket};

/// As long as the original waits for a client; the hub's own time may be shorter.
const ANSWER_WITHIN: Duration = Duration::from_secs(330);
const REFRESH_SCOPE: &str = "RefreshDeviceScopeIdentityCache";

impl Ear for Shared {
    fn up(&self, id: &IdentityId) {
        let is_own = *id == self.own();
        if is_own {
            self.own_line(State::Up);
        }
        self.twins.ring(id);
    }

    fn listening(&self, id: &IdentityId) {
        let is_own = *id == self.own();
        let (this, id) = (self.this.clone(), id.clone());
        tokio::spawn(async move {
            if let Some(shared) = this.upgrade() {
                shared.resync(&id).await;
                if is_own && shared.configured.borrow().version == 0 {
                    shared.reconfigure().await;
                }
            }
        });
    }

    fn down(&self, id: &IdentityId, state: State) {
        if *id == self.own() {
            self.own_line(state);
        }
    }

    fn desired(&self, id: &IdentityId, version: u64, patch: Map<String, Value>) {
        let (this, id) = (self.this.clone(), id.clone());
        tokio::spawn(async move {
            if let Some(shared) = this.upgrade() {
                shared.take_patch(&id, version, patch).await;
            }
        });
    }

    fn call(&self, id: &IdentityId, name: (String, u64), method: String, payload: Bytes) {
        let (this, id) = (self.this.clone(), id.clone());
        tokio::spawn(async move {
            let Some(shared) = this.upgrade() else { return };
            let (status, payload) = match id == shared.own() {
                true => shared.own_method(&method, &payload).await,
                false => shared.relay(&id, method, payload).await,
            };
            shared.lines.answer(&id, name, status, payload);
        });
    }

    fn command(&self, id: &IdentityId, name: (u64, u64), command: Told) {
        let Some(live) = self.directory.get(id) else {
            return self.lines.settle(id, name, Settlement::GiveBack);
        };
        let (this, own) = (self.this.clone(), id.clone());
        let sequence = name.0;
        let ticket = Ticket::new(move |fate| {
            let Some(shared) = this.upgrade() else { return };
            let how = match fate {
                Fate::Delivered => Settlement::Complete,
                Fate::Refused { .. } => Settlement::Reject,
                Fate::Abandoned => Settlement::Abandon,
                Fate::Returned | Fate::Barred { .. } => Settlement::GiveBack,
            };
            shared.lines.settle(&own, name, how);
        });
        let Told { message, again, deliveries, enqueued } = command;
        live.hand(Item {
            letter: Letter { from: id.clone(), kind: Kind::Telemetry, message },
            input: None,
            again,
            sequence,
            enqueued,
            deliveries,
            ticket,
        });
    }

    fn chain(&self, id: &IdentityId) -> Option<String> {
        self.scope.chain(id)
    }

    fn scope_changes(&self) -> watch::Receiver<u64> {
        self.scope.changes()
    }
}

impl Shared {
    /// A method of somebody here, called by the hub.
    async fn relay(&self, id: &IdentityId, method: String, payload: Bytes) -> (i64, Bytes) {
        let failed = |status: i64, text: &str| (status, Bytes::from(json!({"message": text}).to_string()));
        let Some(live) = self.directory.get(id) else {
            return failed(404, "the client is not connected to its edge");
        };
        let wanted =
            WantedCall { method, payload, start_within: Duration::ZERO, answer_within: ANSWER_WITHIN };
        let called = tokio::time::Instant::now();
        let reply = live.call(wanted).await;
        self.count_method("upstream", id, called);
        match reply {
            CallReply::Answered { status, payload } => (status, payload),
            CallReply::NotOnline => failed(404, "the client does not listen to methods"),
            CallReply::TimedOut => failed(504, "the client did not answer"),
            CallReply::Busy => failed(429, "the client has as many calls open as it may"),
        }
    }

    fn count_method(&self, from: &str, to: &IdentityId, called: tokio::time::Instant) {
        let to = to.to_string();
        let labels = [("from", from), ("to", to.as_str())];
        self.figures.methods.add(&labels, 1);
        self.figures.method_took.record(&labels, called.elapsed());
    }

    async fn own_method(&self, method: &str, payload: &[u8]) -> (i64, Bytes) {
        if method != REFRESH_SCOPE {
            return (
                404,
                Bytes::from(json!({"message": format!("there is no method {method:?}")}).to_string()),
            );
        }
        let asked: Option<Vec<String>> = serde_json::from_slice::<Value>(payload)
            .ok()
            .and_then(|payload| serde_json::from_value(payload["deviceIds"].clone()).ok());
        let Some(devices) = asked else {
            return (400, Bytes::from_static(b"{\"message\":\"name the devices in deviceIds\"}"));
        };
        for device in devices {
            let Ok(device) = device.parse() else { continue };
            if let Err(error) = self.scope.ask_for(&IdentityId { device, module: None }).await {
                return (500, Bytes::from(json!({"message": error.to_string()}).to_string()));
            }
        }
        (200, Bytes::from_static(b"null"))
    }

    /// A method of somebody here, called by somebody here.
    pub(crate) async fn invoke(&self, from: &IdentityId, id: &IdentityId, wanted: WantedCall) -> CallReply {
        let called = tokio::time::Instant::now();
        let until = called + wanted.start_within;
        let mut seen = self.directory.watch(id);
        loop {
            let live = seen.borrow_and_update().clone();
            if let Some(live) = live {
                let left = until.saturating_duration_since(tokio::time::Instant::now());
                let reply = live.call(WantedCall { start_within: left, ..wanted }).await;
                self.count_method(&from.to_string(), id, called);
                return reply;
            }
            tokio::select! {
                changed = seen.changed() => if changed.is_err() { return CallReply::NotOnline },
                () = tokio::time::sleep_until(until) => return CallReply::NotOnline,
            }
        }
    }
}
