//! A hub that is put together from its data and bound to its addresses, and then runs.
//!
//! `skerry hub run` and `skerry dev` differ in where they keep things and in what they say; what they
//! serve is this.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use skerry_front::{
    Address, BindError, Front, Options, SERVER_LIFETIME, Services, StartError, TlsMaterial, TlsOptions,
};
use skerry_hub::access::Policies;
use skerry_hub::registry::Sealer;
use skerry_hub::rest::RestService;
use skerry_hub::telemetry::{Telemetry, TelemetryOptions};
use skerry_hub::{Connections, Hub, HubOptions};
use skerry_model::{Clock, Random};
use skerry_store::bus::{LocalBus, LocalBusOptions};
use skerry_store::log::Kind;
use skerry_store::{PresenceOptions, PresenceTable};
use tokio::sync::oneshot;

use super::data::{Addresses, DataDirectory, HubFile};
use super::engines::Engines;
use super::settings::Settings;
use crate::failure::Failure;
use crate::world::host_name;

/// The port to fall back to where only root may have 443.
pub const HTTPS_PORT: u16 = 443;
const HTTPS_PORT_UNPRIVILEGED: u16 = 8443;

/// What a hub is made from.
pub struct Parts<'a> {
    pub settings: &'a Settings,
    pub data: &'a DataDirectory,
    /// With the hub's names and the epoch of this process; gets the addresses.
    pub file: &'a mut HubFile,
    pub sealer: Sealer,
    pub policies: Arc<Policies>,
    pub engines: &'a Engines,
    pub clock: &'a Arc<dyn Clock>,
    pub random: &'a Arc<dyn Random>,
}

/// A hub behind its open door.
pub struct Serving {
    pub hub: Arc<Hub>,
    front: Front,
}

impl Serving {
    /// Puts the hub together and binds; from here on clients are let in once it runs.
    pub async fn open(parts: Parts<'_>) -> Result<Self, Failure> {
        let Parts { settings, data, file, sealer, policies, engines, clock, random } = parts;
        let tls =
            TlsMaterial::open(tls_options(settings, data, file, clock, random)).map_err(Failure::failed)?;
        let telemetry = Telemetry::new(TelemetryOptions {
            log: Arc::clone(&engines.log),
            partitions: settings.partitions,
            durability: settings.durability_of(Kind::Telemetry),
        });
        let files = settings.files.open(engines, &sealer, clock, random).await?;
        let hub = Hub::new(HubOptions {
            name: file.hub_name.clone(),
            host_names: known_names(file),
            documents: Arc::clone(&engines.documents),
            telemetry,
            connections: Arc::new(Connections::new(PresenceTable::new(
                PresenceOptions::default(),
                file.process_epoch,
            ))),
            bus: Arc::new(LocalBus::new(LocalBusOptions::default())),
            process_epoch: file.process_epoch,
            event_durability: settings.durability_of(Kind::Event),
            rates: settings.rates,
            has_faults: settings.has_faults,
            commands: settings.commands.clone(),
            consumer_groups_max: settings.consumer_groups_max,
            policies,
            sealer: Arc::new(sealer),
            clock: Arc::clone(clock),
            random: Arc::clone(random),
            token_skew: settings.token_skew,
            files,
            backup: engines.backup.clone(),
        });
        hub.authorities().load().await.map_err(Failure::failed)?;
        hub.groups().open().await.map_err(Failure::failed)?;
        hub.registry().declare_indexes().await.map_err(Failure::failed)?;
        let hub = Arc::new(hub);
        hub.commands().open().await.map_err(Failure::failed)?;
        let services = Services {
            http: Arc::new(RestService::new(Arc::clone(&hub))),
            devices: Arc::new(hub.devices().clone()),
            links: Arc::new(hub.links().clone()),
        };
        let front = bind(settings, &tls, &services)?;
        hub.show_front(front.handle());
        file.addresses = Addresses {
            https: front.https_address().map(|address| address.to_string()),
            mqtt: front.mqtt_address().map(|address| address.to_string()),
            amqp: front.amqp_address().map(|address| address.to_string()),
        };
        data.write_hub_file(file)?;
        Ok(Self { hub, front })
    }

    /// Where HTTPS listens.
    pub fn https_port(&self) -> Option<u16> {
        self.front.https_address().map(|address| address.port())
    }

