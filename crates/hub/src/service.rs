//! The hub as one handle: registry, queries and access, put together from its options.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use skerry_model::{Clock, Random, Timestamp};
use skerry_store::bus::Bus;
use skerry_store::documents::Documents;
use skerry_store::log::Durability;

use crate::Connections;
use crate::access::{Authorizer, Policies};
use crate::authorities::Authorities;
use crate::commands::{CommandLimits, Commands, CommandsOptions};
use crate::devices::{Devices, DevicesOptions, Rates};
use crate::files::Files;
use crate::groups::Groups;
use crate::links::{Links, LinksOptions};
use crate::registry::{Registry, Sealer};
use crate::rest::{BackupSource, Disk};
use crate::search::Searcher;
use crate::telemetry::Telemetry;
use tokio::sync::watch;

/// What a hub is made of. Everything comes from outside: storage, keys, time and randomness.
pub struct HubOptions {
    /// The hub's name, the first label of its host name.
    pub name: String,
    /// Every host name and address under which clients may know this hub.
    pub host_names: Vec<String>,
    pub documents: Arc<dyn Documents>,
    pub telemetry: Telemetry,
    pub connections: Arc<Connections>,
    pub bus: Arc<dyn Bus>,
    /// Grows with each start.
    pub process_epoch: u64,
    /// Of events about devices.
    pub event_durability: Durability,
    pub rates: Rates,
    /// Whether devices and owners may ask for faults; for tests only.
    pub has_faults: bool,
    pub commands: CommandLimits,
    /// How many groups may read events, `$Default` among them.
    pub consumer_groups_max: usize,
    pub policies: Arc<Policies>,
    pub sealer: Arc<Sealer>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// How far clients' clocks may be behind.
    pub token_skew: Duration,
    /// `None` where devices cannot upload files.
    pub files: Option<Files>,
    /// `None` for a hub that keeps its data in memory.
    pub backup: Option<Arc<dyn BackupSource>>,
}

/// A running hub. Share it in an `Arc`.
pub struct Hub {
    pub(crate) name: String,
    pub(crate) registry: Registry,
    pub(crate) searcher: Searcher,
    pub(crate) telemetry: Telemetry,
    pub(crate) devices: Devices,
    pub(crate) authorities: Authorities,
    pub(crate) commands: Commands,
    pub(crate) groups: Groups,
    pub(crate) links: Links,
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) policies: Arc<Policies>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) files: Option<Files>,
    pub(crate) backup: Option<Arc<dyn BackupSource>>,
    /// The front door, once it is bound; for its figures.
    pub(crate) front: OnceLock<skerry_front::Handle>,
    /// The disk with the data, where there is one.
    pub(crate) disk: OnceLock<Arc<dyn Disk>>,
    pub(crate) started: Timestamp,
    /// Held while a backup is made: one at a time.
    pub(crate) backup_turn: Arc<tokio::sync::Mutex<()>>,
    /// True once the hub stops: streams without an end of their own end then.
    pub(crate) ending: watch::Sender<bool>,
}

impl Hub {
    pub fn new(options: HubOptions) -> Self {
        let HubOptions {
            name,
            host_names,
            documents,
            telemetry,
            connections,
            bus,
            process_epoch,
            event_durability,
            rates,
            has_faults,
            commands,
            consumer_groups_max,
            policies,
            sealer,
            clock,
            random,
            token_skew,
            files,
            backup,
        } = options;
        let seen = Arc::clone(&connections);
        let registry = Registry::new(documents, seen, sealer, Arc::clone(&clock), Arc::clone(&random));
        let searcher = Searcher::new(registry.clone());
        let authorities =
            Authorities::new(Arc::clone(registry.documents()), Arc::clone(&clock), Arc::clone(&random));
        let authorizer = Arc::new(Authorizer {
            authorities: authorities.clone(),
            policies: Arc::clone(&policies),
            registry: registry.clone(),
            host_names,
            clock: Arc::clone(&clock),
            skew: token_skew,
        });
        let commands = Commands::new(CommandsOptions {
            registry: registry.clone(),
            connections: Arc::clone(&connections),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            limits: commands,
        });
        let devices = Devices::new(DevicesOptions {
            hub_name: name.clone(),
            registry: registry.clone(),
            authorizer: Arc::clone(&authorizer),
            telemetry: telemetry.clone(),
            commands: commands.clone(),
            connections,
            bus,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            process: process_epoch,
            event_durability,
            rates,
            has_faults,
        });
        let groups = Groups::new(Arc::clone(registry.documents()), Arc::clone(&clock), consumer_groups_max);
        let links = Links::new(LinksOptions {
            hub_name: name.clone(),
            authorizer: Arc::clone(&authorizer),
            commands: commands.clone(),
            files: files.clone(),
            telemetry: telemetry.clone(),
            groups: groups.clone(),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        });
        Self {
            name,
            devices,
            authorities,
            commands,
            groups,
            links,
            registry,
            searcher,
            telemetry,
            authorizer,
            policies,
            started: clock.now(),
            clock,
            random,
            files,
            backup,
            front: OnceLock::new(),
            disk: OnceLock::new(),
            backup_turn: Arc::default(),
            ending: watch::Sender::new(false),
        }
    }

    /// Lets the status and the metrics show the front door's figures. Only the first one counts.
    pub fn show_front(&self, front: skerry_front::Handle) {
        drop(self.front.set(front));
    }

    /// The same of the disk.
    pub fn show_disk(&self, disk: Arc<dyn Disk>) {
        drop(self.disk.set(disk));
    }

    /// Ends what would never end by itself, so that open requests can be waited for.
    pub fn end_streams(&self) {
        self.ending.send_replace(true);
    }

    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// To be loaded before the first connection.
    pub fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    /// For the front door; [`Devices::run`] runs beside it.
    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    /// [`Commands::run`] runs beside the front door.
    pub fn commands(&self) -> &Commands {
        &self.commands
    }

    /// For the front door: everything on AMQP that is not a device's own.
    pub fn links(&self) -> &Links {
        &self.links
    }

    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// `None` where devices cannot upload files; [`Files::run`] runs beside it.
    pub fn files(&self) -> Option<&Files> {
        self.files.as_ref()
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub fn searcher(&self) -> &Searcher {
        &self.searcher
    }
}
