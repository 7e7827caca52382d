//! The devices: those that are there, and those that are made for this run and go with it.

use std::collections::HashSet;

use http::Method;
use serde_json::{Value, json};
use skerry_model::DeviceId;
use skerry_model::limits::BULK_IDENTITIES_MAX;
use skerry_tokens::SharedKey;

use super::options::SimulateOptions;
use crate::client::{Client, segment};
use crate::commands::query::rows;
use crate::failure::Failure;
use crate::world::MachineRandom;

const PAGE: usize = 1000;

#[derive(Default)]
pub struct Fleet {
    pub devices: Vec<(DeviceId, SharedKey)>,
    /// Those of them that were not there before.
    pub created: Vec<String>,
}

impl Fleet {
    /// Finds the devices, and creates those that are missing. What was created until something
    /// failed stands in `created`.
    pub async fn gather(&mut self, client: &mut Client, options: &SimulateOptions) -> Result<(), Failure> {
        let prefix = &options.device_prefix;
        if prefix.contains(['\'', '\\']) {
            return Err(Failure::usage("--device-prefix must have no quotes and no backslashes"));
        }
        let text = format!("SELECT deviceId FROM devices WHERE STARTSWITH(deviceId, '{prefix}')");
        let known: HashSet<String> = rows(client, &text, PAGE, None)
            .await?
            .iter()
            .filter_map(|row| row["deviceId"].as_str().map(str::to_owned))
            .collect();
        let (there, missing): (Vec<String>, Vec<String>) = options.ids().partition(|id| known.contains(id));
        for id in there {
            let key = key_of(client, &id).await?.ok_or_else(|| {
                Failure::usage(format!(
                    "{id} is there and has no keys, so it cannot be simulated. Choose another --device-prefix"
                ))
            })?;
            self.devices.push((id.parse().map_err(Failure::usage)?, key));
        }
        for ids in missing.chunks(BULK_IDENTITIES_MAX) {
            self.create(client, ids).await?;
        }
        Ok(())
    }

    async fn create(&mut self, client: &mut Client, ids: &[String]) -> Result<(), Failure> {
        let random = MachineRandom::new();
        let mut made = Vec::with_capacity(ids.len());
        for id in ids {
            made.push((id.parse::<DeviceId>().map_err(Failure::usage)?, SharedKey::generate(&random)));
        }
        let items: Vec<Value> = made
            .iter()
            .map(|(id, key)| {
                let keys = json!({"primaryKey": key.reveal(), "secondaryKey": SharedKey::generate(&random).reveal()});
                json!({
                    "id": id.as_str(),
                    "importMode": "create",
                    "status": "enabled",
                    "authentication": {"type": "sas", "symmetricKey": keys},
                })
            })
            .collect();
        let answer = client.call(Method::POST, "/devices", Some(&items.into()), &[]).await;
        for (id, key) in made {
            // Of a request that failed, some may be made: those that have our key.
            if answer.is_ok() || key_of(client, id.as_str()).await.ok().flatten() == Some(key.clone()) {
                self.created.push(id.to_string());
                self.devices.push((id, key));
            }
        }
        answer.map(drop)
    }

    /// Deletes what was created.
    pub async fn dissolve(&mut self, client: &mut Client) -> Result<(), Failure> {
        while !self.created.is_empty() {
            let rest = self.created.len().saturating_sub(BULK_IDENTITIES_MAX);
            let items: Vec<Value> =
                self.created[rest..].iter().map(|id| json!({"id": id, "importMode": "delete"})).collect();
            client.call(Method::POST, "/devices", Some(&items.into()), &[]).await?;
            self.created.truncate(rest);
        }
        Ok(())
    }
}

async fn key_of(client: &mut Client, id: &str) -> Result<Option<SharedKey>, Failure> {
    let device = client.get(&format!("/devices/{}", segment(id))).await?.body;
    let key = device["authentication"]["symmetricKey"]["primaryKey"].as_str();
    key.map(|key| key.parse().map_err(Failure::failed)).transpose()
}
