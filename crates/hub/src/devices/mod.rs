//! Connected devices and modules: what the front door's sessions ask of the hub, and what the hub
//! wants of them.
//!
//! ```text
//!  connect ──► Live (one connection's session) ──► registry, telemetry, commands
//!     │          ▲ post: desired properties, the end          ▲
//!     └► bus: who holds the identity, calls of methods        └── changes: follows the documents
//! ```
//!
//! The newest connection of an identity has it: the bus ends the older one's claim. What is known
//! of connections is of this process only; subscriptions that outlive one are documents.

mod calls;
mod changes;
mod connect;
mod directory;
mod events;
mod faults;
mod held;
mod live;
mod methods;
mod orders;
mod pace;
mod refusal;
mod subscriptions;
mod throttle;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use skerry_front::device::{Claim, Connected, DeviceService, Refused, Soon};
use skerry_model::{Clock, DeviceId, IdentityId, ModuleId, Random};
use skerry_store::bus::Bus;
use skerry_store::documents::Revision;
use skerry_store::log::Durability;
use tokio::sync::watch;

use crate::access::Authorizer;
use crate::commands::Commands;
use crate::connections::Connections;
use crate::registry::Registry;
use crate::telemetry::Telemetry;
use directory::Directory;
use events::Events;
use faults::Faults;
pub use faults::{FaultError, FaultRequest};
pub use methods::{Answered, Invocation, InvokeError, RESPONSE_SECONDS_DEFAULT};
use pace::Pace;
use throttle::Throttle;
pub use throttle::{Rates, TooFast};

pub struct DevicesOptions {
    pub hub_name: String,
    pub registry: Registry,
    pub authorizer: Arc<Authorizer>,
    pub telemetry: Telemetry,
    pub commands: Commands,
    pub connections: Arc<Connections>,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// The epoch of this process: grows with each start.
    pub process: u64,
    /// Of events about connections.
    pub event_durability: Durability,
    pub rates: Rates,
    /// Whether faults may be asked for.
    pub has_faults: bool,
}

/// The devices of one hub. Clones are the same.
#[derive(Clone)]
pub struct Devices {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Registry,
    authorizer: Arc<Authorizer>,
    telemetry: Telemetry,
    commands: Commands,
    connections: Arc<Connections>,
    bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    process: u64,
    next_connection: AtomicU64,
    /// Changes are passed on from here: no connection is older.
    follow_from: Revision,
    directory: Directory,
    events: Events,
    faults: Faults,
    pace: Pace,
    connects: Option<Throttle>,
}

impl Devices {
    pub fn new(options: DevicesOptions) -> Self {
        let DevicesOptions {
            hub_name,
            registry,
            authorizer,
            telemetry,
            commands,
            connections,
            bus,
            clock,
            random,
            process,
            event_durability,
            rates,
            has_faults,
        } = options;
        let shared = Shared {
            follow_from: registry.documents().revision(),
            registry,
            authorizer,
            telemetry,
            commands,
            connections,
            bus,
            clock,
            random,
            process,
            next_connection: AtomicU64::new(1),
            directory: Directory::default(),
            events: Events::new(hub_name, event_durability),
            faults: Faults::new(has_faults),
            pace: Pace::new(rates),
            connects: rates.connects.map(Throttle::new),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Passes on what happens to identities and twins, until `shutdown` is done.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let (stop, stopping) = watch::channel(false);
        let told = async move {
            shutdown.await;
            stop.send_replace(true);
        };
        let mut events_stopping = stopping.clone();
        let events = async move {
            events_stopping.wait_for(|stopping| *stopping).await.ok();
        };
        tokio::join!(
            told,
            changes::follow(&self.shared, stopping),
            self.shared.events.run(&self.shared.telemetry, events)
        );
    }

    /// Lets everybody go who would not be let in now.
    pub async fn look_at_everybody(&self) {
        changes::look_at_everybody(&self.shared).await;
    }

    /// Done when the identity may send so many messages, which it does without a connection.
    pub async fn wait_for_turn(&self, identity: &IdentityId, messages: usize) -> Result<(), TooFast> {
        let pace = &self.shared.pace;
        pace.wait(pace.of(identity).as_deref(), messages).await
    }

    /// Breaks what a test wants broken, and says how many connections that was about.
    pub fn ask_for_fault(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        request: FaultRequest<'_>,
    ) -> Result<usize, FaultError> {
        let shared = &self.shared;
        let module = module.map_or("", ModuleId::as_str);
        let mut lives = shared.directory.of_device(device.as_str());
        lives.retain(|live| live.module_name() == module);
        Faults::ask(shared, lives, (device.as_str(), module), request)
    }

    /// Lets an identity's messages wait before they are kept, for as long as that lasts.
    pub fn hold_messages(
        &self,
        device: &DeviceId,
        module: Option<&ModuleId>,
        by: Duration,
        lasts: Duration,
    ) -> Result<(), FaultError> {
        self.shared.faults.hold(device.as_str(), module.map_or("", ModuleId::as_str), by, lasts)
    }

    /// Messages that were refused because they came too fast.
    pub fn too_fast(&self) -> u64 {
        self.shared.pace.refused()
    }

    /// Events about connections that were not kept because too many waited.
    pub fn events_dropped(&self) -> u64 {
        self.shared.events.dropped()
    }
}

impl DeviceService for Devices {
    fn connect(&self, claim: Claim) -> Soon<Result<Connected, Refused>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.connect(claim).await })
    }
}
