//! What an agent is made of. Everything comes from outside.

use std::sync::Arc;
use std::time::Duration;

use skerry_model::{Clock, Random};
use skerry_runtime::Runtime;

use crate::Device;
use crate::methods::{Bundles, Uploads};
use crate::metrics::HostSource;
use crate::plan::Limits;
use crate::ports::{Identities, OwnSettings, Provisioning, Sealer, Shelf};

pub struct AgentOptions {
    pub device: Device,
    /// Of this program.
    pub version: String,
    /// Whether this process is the hub as well; then no container is.
    pub is_hub_inside: bool,
    /// Whether the hub is sent the agent's own figures, as messages.
    pub sends_quality: bool,
    pub limits: Limits,
    pub pace: Pace,
    pub runtime: Arc<dyn Runtime>,
    pub identities: Arc<dyn Identities>,
    pub provisioning: Arc<dyn Provisioning>,
    pub settings: Arc<dyn OwnSettings>,
    pub shelf: Arc<dyn Shelf>,
    pub sealer: Arc<dyn Sealer>,
    pub uploads: Arc<dyn Uploads>,
    pub bundles: Arc<dyn Bundles>,
    pub host: Arc<dyn HostSource>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// How often, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between looks at the containers, when nothing tells of a change.
    pub look: Duration,
    /// The same while the engine does not answer.
    pub look_again: Duration,
    /// Modules of an update must run so long before it counts as done.
    pub probation: Duration,
    /// The longest wait for health checks that have not made up their mind.
    pub probation_max: Duration,
    /// After an update that could not be carried out; it doubles up to the longest.
    pub retry: Duration,
    pub retry_max: Duration,
    /// Tries of an update that the engine refuses.
    pub tries_max: u32,
    /// The twin is asked for anew, whatever came.
    pub refresh: Duration,
    /// Between reports.
    pub report: Duration,
    /// For what the hub refused.
    pub report_again: Duration,
    /// Between writes of how long modules ran.
    pub checkpoint: Duration,
    /// Between looks at the agent's own figures, and between messages of them.
    pub gather: Duration,
    pub send: Duration,
    /// A hub that refuses us for so long is told to the daemon.
    pub refused: Duration,
    /// Before the process ends, for the last report.
    pub goodbye: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(30),
            look_again: Duration::from_secs(5),
            probation: Duration::from_secs(20),
            probation_max: Duration::from_secs(300),
            retry: Duration::from_secs(10),
            retry_max: Duration::from_secs(300),
            tries_max: 20,
            refresh: Duration::from_secs(3600),
            report: Duration::from_secs(1),
            report_again: Duration::from_secs(30),
            checkpoint: Duration::from_secs(300),
            gather: Duration::from_secs(3600),
            send: Duration::from_secs(24 * 3600),
            refused: Duration::from_secs(300),
            goodbye: Duration::from_secs(5),
        }
    }
}
