//! `skerry hub run`: opens the data, binds, says that it is ready, and runs until told to stop.

use std::io::Write as _;

use skerry_edge_daemon::notify;
use tokio::signal::unix::{SignalKind, signal};

use super::data::{DataDirectory, HubFile};
use super::serving::HTTPS_PORT;
use super::settings::Settings;
use super::stored::StoredHub;
use crate::args::RunOptions;
use crate::failure::Failure;
use crate::logging;
use crate::world::variable;

pub fn run(options: RunOptions) -> Result<(), Failure> {
    let settings = Settings::read(options)?;
    logging::start(&settings.log, settings.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(Box::pin(serve(settings)))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let hub = Box::pin(StoredHub::open(&settings)).await?;
    tell(hub.data(), hub.file(), hub.https_port());
    let stop = stop_signal()?;
    println!("skerry hub ready");
    std::io::stdout().flush().map_err(Failure::failed)?;
    tell_systemd("READY=1");
    hub.run(async {
        stop.await;
        tell_systemd("STOPPING=1");
    })
    .await?;
    tracing::info!("The hub has stopped.");
    Ok(())
}

/// Where it started us and wants to know.
fn tell_systemd(state: &str) {
    if let Err(error) = notify(variable("NOTIFY_SOCKET").as_deref(), state) {
        tracing::warn!(%error, "It is not told to systemd how the hub is.");
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
