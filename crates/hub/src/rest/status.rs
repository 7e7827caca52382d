//! `/skerry/v1/status`: the hub at a glance, for its operator.

use serde_json::{Value, json};
use skerry_model::Timestamp;

use super::Reply;
use crate::Hub;

impl Hub {
    pub(super) async fn show_status(&self) -> Reply {
        let room = self.room().await;
        let body = json!({
            "hubName": self.name,
            "hostNames": self.authorizer.host_names,
            "version": env!("CARGO_PKG_VERSION"),
            "startedAt": self.started.to_string(),
            "now": self.clock.now().to_string(),
            "certificates": self.certificates().await,
            "figures": self.figures_json(room),
            "durations": self.durations_json(),
        });
        Reply::json(200, &body)
    }

    /// Those that end one day: our own first, then whose devices are let in.
    async fn certificates(&self) -> Vec<Value> {
        let until = |what: &str, at: Timestamp| json!({"certificate": what, "expiresAt": at.to_string()});
        let mut all = Vec::new();
        if let Some(tls) = self.front.get().map(skerry_front::Handle::tls) {
            all.push(until("server", tls.expires_at()));
            let tls = tls.clone();
            let root = tokio::task::spawn_blocking(move || tls.root_expires_at()).await;
            all.extend(root.ok().flatten().map(|at| until("root", at)));
        }
        let authorities = self.authorities.all();
        all.extend(authorities.iter().map(|authority| {
            until(&format!("authority {}", authority.name), authority.certificate.not_after)
        }));
        all
    }
}
