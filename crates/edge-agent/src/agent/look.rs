//! Looks at the containers: when something is told, when something is due, and now and then.

use std::sync::Arc;
use std::time::Duration;

use skerry_runtime::{Container, EngineError};
use tokio::time::Instant;

use super::{Agent, Done};
use crate::Device;
use crate::report::Platform;

/// Between looks, whatever happens.
const LOOK_GAP: Duration = Duration::from_millis(10);
/// Failed looks before it is told: an engine that is updated is away for a moment.
const FAILURES_TOLD: u32 = 3;

/// How it stands with the container engine.
pub(super) struct Engine {
    is_looking: bool,
    /// Whether something happened since the look began.
    is_stale: bool,
    next_look: Instant,
    /// Whatever is due, not before.
    earliest_look: Instant,
    /// Looks that failed one after the other, and why the last one did.
    failures: u32,
    failure: Option<EngineError>,
}

/// What a look finds.
pub(super) struct Seen {
    containers: Vec<Container>,
    platform: Platform,
    /// Where modules find this machine.
    address: Option<String>,
}

impl Engine {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            is_looking: false,
            is_stale: false,
            next_look: now,
            earliest_look: now,
            failures: 0,
            failure: None,
        }
    }
}

impl Agent {
    /// Hears of containers as long as the engine tells, and listens anew when it stops.
    pub(super) fn listen(&mut self) {
        let (runtime, changed) = (Arc::clone(&self.options.runtime), Arc::clone(&self.changed));
        let again = self.options.pace.look_again;
        self.jobs.spawn(async move {
            loop {
                if let Ok(mut events) = runtime.events().await {
                    // What happened before is not told.
                    changed.notify_one();
                    while events.next().await.is_ok() {
                        changed.notify_one();
                    }
                    changed.notify_one();
                }
                tokio::time::sleep(again).await;
            }
        });
    }

    pub(super) fn look_soon(&mut self) {
        self.engine.is_stale = true;
        self.engine.next_look = Instant::now();
    }

    pub(super) fn look(&mut self) {
        let now = Instant::now();
        if self.engine.is_looking || self.due().is_none_or(|due| due > now) {
            return;
        }
        self.engine.is_looking = true;
        self.engine.is_stale = false;
        let runtime = Arc::clone(&self.options.runtime);
        let known = (!self.platform.os.is_empty()).then(|| self.platform.clone());
        let address = self.device.edge_address.clone();
        let network = address.is_none().then(|| self.device.network.clone());
        self.jobs.spawn(async move {
            let look = async {
                let containers = runtime.list().await?;
                let platform = match known {
                    Some(platform) => platform,
                    None => platform_of(runtime.info().await?),
                };
                let address = match network {
                    Some(network) => runtime.gateway(&network).await?.map(|address| address.to_string()),
                    None => address,
                };
                Ok(Seen { containers, platform, address })
            };
            Done::Looked(look.await)
        });
    }

    /// When the next look is due.
    fn due(&self) -> Option<Instant> {
        let waits = [self.wake, self.phase.wake(), Some(self.engine.next_look)];
        waits.into_iter().flatten().min().map(|due| due.max(self.engine.earliest_look))
    }

    pub(super) fn next_timer(&self) -> Instant {
        let look = if self.engine.is_looking { None } else { self.due() };
        let far = Instant::now() + Duration::from_secs(60);
        let quality = self.quality.as_ref().map(super::quality::Quality::wake);
        [look, self.reporter.wake(), quality, Some(far)].into_iter().flatten().min().unwrap_or(far)
    }

    pub(super) fn looked(&mut self, looked: Result<Seen, EngineError>) {
        let pace = self.options.pace;
        self.engine.is_looking = false;
        let next = if self.engine.is_stale { Duration::ZERO } else { pace.look };
        self.engine.next_look = Instant::now() + next;
        self.engine.earliest_look = Instant::now() + LOOK_GAP;
        self.wake = None;
        match looked {
            Ok(Seen { containers, platform, address }) => {
                if address != self.device.edge_address {
                    self.device = Arc::new(Device { edge_address: address, ..Device::clone(&self.device) });
                }
                if self.engine.failures >= FAILURES_TOLD {
                    tracing::info!("The container engine answers again.");
                }
                (self.engine.failures, self.engine.failure) = (0, None);
                self.platform = platform;
                self.containers =
                    Some(containers.into_iter().map(|seen| (seen.name.clone(), seen)).collect());
                self.turn();
            }
            Err(error) => {
                self.engine.next_look = Instant::now() + pace.look_again;
                self.engine.earliest_look = self.engine.next_look;
                self.engine.failures = self.engine.failures.saturating_add(1);
                if self.engine.failures == FAILURES_TOLD {
                    tracing::error!(%error, "Modules cannot be watched.");
                }
                self.engine.failure = Some(error);
            }
        }
    }

    /// The engine's failure, once it has lasted.
    pub(super) fn engine_failure(&self) -> Option<&EngineError> {
        self.engine.failure.as_ref().filter(|_| self.engine.failures >= FAILURES_TOLD)
    }
}

fn platform_of(info: skerry_runtime::EngineInfo) -> Platform {
    Platform { os: info.os, architecture: info.architecture, version: info.version }
}
