//! `skerry hub run`: opens the data, binds, says that it is ready, and runs until told to stop.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use skerry_front::{Address, Front, Options, SERVER_LIFETIME, Services, TlsMaterial, TlsOptions};
use skerry_hub::access::Policies;
use skerry_hub::rest::RestService;
use skerry_hub::spaces::DEVICES;
use skerry_hub::telemetry::{Telemetry, TelemetryOptions};
use skerry_hub::{Connections, Hub, HubOptions};
use skerry_model::{Clock, Random};
use skerry_store::bus::{LocalBus, LocalBusOptions};
use skerry_store::documents::Documents;
use skerry_store::journal::{Directory, Journal, JournalOptions};
use skerry_store::log::{Kind, Limits, Log, Winner};
use skerry_store::{EmbeddedDocuments, EmbeddedOptions, PresenceOptions, PresenceTable};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::backup::DirectoryBackup;
use super::data::{Addresses, DataDirectory, HubFile};
use super::logging;
use super::settings::Settings;
use crate::args::RunOptions;
use crate::failure::Failure;
use crate::world::{MachineClock, MachineRandom, host_name};

/// The port to fall back to where only root may have 443.
const HTTPS_PORT: u16 = 443;
const HTTPS_PORT_UNPRIVILEGED: u16 = 8443;

pub fn run(options: RunOptions) -> Result<(), Failure> {
    let settings = Settings::read(options)?;
    logging::start(&settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(Box::pin(serve(settings)))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(MachineClock);
    let random: Arc<dyn Random> = Arc::new(MachineRandom::new());
    let data = DataDirectory::new(settings.data.clone());
    data.create()?;
    let _held = data.hold()?;
    let mut file = data.read_hub_file()?.unwrap_or_default();
    settle_identity(&mut file, &settings, random.as_ref());
    let sealer = data.open_sealer(settings.device_key_file.as_deref(), &mut file, random.as_ref())?;
    if settings.partitions < file.partitions {
        return Err(Failure::usage(format!(
            "telemetry.partitions is {}, but this hub has messages in {}; their number can only grow",
            settings.partitions, file.partitions
        )));
    }
    file.partitions = settings.partitions;
    file.process_epoch += 1;
    file.addresses = Addresses::default();
    data.write_hub_file(&file)?;

    let policies = Policies::open(&data.file("policies.json"), random.as_ref()).map_err(Failure::failed)?;
    let policies = Arc::new(policies);
    let tls =
        TlsMaterial::open(tls_options(&settings, &data, &file, &clock, &random)).map_err(Failure::failed)?;
    let documents =
        EmbeddedDocuments::open(EmbeddedOptions::new(data.file("documents.db"))).map_err(Failure::failed)?;
    let documents = Arc::new(documents);
    for fields in &settings.indexes {
        documents.declare_index(DEVICES, fields).await.map_err(Failure::failed)?;
    }
    let log = open_log(&settings, &data, &clock, &random)?;
    let telemetry = Telemetry::new(TelemetryOptions {
        log: Arc::clone(&log) as Arc<dyn Log>,
        partitions: settings.partitions,
        durability: settings.durability_of(Kind::Telemetry),
    });
    let shared = Arc::clone(&documents) as Arc<dyn Documents>;
    let files = settings.files.open(&data, shared, &sealer, &clock, &random).await?;
    let device_key_file = settings.device_key_file.clone();
    let hub = Hub::new(HubOptions {
        name: file.hub_name.clone(),
        host_names: known_names(&file),
        documents: Arc::clone(&documents) as Arc<dyn Documents>,
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
        clock,
        random,
        token_skew: settings.token_skew,
        files,
        backup: Some(Arc::new(DirectoryBackup::new(data.clone(), device_key_file, Arc::clone(&documents)))),
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
    let front = bind(&settings, &tls, &services)?;
    hub.show_front(front.handle());
    let https = front.https_address();
    file.addresses = Addresses {
        https: https.map(|address| address.to_string()),
        mqtt: front.mqtt_address().map(|address| address.to_string()),
        amqp: front.amqp_address().map(|address| address.to_string()),
    };
    data.write_hub_file(&file)?;
    tell(&data, &file, https.map(|address| address.port()));
    let stop = stop_signal()?;
    println!("skerry hub ready");
    std::io::stdout().flush().map_err(Failure::failed)?;
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
    // Waits for the writers, which make whole what they have begun.
    let close = move || {
        log.close();
        documents.close();
    };
    tokio::task::spawn_blocking(close).await.map_err(Failure::failed)?;
    tracing::info!("The hub has stopped.");
    Ok(())
}

/// Messages and what is kept beside them; recovery is part of it.
fn open_log(
    settings: &Settings,
    data: &DataDirectory,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> Result<Arc<Journal>, Failure> {
    let path = data.file("log");
    let unusable =
        |error: std::io::Error| Failure::failed(format!("cannot use the log {}: {error}", path.display()));
    let files = Arc::new(Directory::hold(&path).map_err(unusable)?);
    let mut options = JournalOptions::new(files, Arc::clone(clock), Arc::clone(random));
    options.limits = Limits {
        bytes_max: settings.log_bytes_max,
        age_max: Some(settings.retention),
        winner: Winner::Retention,
        partitions_max: settings.partitions,
        ..Limits::default()
    };
    Ok(Arc::new(Journal::open(options).map_err(Failure::failed)?))
}

/// Names the hub at its first start, or anew when the operator says other names.
fn settle_identity(file: &mut HubFile, settings: &Settings, random: &dyn Random) {
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
            Front::bind(options(other), services.clone()).map_err(Failure::failed)
        }
        other => other.map_err(Failure::failed),
    }
}

/// Says where the hub is and what to do next.
fn tell(data: &DataDirectory, file: &HubFile, https_port: Option<u16>) {
    let names = file.host_names.join(", ");
    match &file.addresses.https {
        Some(address) => tracing::info!("The hub {} answers HTTPS on {address} as {names}.", file.hub_name),
        None => tracing::info!("The hub {} runs without HTTPS.", file.hub_name),
    }
    for (protocol, address) in [("MQTT", &file.addresses.mqtt), ("AMQP", &file.addresses.amqp)] {
        match address {
            Some(address) => tracing::info!("Clients connect by {protocol} on {address}."),
            None => tracing::info!("No client can connect by {protocol}."),
        }
    }
    if https_port.is_some_and(|port| port != HTTPS_PORT) {
        tracing::warn!(
            "Connection strings carry no port: on a port other than {HTTPS_PORT}, the REST calls of SDKs that cannot be told one, MQTT and AMQP over WebSockets, and file upload do not find the hub."
        );
    }
    let path = data.path().display();
    tracing::info!(
        "Next: `skerry hub connection-string --data '{path}'`, or `skerry device create my-device --data '{path}'`."
    );
}

/// Done when the process is asked to stop.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("The hub stops; open requests are finished first.");
    })
}
