//! What the manifest says of the agent and of the hub, passed on to both.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use skerry_edge_agent::ports::OwnSettings;
use tokio::sync::watch;

use super::way::HubWay;

/// `env` and `createOptions` of the hub.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfHub {
    pub env: BTreeMap<String, String>,
    pub options: Map<String, Value>,
}

pub struct PassedOn {
    pub way: Arc<HubWay>,
    pub hub: watch::Sender<OfHub>,
}

impl OwnSettings for PassedOn {
    fn environment(&self, env: &BTreeMap<String, String>) {
        self.way.environment(env);
    }

    fn hub(&self, env: &BTreeMap<String, String>, options: &Map<String, Value>) {
        let wanted = OfHub { env: env.clone(), options: options.clone() };
        self.hub.send_if_modified(|now| {
            let is_new = *now != wanted;
            *now = wanted;
            is_new
        });
    }
}
