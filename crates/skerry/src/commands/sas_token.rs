//! `skerry device sas-token` and `skerry policy sas-token`: tokens for tools that make none themselves.

use std::time::Duration;

use serde_json::{Value, json};
use skerry_model::Clock as _;
use skerry_tokens::{Claim, KeyUse, SharedKey, Signer, resource};

use super::identity;
use crate::args::TokenOptions;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;
use crate::world::MachineClock;

/// A token of the device's own key, or of its module's.
pub async fn of_identity(
    client: &mut Client,
    device: &str,
    module: Option<&str>,
    options: &TokenOptions,
    as_json: bool,
) -> Result<(), Failure> {
    let found = client.get(&identity::path(device, module)).await?.body;
    let key = key(&found["authentication"]["symmetricKey"][which(options)])?.ok_or_else(|| {
        Failure::failed(format!("{device} does not sign with keys of its own, so there is no token for it"))
    })?;
    let claim = module.map_or(Claim::Device(device), |module| Claim::Module(device, module));
    print(client, &Signer::identity(key), claim, options, as_json)
}

/// A token of a policy's key, for the whole hub.
pub async fn of_policy(
    client: &mut Client,
    name: &str,
    options: &TokenOptions,
    as_json: bool,
) -> Result<(), Failure> {
    let found = client.get(&format!("/skerry/v1/policies/{}", segment(name))).await?.body;
    let key = key(&found[which(options)])?
        .ok_or_else(|| Failure::failed(format!("the hub does not show the key of the policy {name}")))?;
    print(client, &Signer::policy(name, key, KeyUse::Hub), Claim::Hub, options, as_json)
}

fn which(options: &TokenOptions) -> &'static str {
    if options.secondary { "secondaryKey" } else { "primaryKey" }
}

fn key(value: &Value) -> Result<Option<SharedKey>, Failure> {
    value.as_str().map(|text| text.parse().map_err(Failure::failed)).transpose()
}

fn print(
    client: &Client,
    signer: &Signer,
    claim: Claim<'_>,
    options: &TokenOptions,
    as_json: bool,
) -> Result<(), Failure> {
    let expiry = MachineClock.now().plus(Duration::from_secs(options.ttl));
    let token = signer.issue(&resource(client.host().name(), claim), expiry).reveal();
    if as_json { output::json(&json!({"sas": token})) } else { output::line(&token) }
}
