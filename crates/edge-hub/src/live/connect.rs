//! Letting an identity in.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use skerry_front::device::{
    Calls, Claim, CloseReason, Connected, Post, Proof, Refused, SessionKind, Subscriptions,
};
use skerry_model::IdentityId;
use tokio::time::Instant;

use super::inbox::Inbox;
use super::orders::{Orders, Sources};
use super::session::Handle;
use super::{Live, subscriptions};
use crate::letter::{Kind, Letterhead};
use crate::scope::{Admitted, NotAdmitted};
use crate::service::Shared;
use crate::spool::Line;

impl Shared {
    pub(crate) async fn connect(self: Arc<Self>, claim: Claim) -> Result<Connected, Refused> {
        let id = IdentityId { device: claim.device.clone(), module: claim.module.clone() };
        let admitted = self.admit(&id, &claim.proof).await.map_err(|error| {
            tracing::info!(%id, peer = %claim.peer, %error, "A client is not let in.");
            let labels = [("id", id.to_string()), ("reason", "not_authenticated".to_owned())];
            self.figures.connect_failures.add(&[(labels[0].0, &labels[0].1), (labels[1].0, &labels[1].1)], 1);
            let what = error.to_string();
            match error {
                NotAdmitted::Disabled { .. } => Refused::Disabled,
                _ => Refused::Unauthorised { what },
            }
        })?;
        let kept = self.kept(&id, &admitted, claim.session).await?;
        let now = self.clock.now();
        let live = Arc::new(Live {
            letterhead: Letterhead::new(&id, Kind::Telemetry),
            generation: admitted.generation,
            proof: Mutex::new(claim.proof),
            ends: Mutex::new(admitted.ends.map(|ends| Instant::now() + ends.since(now))),
            line: Line::new(claim.session == SessionKind::Passing),
            keeps_session: claim.session == SessionKind::Kept,
            subscriptions: Mutex::new(kept.unwrap_or_default()),
            saved: tokio::sync::Mutex::new(kept),
            post: Post::default(),
            calls: Calls::default(),
            inbox: Inbox::default(),
            has_room: AtomicBool::new(false),
            shared: Arc::clone(&self),
            id,
        });
        let before = self.directory.enter(&live, self.options.clients_max);
        let before = before.map_err(|error| {
            tracing::warn!(id = %live.id, %error, "A client is not let in.");
            Refused::Unavailable { what: error.to_string() }
        })?;
        match before {
            Some(before) => before.close(CloseReason::Superseded),
            None => self.noted.came(&live.id, now),
        }
        self.figures.connects.add(&[("id", &live.id.to_string())], 1);
        self.lines.want(&live.id, live.now_subscribed());
        let orders = Box::new(Orders::new(Sources { live: Arc::clone(&live) }));
        Ok(Connected { session: Arc::new(Handle(live)), orders, kept })
    }

    /// By what is known; where that is not enough the hub is asked, if it can be.
    pub(crate) async fn admit(&self, id: &IdentityId, proof: &Proof) -> Result<Admitted, NotAdmitted> {
        let first = self.check(id, proof).await;
        let Err(error) = &first else { return first };
        if !error.may_change() {
            return first;
        }
        match self.scope.ask_for(id).await {
            Ok(true) => self.check(id, proof).await,
            Ok(false) => first,
            Err(error) => {
                tracing::info!(%id, %error, "Nothing newer is known of an identity.");
                first
            }
        }
    }

    pub(crate) async fn check(&self, id: &IdentityId, proof: &Proof) -> Result<Admitted, NotAdmitted> {
        let roots = self.roots.load();
        let times = (self.clock.now(), self.options.token_skew);
        self.scope.check(id, proof, &self.options.host_names, &roots, times)
    }

    /// What the identity listened to on an earlier connection, if that is kept.
    async fn kept(
        &self,
        id: &IdentityId,
        admitted: &Admitted,
        session: SessionKind,
    ) -> Result<Option<Subscriptions>, Refused> {
        let unavailable =
            |error: crate::cabinet::CabinetError| Refused::Unavailable { what: error.to_string() };
        let kept = subscriptions::load(&self.cabinet, id, &admitted.generation).await.map_err(unavailable)?;
        match session {
            SessionKind::Kept => Ok(kept),
            SessionKind::Passing => Ok(None),
            SessionKind::Clean => {
                if kept.is_some() {
                    subscriptions::remove(&self.cabinet, id).await.map_err(unavailable)?;
                }
                Ok(None)
            }
        }
    }
}
