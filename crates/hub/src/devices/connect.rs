//! Letting an identity in.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use skerry_front::device::{Calls, Claim, Connected, Post, Refused, SessionKind, Subscriptions};
use skerry_model::ErrorCode;
use skerry_model::identity::AuthChain;
use skerry_store::bus::{Address, Epoch};
use skerry_store::log::Line;
use tokio::time::Instant;

use super::Shared;
use super::events::Event;
use super::live::{Handle, Live};
use super::orders::{Orders, Sources};
use super::subscriptions;
use crate::access::{AccessError, Admitted, SenderError};
use crate::commands::{Recipient, SessionId};
use crate::spaces::subscriptions_key;
use crate::telemetry::{Letterhead, Source};

impl Shared {
    pub(super) async fn connect(self: Arc<Self>, claim: Claim) -> Result<Connected, Refused> {
        let module_name = claim.module.as_ref().map_or("", |module| module.as_str()).to_owned();
        self.faults.check_connect(claim.device.as_str(), &module_name)?;
        if let Some(connects) = &self.connects {
            let delay = connects.take(1).map_err(|error| unavailable(&error))?;
            tokio::time::sleep(delay).await;
        }
        // Before anything is read, so that no change falls in between.
        let seen = self.registry.documents().revision();
        let chain = claim.chain.as_deref().map(AuthChain::parse).transpose();
        let chain = chain.map_err(|error| Refused::Unauthorised { what: error.to_string() })?;
        let (device, module) = (claim.device.clone(), claim.module.clone());
        let admitted = self.authorizer.admit_by(&claim.proof, chain.as_ref(), device, module).await?;
        if let Some(model) = &claim.model {
            let noted = self.registry.announce_model(&admitted.record, model).await;
            noted.map_err(|error| unavailable(&error))?;
        }
        let kept = self.kept(&claim, &admitted).await?;
        let process = self.process;
        let epoch = Epoch { process, connection: self.next_connection.fetch_add(1, Relaxed) };
        let address = Address::module(claim.device.as_str(), module_name);
        let mailbox = self.bus.claim(&address, epoch).await.map_err(|error| unavailable(&error))?;

        let now = self.clock.now();
        let Admitted { record, sender, ends } = admitted;
        let came = self.connections.connected(&claim.device, claim.module.as_ref(), epoch, now);
        let recipient = Recipient::new(claim.device.clone(), claim.module.clone(), sender.generation.clone());
        let live = Arc::new(Live {
            letterhead: Letterhead::new(&sender, Source::Telemetry, claim.model.as_deref()),
            partition: self.telemetry.partition_of(&claim.device),
            line: Line::default(),
            goes_on: claim.session == SessionKind::Passing,
            throttle: self.pace.of(&recipient.identity),
            recipient,
            session: SessionId(epoch.connection),
            device: claim.device,
            module: claim.module,
            proof: Mutex::new(claim.proof),
            chain,
            sender,
            keeps_session: claim.session == SessionKind::Kept,
            subscriptions: Mutex::new(kept.unwrap_or_default()),
            saved: tokio::sync::Mutex::new(kept),
            post: Post::default(),
            calls: Calls::default(),
            told: AtomicU64::new(record.twin.desired.version()),
            has_room: AtomicBool::new(false),
            ends: Mutex::new(ends.map(|ends| Instant::now() + ends.since(now))),
            address,
            active_at: AtomicI64::new(now.unix_seconds()),
            shared: Arc::clone(&self),
        });
        self.directory.insert(epoch, &live);
        self.commands.take_over(&live.recipient, live.session);
        let sources = Sources { live: Arc::clone(&live), mailbox };
        if came.map_err(|error| unavailable(&error))? {
            self.events.note(Event { sender: live.sender.clone(), came: true, epoch, at: now });
        }
        // What changed while it was not listed yet was told to nobody.
        if self.registry.documents().revision() != seen {
            live.look_again().await;
        }
        let orders = Box::new(Orders::new(sources));
        Ok(Connected { session: Arc::new(Handle(live)), orders, kept })
    }

    /// What the identity listened to on an earlier connection, if that is kept.
    async fn kept(&self, claim: &Claim, admitted: &Admitted) -> Result<Option<Subscriptions>, Refused> {
        let documents = self.registry.documents();
        let key = subscriptions_key(&claim.device, claim.module.as_ref());
        let at_least = Some(documents.revision());
        let stored = documents.get(&key, at_least).await.map_err(|error| unavailable(&error))?;
        let generation = &admitted.sender.generation;
        match stored {
            Some(stored) if claim.session == SessionKind::Kept => {
                Ok(subscriptions::read(&stored, generation))
            }
            Some(_) if claim.session == SessionKind::Passing => Ok(None),
            Some(_) => {
                let (device, module) = (&claim.device, claim.module.as_ref());
                let removed =
                    subscriptions::write(documents.as_ref(), device, module, generation, None).await;
                removed.map_err(|error| unavailable(&error))?;
                Ok(None)
            }
            None => Ok(None),
        }
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> Refused {
    Refused::Unavailable { what: error.to_string() }
}

impl From<SenderError> for Refused {
    fn from(error: SenderError) -> Self {
        let what = error.to_string();
        match error {
            SenderError::Access(AccessError::Disabled) => Self::Disabled,
            SenderError::Access(AccessError::Unavailable { .. }) => Self::Unavailable { what },
            SenderError::Access(_) => Self::Unauthorised { what },
            SenderError::Registry(error) => match error.code() {
                ErrorCode::DeviceNotFound | ErrorCode::ModuleNotFound => Self::Unauthorised { what },
                _ => Self::Unavailable { what },
            },
        }
    }
}
