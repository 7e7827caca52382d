//! The container engine of the machine, with the one image that it has to be given.

use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use skerry_runtime::{Container, DockerOptions, DockerRuntime, NetworkOptions, Runtime as _, labels};
use tokio::task::{JoinSet, spawn_blocking};

use super::image;
use crate::quickstart::manifest::IMAGE;

/// Of the modules, beside other devices' on the same engine.
pub const NETWORK: &str = "skerry-quickstart";
/// An engine that is asleep is as good as none.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// `Err` says why it cannot be used.
pub(super) async fn open(socket: &Path, root: &Path) -> Result<(DockerRuntime, IpAddr), String> {
    let mut options = DockerOptions::new(socket);
    options.call_timeout = CALL_LIMIT;
    let all = DockerRuntime::new(options.clone()).list().await.map_err(|error| error.to_string())?;
    let place = root.display().to_string();
    let is_other = |seen: &&Container| seen.labels.get(labels::PLACE) != Some(&place);
    if let Some(other) = all.iter().find(is_other) {
        return Err(format!(
            "the container engine runs {} of another edge device, with which ours would be in each other's way",
            other.name
        ));
    }
    if place.contains(':') {
        return Err(format!("{place} has a colon in it, where engines take a path for ended"));
    }
    options.place = Some(place);
    let runtime = DockerRuntime::new(options);
    let network = NetworkOptions { name: NETWORK.to_owned(), ..NetworkOptions::default() };
    runtime.ensure_network(&network).await.map_err(|error| error.to_string())?;
    let gateway = runtime.gateway(NETWORK).await.map_err(|error| error.to_string())?;
    let gateway = gateway.ok_or_else(|| format!("the engine says of no address of {NETWORK}"))?;
    // An engine in a virtual machine, or without root, has its bridge elsewhere.
    if let Err(error) = TcpListener::bind((gateway, 0)) {
        return Err(format!(
            "the engine's network is not on this machine, so that modules would not find the edge ({gateway}: {error})"
        ));
    }
    give_image(&runtime).await?;
    Ok((runtime, gateway))
}

/// Made of this very program, unless the engine has the same one already.
async fn give_image(runtime: &DockerRuntime) -> Result<(), String> {
    let made = spawn_blocking(image::make).await.map_err(|error| error.to_string())?;
    let made = made.map_err(|error| format!("no image can be made of this program: {error}"))?;
    let there = runtime.image(IMAGE).await.map_err(|error| error.to_string())?;
    if there.as_deref() == Some(made.id.as_str()) {
        return Ok(());
    }
    runtime.load(made.archive).await.map_err(|error| error.to_string())
}

/// All at the same time.
pub(super) async fn end_all(runtime: &DockerRuntime, grace: Duration) {
    let modules = match runtime.list().await {
        Ok(modules) => modules,
        Err(error) => {
            tracing::error!(%error, "Modules may still run: the container engine does not say which there are.");
            return;
        }
    };
    let mut ending = JoinSet::new();
    for module in modules {
        let runtime = runtime.clone();
        ending.spawn(async move {
            let name = &module.name;
            if let Err(error) = runtime.stop(name, Some(grace)).await {
                tracing::warn!(%error, module = name, "It was not stopped in order.");
            }
            if let Err(error) = runtime.remove(name).await {
                tracing::error!(%error, module = name, "It is still there.");
            }
        });
    }
    ending.join_all().await;
}
