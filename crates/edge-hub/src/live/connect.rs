//! Letting an identity in.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use skerry_front::device::{
    Calls, Claim, CloseReason, Connected, Post, Proof, Refused, SessionKind, Subscriptions,
};
use skerry_model::IdentityId;
use skerry_model::identity::AuthChain;
use tokio::time::Instant;

use super::inbox::Inbox;
use super::orders::{Orders, Sources};
use super::session::Handle;
use super::{Live, subscriptions};
use crate::letter::{Kind, Letterhead};
use crate::scope::{Admitted, NotAdmitted, hub_of, is_of_another};
use crate::service::Shared;
use crate::spool::Line;

impl Shared {
    pub(crate) async fn connect(self: Arc<Self>, claim: Claim) -> Result<Connected, Refused> {
        let id = IdentityId { device: claim.device.clone(), module: claim.module.clone() };
        let chain = claim.chain.as_deref().map(AuthChain::parse).transpose();
        let chain = chain.map_err(|error| Refused::Unauthorised { what: error.to_string() })?;
        let admitted = self.admit(&id, &claim.proof, chain.as_ref()).await.map_err(|error| {
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
            chain,
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
    pub(crate) async fn admit(
        &self,
        id: &IdentityId,
        proof: &Proof,
        chain: Option<&AuthChain>,
    ) -> Result<Admitted, NotAdmitted> {
        let first = self.check(id, proof, chain);
        let Err(error) = &first else { return first };
        if !error.may_change() {
            return first;
        }
        // Those on whose word it comes may be as unknown, or have other keys.
        let devices = chain.map_or(&[][..], AuthChain::devices);
        let between =
            devices.iter().skip(1).map(|device| IdentityId { device: device.clone(), module: None });
        let hub = devices.last().map(hub_of).filter(|hub| hub != id);
        let mut is_newer = false;
        for id in [id.clone()].into_iter().chain(between).chain(hub) {
            match self.scope.ask_for(&id).await {
                Ok(is_changed) => is_newer |= is_changed,
                Err(error) => tracing::info!(%id, %error, "Nothing newer is known of an identity."),
            }
        }
        if is_newer { self.check(id, proof, chain) } else { first }
    }

    pub(crate) fn check(
        &self,
        id: &IdentityId,
        proof: &Proof,
        chain: Option<&AuthChain>,
    ) -> Result<Admitted, NotAdmitted> {
        let (hosts, times) = (&self.options.host_names, (self.clock.now(), self.options.token_skew));
        match chain.filter(|chain| is_of_another(id, chain, proof, hosts)) {
            Some(chain) => self.scope.check_behind(id, chain, proof, hosts, times),
            None => self.scope.check(id, proof, hosts, &self.roots.load(), times),
        }
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
