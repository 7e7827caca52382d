//! A connection's session, as its client uses it.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use skerry_front::device::{
    self, Lease, NotSettled, Proof, PublishRefused, Refused, Settlement, Soon, Subscriptions, TwinRefused,
    Unavailable,
};
use skerry_model::message::Message;
use tokio::time::Instant;

use super::{Live, subscriptions};
use crate::letter::{Kind, Letter};

impl Live {
    /// Something new to stay in by, if it counts as much as what was shown before.
    async fn renew(&self, proof: Proof) -> Result<(), Refused> {
        let unauthorised = |what: String| Refused::Unauthorised { what };
        let admitted = self.shared.admit(&self.id, &proof, self.chain.as_ref()).await;
        let admitted = admitted.map_err(|error| unauthorised(error.to_string()))?;
        if admitted.generation != self.generation {
            return Err(unauthorised("the identity was registered anew".to_owned()));
        }
        let now = self.shared.clock.now();
        let ends = admitted.ends.map(|ends| Instant::now() + ends.since(now));
        *self.proof.lock().unwrap_or_else(PoisonError::into_inner) = proof;
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
        self.post.ring();
        Ok(())
    }

    /// Writes what the client listens to, if that is kept and not written yet.
    async fn save(&self) -> Result<(), Unavailable> {
        if !self.keeps_session {
            return Ok(());
        }
        // One after the other, and each writes what is true by then.
        let mut saved = self.saved.lock().await;
        let now = self.now_subscribed();
        if *saved == Some(now) {
            return Ok(());
        }
        let written = subscriptions::save(&self.shared.cabinet, &self.id, &self.generation, &now).await;
        written.map_err(|error| Unavailable { what: format!("subscriptions could not be kept: {error}") })?;
        *saved = Some(now);
        Ok(())
    }
}

/// The session of a connection, for the front door.
pub(super) struct Handle(pub(super) Arc<Live>);

impl device::Session for Handle {
    fn publish(&self, messages: Vec<Message>) -> Soon<Result<(), PublishRefused>> {
        let live = Arc::clone(&self.0);
        Box::pin(async move {
            let letter = |message| Letter { from: live.id.clone(), kind: Kind::Telemetry, message };
            let letters = messages.into_iter().map(letter).collect();
            live.shared.spool.publish(&live.letterhead, &live.line, letters).await
        })
    }

    fn subscribe(&self, to: Subscriptions) -> Soon<Result<(), Unavailable>> {
        let live = Arc::clone(&self.0);
        *live.subscriptions.lock().unwrap_or_else(PoisonError::into_inner) = to;
        live.shared.lines.want(&live.id, to);
        live.shared.directory.changed(&live);
        live.post.ring();
        Box::pin(async move { live.save().await })
    }

    fn room(&self, is_there: bool) {
        self.0.has_room.store(is_there, SeqCst);
        if is_there {
            self.0.post.ring();
        }
    }

    fn settle(&self, lease: Lease, how: Settlement) -> Soon<Result<(), NotSettled>> {
        let settled = self.0.inbox.settle(lease, how);
        Box::pin(async move { if settled { Ok(()) } else { Err(NotSettled::LockLost) } })
    }

    fn renew(&self, proof: Proof) -> Soon<Result<(), Refused>> {
        let live = Arc::clone(&self.0);
        Box::pin(async move { live.renew(proof).await })
    }

    fn twin(&self) -> Soon<Result<Bytes, TwinRefused>> {
        let live = Arc::clone(&self.0);
        Box::pin(async move { live.shared.twin(&live.id).await })
    }

    fn report(&self, patch: Bytes, version: Option<u64>) -> Soon<Result<Option<u64>, TwinRefused>> {
        let live = Arc::clone(&self.0);
        Box::pin(async move { live.shared.report(&live.id, &patch, version).await })
    }

    fn answer(&self, call: &str, status: i64, payload: Bytes) {
        // A slice of what was read would keep the whole block.
        self.0.calls.answer(call, status, Bytes::copy_from_slice(&payload));
    }
}