    /// Serves until `stop` is done and everything that was begun is finished.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { hub, front } = self;
        let ending = Arc::clone(&hub);
        let (ended, front_ended) = oneshot::channel::<()>();
        let (served, files_until) = oneshot::channel::<()>();
        let serving = async {
            front
                .run(async move {
                    stop.await;
                    ending.end_streams();
                })
                .await;
            drop((ended, served));
        };
        let tidying = async {
            if let Some(files) = hub.files() {
                files.run(async { drop(files_until.await) }).await;
            }
        };
        let (sweeps, swept) = oneshot::channel::<()>();
        // What connections leave behind is passed on until the last of them is gone.
        let passing_on = async {
            hub.devices().run(async { drop(front_ended.await) }).await;
            drop(sweeps);
        };
        tokio::join!(serving, tidying, passing_on, hub.commands().run(async { drop(swept.await) }));
    }
}

/// Names the hub at its first start, or anew when the operator says other names.
pub fn settle_identity(file: &mut HubFile, settings: &Settings, random: &dyn Random) {
    if file.hub_id.is_empty() {
        let mut id = [0; 16];
        random.fill(&mut id);
        file.hub_id = format!("{:032x}", u128::from_be_bytes(id));
    }
    if !settings.host_names.is_empty() {
        file.host_names.clone_from(&settings.host_names);
    } else if file.host_names.is_empty() {
        file.host_names = vec!["localhost".to_owned()];
        file.host_names.extend(host_name().filter(|name| name != "localhost"));
    }
    let first = file.host_names.first().map(String::as_str).unwrap_or_default();
    let is_ip = first.parse::<IpAddr>().is_ok();
    file.hub_name = if is_ip { first } else { first.split('.').next().unwrap_or(first) }.to_owned();
}

/// Every name that may stand in a token.
fn known_names(file: &HubFile) -> Vec<String> {
    let local = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut names = file.host_names.clone();
    names.extend(local.into_iter().filter(|name| !file.host_names.contains(name)));
    names
}

fn tls_options(
    settings: &Settings,
    data: &DataDirectory,
    file: &HubFile,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> TlsOptions {
    let mut ips = vec![IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    let mut names = Vec::new();
    for name in &file.host_names {
        match name.parse::<IpAddr>() {
            Ok(ip) => ips.push(ip),
            Err(_) => names.push(name.clone()),
        }
    }
    if !names.iter().any(|name| name == "localhost") {
        names.push("localhost".to_owned());
    }
    for address in [settings.https, settings.mqtt, settings.amqp] {
        if let Address::One(address) = address {
            ips.push(address.ip());
        }
    }
    ips.retain(|ip| !ip.is_unspecified());
    ips.sort_unstable();
    ips.dedup();
    TlsOptions {
        directory: data.file("tls"),
        names,
        ips,
        operator: settings.operator_tls.clone(),
        lifetime: SERVER_LIFETIME,
        clock: Arc::clone(clock),
        random: Arc::clone(random),
    }
}

fn bind(settings: &Settings, tls: &TlsMaterial, services: &Services) -> Result<Front, Failure> {
    let https = settings.https;
    let options = |https| {
        let mut options = Options::new(https, settings.mqtt, settings.amqp, tls.clone());
        if let Some(connections_max) = settings.connections_max {
            options.connections.connections_max = connections_max;
        }
        options
    };
    match Front::bind(options(https), services.clone()) {
        Err(error) if error.is_permission_denied() && https.port() == Some(HTTPS_PORT) => {
            tracing::warn!(
                "Only root may listen on port {HTTPS_PORT}, so HTTPS listens on {HTTPS_PORT_UNPRIVILEGED}."
            );
            let other = https.with_port(HTTPS_PORT_UNPRIVILEGED);
            Front::bind(options(other), services.clone()).map_err(|error| unbound(settings, &error))
        }
        other => other.map_err(|error| unbound(settings, &error)),
    }
}

/// Of three addresses only one may be in the way, so it is said which option chooses another.
fn unbound(settings: &Settings, error: &StartError) -> Failure {
    let StartError::Bind(BindError::Busy { address, .. }) = error else { return Failure::failed(error) };
    let option = match *address {
        address if address == settings.mqtt => "--mqtt",
        address if address == settings.amqp => "--amqp",
        _ => "--https",
    };
    Failure::failed(format!("{error} with {option}"))
}
