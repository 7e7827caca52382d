//! Commands: messages for devices and modules, which wait until they are settled.
//!
//! ```text
//!  send ──► document ──lease──► held ──complete, reject──► gone, with a record for the sender
//!              ▲                  │                         ▲            │
//!              └─ abandon, time, the end of a connection ───┘ too often  └──► Feedback
//! ```
//!
//! 1. A queue is documents of its device's group, with what becomes of them as documents beside
//!    them: see `name.rs` and `stored.rs`. Enqueueing, giving up and settling are commits; whatever
//!    answered is durable. Locks and times are of this process and die with it.
//! 2. The oldest that is held by nobody comes first. What comes back keeps its place.
//! 3. **Bounds.** Commands of one queue (one more is refused), their bytes, how long they wait, how
//!    often they may be given up; feedback altogether (one more is not kept, and counted).
//! 4. In memory is a slip of each command of a queue that somebody uses, its message never: that is
//!    read when it is delivered. A sweep keeps no more than count and expiry of queues that nobody
//!    used since the one before, and forgets the empty ones; so memory follows the identities with
//!    commands or an open connection.

mod doubt;
mod error;
mod feedback;
mod figures;
mod holds;
mod lease;
mod limits;
mod lock;
mod name;
mod open;
mod queue;
mod send;
mod settle;
mod stored;
mod sweep;
mod table;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use skerry_model::{Clock, IdentityId, Random};
use skerry_store::documents::Key;
use tokio::sync::OnceCell;

pub use error::{LeaseError, SendError, SettleError};
pub use feedback::{FEEDBACK_TYPE, Feedback, FeedbackBatch, Outcome, Told};
pub use figures::Figures;
pub use lease::Leased;
pub use limits::CommandLimits;
pub use lock::{Holder, LockToken, LockTokenError, Recipient, SessionId};
pub(crate) use name::{head_key, queue_prefix};
pub use send::Sent;
pub use stored::StoredError;

use crate::connections::Connections;
use crate::registry::{Registry, RegistryError};
use feedback::Waiting;
use figures::Counters;
use queue::Queue;
use table::Table;

pub struct CommandsOptions {
    pub registry: Registry,
    pub connections: Arc<Connections>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub limits: CommandLimits,
}

/// The commands of one hub. Clones are the same.
#[derive(Clone)]
pub struct Commands {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Registry,
    connections: Arc<Connections>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    limits: CommandLimits,
    queues: Table,
    feedback: Waiting,
    opened: OnceCell<()>,
    counters: Counters,
}

impl Commands {
    pub fn new(options: CommandsOptions) -> Self {
        let CommandsOptions { registry, connections, clock, random, limits } = options;
        let shared = Shared {
            registry,
            connections,
            clock,
            random,
            limits,
            queues: Table::default(),
            feedback: Waiting::default(),
            opened: OnceCell::new(),
            counters: Counters::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Learns what waits, which every use does that comes first. Done before anybody looks at a
    /// device, its count of commands is right from the start.
    pub async fn open(&self) -> Result<(), RegistryError> {
        self.shared.open().await
    }

    /// The identity under `key` is gone: what is known of its commands is not true any more.
    pub(crate) fn look_again(&self, key: &Key) {
        let module = if key.name.is_empty() { Ok(None) } else { key.name.parse().map(Some) };
        let (Ok(device), Ok(module)) = (key.group.parse(), module) else { return };
        if let Some(queue) = self.shared.queues.find(&IdentityId { device, module }) {
            queue.doubt();
        }
    }

    pub fn limits(&self) -> &CommandLimits {
        &self.shared.limits
    }

    pub fn figures(&self) -> Figures {
        self.shared.counters.read(self.shared.feedback.len())
    }
}

impl Shared {
    /// Shows how much waits.
    fn tell(&self, queue: &Queue) {
        let (count, before) = queue.tell();
        if count == before {
            return;
        }
        self.counters.depth.fetch_add(count, Relaxed);
        self.counters.depth.fetch_sub(before, Relaxed);
        self.connections.queued(&queue.identity, count);
    }
}
