//! What the hub does by itself: its configuration, its own report, and a pump for each endpoint.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use skerry_model::IdentityId;
use skerry_model::message::{Message, SystemProperties};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::config::{Config, Parsed};
use crate::ending::Ending;
use crate::endpoint::Endpoint;
use crate::letter::{Kind, Letter, Letterhead};
use crate::line::State;
use crate::pump::{ModulePump, UpstreamPump};
use crate::service::{Configured, Shared};
use crate::spool::Line;

/// Between two reports of the hub's own, so that clients that come and go do not cost one each.
const REPORT_PAUSE: Duration = Duration::from_secs(5);
/// Who reported, on a message about a change of a twin.
const SENDER_DEVICE: &str = "rpSenderDeviceId";
const SENDER_MODULE: &str = "rpSenderModuleId";

impl Shared {
    /// Takes the desired properties of the hub, as far as they are known.
    pub(crate) async fn reconfigure(&self) {
        let _turn = self.configuring.lock().await;
        let Some((version, desired)) = self.known_desired(&self.own()).await else { return };
        if desired.is_empty() {
            // Nothing was deployed yet.
            return;
        }
        let (code, description) = match Config::parse(&desired) {
            Err(error) => (400, error.to_string()),
            Ok(Parsed { config, faults }) => match self.spool.configure(&config, faults).await {
                Ok(faults) if faults.is_empty() => (200, String::new()),
                Ok(faults) => (400, told(&faults)),
                Err(error) => (500, error.to_string()),
            },
        };
        if code != 200 {
            tracing::warn!(version, description, "The desired properties of the hub are not all in force.");
        }
        self.configured.send_replace(Configured { version, code, description });
    }

    /// Reports what is in force and who is here.
    pub(crate) async fn report_own(&self) {
        let mut configured = self.configured.subscribe();
        let mut noted = self.noted.bell.subscribe();
        let mut reach = self.lines.reach();
        let mut said: Option<Configured> = None;
        let mut is_first = true;
        loop {
            let now = configured.borrow_and_update().clone();
            noted.borrow_and_update();
            let is_reached = *reach.borrow_and_update();
            let clients = self.noted.untold();
            if is_reached && (said.as_ref() != Some(&now) || !clients.is_empty()) {
                let patch = self.own_report(&now, &clients, is_first).await;
                let text = Bytes::from(Value::Object(patch).to_string());
                let reply = self.lines.report(&self.own(), text).await;
                if reply.is_some_and(|reply| reply.status < 300) {
                    self.noted.is_told(&clients);
                    (said, is_first) = (Some(now), false);
                }
                tokio::time::sleep(REPORT_PAUSE).await;
                continue;
            }
            tokio::select! {
                _ = configured.changed() => {}
                _ = noted.changed() => {}
                _ = reach.changed() => {}
            }
        }
    }

    async fn own_report(
        &self,
        configured: &Configured,
        clients: &Map<String, Value>,
        is_first: bool,
    ) -> Map<String, Value> {
        let mut report = Map::new();
        report.insert("schemaVersion".to_owned(), json!("1.0"));
        report.insert(
            "version".to_owned(),
            json!({"version": self.options.version, "build": "", "commit": ""}),
        );
        if configured.version > 0 {
            report.insert("lastDesiredVersion".to_owned(), json!(configured.version));
            report.insert(
                "lastDesiredStatus".to_owned(),
                json!({"code": configured.code, "description": configured.description}),
            );
        }
        let mut clients = clients.clone();
        if is_first {
            // What an earlier run had told is not true any more.
            for key in self.reported_clients().await {
                clients.entry(key).or_insert(Value::Null);
            }
        }
        if !clients.is_empty() {
            report.insert("clients".to_owned(), Value::Object(clients));
        }
        report
    }

    async fn reported_clients(&self) -> Vec<String> {
        let Some(reply) = self.lines.twin(&self.own()).await.filter(|reply| reply.status == 200) else {
            return Vec::new();
        };
        let twin: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let clients = twin["reported"]["clients"].as_object();
        clients.map(|clients| clients.keys().cloned().collect()).unwrap_or_default()
    }

    /// A client reported properties: routes may want to hear of it.
    pub(crate) async fn announce_twin_change(&self, id: &IdentityId, patch: &Map<String, Value>) {
        if !self.spool.wants_twin_changes() {
            return;
        }
        let system = SystemProperties {
            content_type: Some("application/json".to_owned()),
            content_encoding: Some("utf-8".to_owned()),
            ..SystemProperties::default()
        };
        let sender = [
            (SENDER_DEVICE, Some(id.device.to_string())),
            (SENDER_MODULE, id.module.as_ref().map(ToString::to_string)),
        ];
        let sender = sender.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let message = Message {
            body: Bytes::from(json!({"properties": {"reported": patch}}).to_string()),
            system: system.into(),
            application: sender.collect(),
        };
        let letter = Letter { from: id.clone(), kind: Kind::TwinChange, message };
        let letterhead = Letterhead::new(id, Kind::TwinChange);
        if let Err(error) = self.spool.publish(&letterhead, &Line::default(), vec![letter]).await {
            tracing::warn!(%id, %error, "Nobody hears of a change of a twin.");
        }
    }

    /// One task for each endpoint, as they come, until the end.
    pub(crate) async fn run_pumps(&self) {
        let mut pumps = JoinSet::new();
        let mut inputs: HashMap<Endpoint, ()> = HashMap::new();
        let upstream = UpstreamPump::new(&self.spool, &self.lines, self.own(), self.upstream_options());
        pumps.spawn(upstream.run(Ending::new(self.stop.subscribe())));
        let mut queues = self.spool.queues();
        let mut stopping = Ending::new(self.stop.subscribe());
        loop {
            let now = Arc::clone(&queues.borrow_and_update());
            for name in now.keys() {
                let Endpoint::Input { module, input } = &name.endpoint else { continue };
                if inputs.insert(name.endpoint.clone(), ()).is_some() {
                    continue;
                }
                let id = IdentityId { device: self.options.device.clone(), module: Some(module.clone()) };
                let (seen, rules) = (self.directory.watch(&id), &self.options.rules);
                let pump = ModulePump::new(&self.spool, id, input, seen, rules.fairness, rules.cleanup);
                if let Some(pump) = pump {
                    pumps.spawn(pump.run(Ending::new(self.stop.subscribe())));
                }
            }
            tokio::select! {
                () = stopping.wait() => break,
                changed = queues.changed() => if changed.is_err() { break },
                Some(ended) = pumps.join_next() => tell_end(ended),
            }
        }
        while let Some(ended) = pumps.join_next().await {
            tell_end(ended);
        }
    }

    /// The line of the edge hub itself says whether the hub can be reached.
    pub(crate) fn own_line(&self, state: State) {
        self.lines.reached(state == State::Up);
        let id = self.own().to_string();
        let mut lost = self.lost_at.lock().unwrap_or_else(PoisonError::into_inner);
        if state == State::Up {
            tracing::info!("The hub is reached.");
            if let Some(lost) = lost.take() {
                self.figures.offline_took.record(&[("id", &id)], lost.elapsed());
            }
        } else {
            self.figures.offline.add(&[("id", &id)], 1);
            lost.get_or_insert_with(Instant::now);
        }
    }
}

fn tell_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "A pump broke off: what waits there goes on after a restart.");
    }
}

fn told(faults: &BTreeMap<String, String>) -> String {
    let each = faults.iter().map(|(name, what)| format!("route {name}: {what}"));
    format!("Error while parsing desired properties: {}", each.collect::<Vec<_>>().join("; "))
}
