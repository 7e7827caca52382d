//! Checks of the container engine and of what runs in it.

use serde_json::Value;
use skerry_edge_daemon::config::Agent;
use skerry_model::{EDGE_AGENT, EDGE_HUB};
use skerry_runtime::{Credentials, EngineError, PullRequest};

use super::facts::{Facts, Seen};
use super::{Outcome, settings};
use crate::edge::upstream_host;

pub fn ipv6(facts: &Facts) -> Outcome {
    settings::ipv6(facts.engine_file.as_ref(), facts.config().moby_runtime.network.ipv6)
}

pub fn tags(facts: &Facts) -> Outcome {
    let Some(modules) = &facts.modules else { return Outcome::Skipped };
    let containers = modules.iter().filter(|module| !module.is_built_in);
    let images: Vec<_> = containers.map(|module| (module.name.clone(), module.image.clone())).collect();
    settings::tags(&images)
}

pub async fn agent_storage(facts: &Facts) -> Outcome {
    storage(facts, EDGE_AGENT).await
}

pub async fn hub_storage(facts: &Facts) -> Outcome {
    storage(facts, EDGE_HUB).await
}

/// In a container its storage has to be mounted; in this process it has to be on a disk that lasts.
async fn storage(facts: &Facts, module: &str) -> Outcome {
    let name = module.trim_start_matches('$');
    if facts.engine != Outcome::Ok {
        return Outcome::Skipped;
    }
    let engine = facts.world.engine(&facts.config().moby_runtime.socket);
    match engine.document(name).await {
        Ok(document) => mounted(&document, name),
        Err(EngineError::NotFound { .. }) => {
            let is_built_in =
                |modules: &Vec<Seen>| modules.iter().any(|module| module.is_built_in && module.name == name);
            // The agent is always here; a hub only where the daemon says so.
            if module == EDGE_AGENT || facts.modules.as_ref().is_some_and(is_built_in) {
                return lasting(facts, name);
            }
            Outcome::Ignored
        }
        Err(error) => {
            Outcome::because(format!("the container {name} cannot be looked at"), error.to_string())
        }
    }
}

/// Its folder lies below something that the machine has mounted there.
fn mounted(document: &Value, name: &str) -> Outcome {
    let env = document["Config"]["Env"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut chosen = env.filter_map(|line| line.split_once('='));
    let root =
        chosen.find(|(key, _)| key.eq_ignore_ascii_case("storageFolder")).map_or("/tmp", |(_, path)| path);
    let folder = std::path::Path::new(root).join(name);
    let texts = |list: &'static str, member: &'static str| {
        let list = document.pointer(list).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(move |mount| mount[member].as_str())
    };
    let binds = document["HostConfig"]["Binds"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut places = texts("/Mounts", "Destination")
        .chain(texts("/HostConfig/Mounts", "Target"))
        .chain(binds.filter_map(|bind| bind.split(':').nth(1)));
    if places.any(|place| folder.starts_with(place)) {
        return Outcome::Ok;
    }
    Outcome::warning(format!(
        "{name} keeps its data in {}, which goes with its container: mount a folder of this machine there \
         (HostConfig.Binds) and name it in storageFolder",
        folder.display()
    ))
}

fn lasting(facts: &Facts, name: &str) -> Outcome {
    let folder = facts.data_folder();
    match facts.world.disk(folder) {
        Ok(disk) if disk.is_passing => Outcome::warning(format!(
            "{name} keeps what it must not lose in {}, which is gone after a restart: give --data a folder on a \
             disk, or mount a volume there",
            folder.display()
        )),
        Ok(_) => Outcome::Ok,
        Err(error) => Outcome::error(format!("{}: {error}", folder.display())),
    }
}

/// The agent is built in, so its default image is nobody's. Where the configuration names one, its registry and
/// its credentials are what modules without credentials of their own are pulled with.
pub async fn agent_image(facts: &Facts) -> Outcome {
    let config = facts.config();
    let agent = &config.agent;
    if *agent == (Agent { env: agent.env.clone(), ..Agent::default() }) {
        return Outcome::Ignored;
    }
    if facts.engine != Outcome::Ok {
        return Outcome::Skipped;
    }
    let Some(upstream) = upstream_host(config).or(facts.args.iothub_hostname.clone()) else {
        return Outcome::Skipped;
    };
    let image = agent.image.replace("$upstream", &upstream);
    let credentials = agent.auth.as_ref().and_then(|auth| {
        Some(Credentials {
            address: auth.server.clone()?.replace("$upstream", &upstream),
            username: auth.username.clone()?,
            password: auth.password.as_ref()?.reveal().to_owned(),
            email: auth.email.clone(),
        })
    });
    let request = PullRequest { image, credentials };
    let engine = facts.world.engine(&config.moby_runtime.socket);
    match engine.pull(&request, &|_| {}).await {
        Ok(_) => Outcome::Ok,
        Err(error) => Outcome::because(
            format!(
                "{} of [agent.config] cannot be pulled: check the image, the registry's name and its credentials",
                request.image
            ),
            error.to_string(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn storage_lasts_where_something_is_mounted() {
        let env = |text: &str| json!({ "Env": [text] });
        for (document, expected) in [
            (json!({}), "warning"),
            (json!({ "Config": env("STORAGEFOLDER=/data"), "Mounts": [{ "Destination": "/data" }] }), "ok"),
            (
                json!({ "Config": env("storageFolder=/data"), "Mounts": [{ "Destination": "/dat" }] }),
                "warning",
            ),
            (json!({ "HostConfig": { "Binds": ["/srv/hub:/tmp/edgeHub:rw"] } }), "ok"),
            (json!({ "HostConfig": { "Mounts": [{ "Target": "/tmp" }] } }), "ok"),
            (json!({ "HostConfig": { "Binds": ["/srv/hub:/data"] } }), "warning"),
        ] {
            assert_eq!(mounted(&document, "edgeHub").word(), expected, "{document}");
        }
    }
}
