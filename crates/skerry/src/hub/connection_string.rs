//! `skerry hub connection-string`: what service SDKs and `--login` take.

use skerry_hub::access::Policies;
use skerry_tokens::{EventHubsString, Host, HubString};

use super::data::DataDirectory;
use crate::args::ConnectionStringOptions;
use crate::failure::Failure;
use crate::world;

pub fn connection_string(options: &ConnectionStringOptions) -> Result<(), Failure> {
    let data = DataDirectory::new(options.data.clone().unwrap_or_else(world::default_data));
    let file = data.hub_file()?;
    let policies = Policies::read(&data.file("policies.json")).map_err(Failure::failed)?;
    let policy = policies.into_iter().find(|policy| policy.name == options.policy).ok_or_else(|| {
        Failure::NotFound(format!(
            "there is no policy {:?}, `skerry policy list` shows those there are",
            options.policy
        ))
    })?;
    let key = if options.secondary { policy.secondary } else { policy.primary };
    let name = file.host_names.first().cloned().unwrap_or_else(|| "localhost".to_owned());
    let host: Host = name.parse().map_err(Failure::failed)?;
    let text = if options.events {
        EventHubsString::new(host, &policy.name, key, &file.hub_name).map_err(Failure::failed)?.reveal()
    } else {
        HubString::for_policy(host, &policy.name, key).map_err(Failure::failed)?.reveal()
    };
    println!("{text}");
    Ok(())
}
