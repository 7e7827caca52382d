//! The edge hub as one service: what it is made of, and what runs while it does.

use std::future::Future;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use skerry_front::Certificate;
use skerry_front::device::{Claim, Connected, DeviceService, Refused, Soon};
use skerry_model::{Clock, DeviceId, EDGE_HUB, IdentityId, Random};
use skerry_store::documents::{Documents, Key};
use skerry_store::log::{Durability, Log};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cabinet::{Cabinet, CabinetError, OWN};
use crate::ending::Ending;
use crate::figures::Figures;
use crate::home::Home;
use crate::lifetime::{Kept, Lifetime, MachineTime};
use crate::line::{Dialer, Lines, LinesOptions, Wants};
use crate::live::Directory;
use crate::noted::Noted;
use crate::pump::UpstreamOptions;
use crate::scope::Scope;
use crate::spool::Spool;
use crate::twins::Twins;

const CLOCK: &str = "clock";

/// What an edge hub is made of. Everything comes from outside.
pub struct EdgeHubOptions {
    pub device: DeviceId,
    pub version: String,
    /// Every name under which clients may know this edge and its hub; any may stand in a token.
    pub host_names: Vec<String>,
    pub documents: Arc<dyn Documents>,
    /// Its cursors win: what they want is kept.
    pub log: Arc<dyn Log>,
    pub home: Arc<dyn Home>,
    pub dialer: Arc<dyn Dialer>,
    pub clock: Arc<dyn Clock>,
    pub machine: Arc<dyn MachineTime>,
    pub random: Arc<dyn Random>,
    pub rules: Rules,
}

/// How it behaves, with the original's defaults where it has any.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Of messages, when their senders are told that they are safe.
    pub durability: Durability,
    pub clients_max: usize,
    /// How far clients' clocks may be behind.
    pub token_skew: Duration,
    /// Letters on their way to the hub.
    pub upstream_window: usize,
    /// After so many letters of one priority the next one has its turn; strict without it.
    pub fairness: Option<u32>,
    /// Between two looks for letters that are too old, where nobody takes them.
    pub cleanup: Duration,
    /// Between two looks at the scope, and until the first one succeeds.
    pub scope_refresh: Duration,
    pub scope_retry: Duration,
    /// Between two looks whether clients still count.
    pub look_again: Duration,
    pub lines: LinesOptions,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            durability: Durability::Synced,
            clients_max: 101,
            token_skew: Duration::from_secs(5 * 60),
            upstream_window: 512,
            fairness: None,
            cleanup: Duration::from_secs(60),
            scope_refresh: Duration::from_secs(3600),
            scope_retry: Duration::from_secs(10),
            look_again: Duration::from_secs(300),
            lines: LinesOptions::default(),
        }
    }
}

/// Cheap to clone; all clones are the same hub.
#[derive(Clone)]
pub struct EdgeHub {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Settled {
    pub(crate) device: DeviceId,
    pub(crate) version: String,
    pub(crate) host_names: Vec<String>,
    /// Of this run, among the figures.
    pub(crate) instance: String,
    pub(crate) clients_max: usize,
    pub(crate) token_skew: Duration,
    pub(crate) rules: Rules,
}

pub(crate) struct Shared {
    pub(crate) options: Settled,
    pub(crate) home: Arc<dyn Home>,
    pub(crate) cabinet: Cabinet,
    pub(crate) scope: Scope,
    /// Those that leaf devices' chains may end in.
    pub(crate) roots: ArcSwap<Vec<Certificate>>,
    pub(crate) directory: Directory,
    pub(crate) spool: Arc<Spool>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) twins: Twins,
    pub(crate) noted: Noted,
    pub(crate) figures: Arc<Figures>,
    /// Since when the hub is not reached, if it was before.
    pub(crate) lost_at: Mutex<Option<Instant>>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What was made of the desired properties; 0 before anything was.
    pub(crate) configured: watch::Sender<Configured>,
    /// Whoever takes the desired properties has its turn, so that what is in force is what is known last.
    pub(crate) configuring: tokio::sync::Mutex<()>,
    pub(crate) stop: watch::Sender<bool>,
    /// For tasks that events begin.
    pub(crate) this: Weak<Shared>,
}

/// What became of the last desired properties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    pub version: u64,
    pub code: u16,
    pub description: String,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Cabinet(#[from] CabinetError),
}

impl EdgeHub {
    /// Opens what is kept. Nobody is let in before [`EdgeHub::ready`].
    pub async fn open(options: EdgeHubOptions) -> Result<Self, OpenError> {
        let EdgeHubOptions {
            device,
            version,
            host_names,
            documents,
            log,
            home,
            dialer,
            clock,
            machine,
            random,
            rules,
        } = options;
        let cabinet = Cabinet::open(documents, home.as_ref(), random.as_ref()).await?;
        let kept: Option<Kept> = match cabinet.get(&Key::new(OWN, "/", CLOCK)).await {
            Err(CabinetError::Sealed { .. }) => None,
            other => other?,
        };
        let lifetime = Lifetime::resume(kept.as_ref(), &machine.now());
        let scope = Scope::open(device.clone(), Arc::clone(&home), cabinet.clone()).await?;
        let twins = Twins::open(cabinet.clone()).await?;
        let figures = Arc::new(Figures::default());
        let mut instance = [0; 8];
        random.fill(&mut instance);
        let run = u64::from_le_bytes(instance);
        let instance = format!("{run:016x}");
        let counted = (Arc::clone(&figures), run);
        let spool = Spool::open(device.clone(), log, rules.durability, lifetime, machine, counted);
        let (stop, stopping) = watch::channel(false);
        let own = own_id(&device);
        let lines = Lines::new(own, rules.lines, dialer, random, Arc::clone(&figures), Ending::new(stopping));
        let shared = Arc::new_cyclic(|this: &Weak<Shared>| Shared {
            options: Settled {
                device: device.clone(),
                version,
                host_names,
                instance,
                clients_max: rules.clients_max,
                token_skew: rules.token_skew,
                rules,
            },
            home,
            cabinet,
            scope,
            roots: ArcSwap::default(),
            directory: Directory::default(),
            spool: Arc::new(spool),
            lines: Arc::new(lines),
            twins,
            noted: Noted::new(device),
            figures,
            lost_at: Mutex::default(),
            clock,
            configured: watch::Sender::new(Configured::default()),
            configuring: tokio::sync::Mutex::default(),
            stop,
            this: Weak::clone(this),
        });
        let ear: Arc<dyn crate::line::Ear> = Arc::clone(&shared) as _;
        shared.lines.listen(Arc::downgrade(&ear));
        Ok(Self { shared })
    }

    /// Done when the hub has said which routes there are, now or on an earlier day.
    pub async fn ready(&self) {
        let mut configured = self.shared.configured.subscribe();
        // The sender lives as long as we do.
        drop(configured.wait_for(|configured| configured.version > 0).await);
    }

    /// Everything that goes on besides the front door, until `shutdown` is done.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let shared = &self.shared;
        shared.take_roots().await;
        shared.lines.want_exactly(&shared.own(), Wants { commands: false, methods: true, desired: true });
        shared.reconfigure().await;
        let work = async {
            tokio::join!(
                shared.keep_scope(),
                shared.look_at_clients(),
                shared.pass_on_reports(),
                shared.report_own(),
                shared.keep_clock(),
            )
        };
        let until_over = async {
            tokio::select! {
                _ = work => {}
                () = shutdown => {}
            }
            shared.stop.send_replace(true);
        };
        // Pumps end by themselves, when the log knows what they have delivered.
        let kept = shared.spool.direct.keep(Ending::new(shared.stop.subscribe()));
        tokio::join!(until_over, shared.run_pumps(), kept);
        shared.spool.direct.end().await;
        shared.keep_clock_once().await;
    }

    pub fn figures(&self) -> &Figures {
        &self.shared.figures
    }
}

impl DeviceService for EdgeHub {
    fn connect(&self, claim: Claim) -> Soon<Result<Connected, Refused>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(shared.connect(claim))
    }
}

pub(crate) fn own_id(device: &DeviceId) -> IdentityId {
    let module = EDGE_HUB.parse().expect("the names of the edge runtime's modules are module ids");
    IdentityId { device: device.clone(), module: Some(module) }
}

impl Shared {
    pub(crate) fn own(&self) -> IdentityId {
        own_id(&self.options.device)
    }

    async fn take_roots(&self) {
        match self.home.roots().await {
            Ok(roots) => {
                let readable = roots.iter().filter_map(|der| Certificate::parse(der).ok());
                self.roots.store(Arc::new(readable.collect()));
            }
            Err(error) => tracing::warn!(%error, "The roots of devices' certificates cannot be read."),
        }
    }

    /// Keeps what is known of the scope good.
    async fn keep_scope(&self) {
        let rules = &self.options.rules;
        let mut reach = self.lines.reach();
        loop {
            if self.scope.is_empty() || self.lines.is_reached() {
                match self.scope.refresh().await {
                    Ok(()) => {
                        tracing::debug!(identities = self.scope.len(), "The scope of this device is known.");
                        tokio::time::sleep(rules.scope_refresh).await;
                        continue;
                    }
                    Err(error) => tracing::info!(%error, "The scope of this device is not known anew."),
                }
            }
            tokio::select! {
                () = tokio::time::sleep(rules.scope_retry) => {}
                _ = reach.changed() => {}
            }
        }
    }

    /// Lets everybody go who would not be let in now.
    async fn look_at_clients(&self) {
        let mut changes = self.scope.changes();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.options.rules.look_again) => self.take_roots().await,
                changed = changes.changed() => if changed.is_err() { return },
            }
            for live in self.directory.all() {
                live.look_again();
            }
        }
    }

    async fn keep_clock(&self) {
        const EVERY: Duration = Duration::from_secs(60);
        loop {
            self.keep_clock_once().await;
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn keep_clock_once(&self) {
        if let Err(error) = self.cabinet.put(Key::new(OWN, "/", CLOCK), &self.spool.keep_time()).await {
            tracing::warn!(%error, "The edge's clock is not kept: what waits may count longer than it should.");
        }
    }

    pub(crate) fn upstream_options(&self) -> UpstreamOptions {
        let rules = &self.options.rules;
        UpstreamOptions {
            window: rules.upstream_window,
            fairness: rules.fairness,
            sweep_every: rules.cleanup,
            look_again: rules.lines.barred,
            durability: rules.durability,
        }
    }
}
