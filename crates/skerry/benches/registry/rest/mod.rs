//! The whole hub: the program itself, asked over TLS on loopback by connections that stay open.

mod client;
mod hub;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use self::client::{Client, Place};
use self::hub::Hub;
use crate::fleet::{self, Device, Dice};
use crate::meter::{Measure, Trouble, measure, now};
use crate::store::PAGE;

/// Devices in one bulk request.
const BULK: u64 = 100;
/// Connections that load.
const LOADERS: usize = 8;

pub(crate) struct Rest {
    devices: u64,
    place: Arc<Place>,
    hub: Hub,
}

impl Rest {
    /// Starts a hub in `folder`.
    pub(crate) async fn start(folder: &Path, devices: u64) -> Result<Self, Trouble> {
        let hub = Hub::start(folder).await?;
        Ok(Self { devices, place: Arc::new(hub.place()?), hub })
    }

    /// New connections for each measure: the hub closes those that are idle for long.
    async fn clients(&self, connections: usize) -> Result<Vec<Client>, Trouble> {
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(Client::connect(&self.place).await?);
        }
        Ok(clients)
    }

    /// Creates every device with tags and desired properties, a hundred in each request.
    pub(crate) async fn load(&self) -> Result<(), Trouble> {
        let next = Arc::new(AtomicU64::new(0));
        let mut loaders: JoinSet<Result<(), Trouble>> = JoinSet::new();
        for mut client in self.clients(LOADERS).await? {
            let (next, devices, place) = (next.clone(), self.devices, self.place.clone());
            loaders.spawn(async move {
                loop {
                    let first = next.fetch_add(BULK, Relaxed);
                    if first >= devices {
                        return Ok(());
                    }
                    let items: Vec<Value> = (first..devices.min(first + BULK)).map(item).collect();
                    client.call(&place, Method::POST, "/devices", Some(&items.into())).await?;
                }
            });
        }
        while let Some(loader) = loaders.join_next().await {
            loader??;
        }
        Ok(())
    }

    pub(crate) async fn twin_reads(&self, connections: usize, span: Duration) -> Result<Measure, Trouble> {
        self.measure(connections, span, |devices, dice| {
            let path = format!("/twins/{}", fleet::id(dice.below(devices)));
            (Method::GET, path, None)
        })
        .await
    }

    pub(crate) async fn twin_patches(&self, connections: usize, span: Duration) -> Result<Measure, Trouble> {
        let (disk, before) = (self.hub.disk(), self.hub.disk().written());
        let measured = self
            .measure(connections, span, |devices, dice| {
                let path = format!("/twins/{}", fleet::id(dice.below(devices)));
                let patch = json!({"properties": {"desired": {"interval": dice.below(100_000)}}});
                (Method::PATCH, path, Some(patch))
            })
            .await?;
        Ok(measured.with_writes(&disk, before))
    }

    /// Two tags that enough devices share to fill the first page.
    pub(crate) async fn queries(&self, span: Duration) -> Result<Measure, Trouble> {
        self.measure(1, span, |_, dice| {
            let (building, kind) = (dice.below(fleet::BUILDINGS), dice.below(fleet::KINDS));
            let (building, kind) = (fleet::building(building), fleet::kind(kind));
            let text =
                format!("SELECT * FROM devices WHERE tags.building = '{building}' AND tags.kind = '{kind}'");
            (Method::POST, "/devices/query".to_owned(), Some(json!({"query": text})))
        })
        .await
    }

    async fn measure(
        &self,
        connections: usize,
        span: Duration,
        request: fn(u64, &mut Dice) -> (Method, String, Option<Value>),
    ) -> Result<Measure, Trouble> {
        let clients: Vec<_> = self.clients(connections).await?.into_iter().map(Some).collect();
        let clients = Arc::new(Mutex::new(clients));
        measure(connections, span, |lane, mut recorder| {
            let clients = clients.clone();
            let (place, mut dice) = (self.place.clone(), Dice::new(4_000_000 + lane));
            let devices = self.devices;
            async move {
                let client = clients.lock().await.get_mut(lane as usize).and_then(Option::take);
                let mut client = client.ok_or("fewer connections than lanes")?;
                while recorder.goes_on() {
                    let (method, path, body) = request(devices, &mut dice);
                    let began = now();
                    client.call(&place, method, &path, body.as_ref()).await?;
                    recorder.done(began);
                }
                Ok(recorder)
            }
        })
        .await
        // Ours is the client's here, not the hub's.
        .map(Measure::without_processor)
    }

    /// Checks that the questions are answered with full pages, and by the index.
    pub(crate) async fn check(&self) -> Result<(), Trouble> {
        let mut client = Client::connect(&self.place).await?;
        let text = "SELECT * FROM devices WHERE tags.building = 'building-1' AND tags.kind = 'kind-1'";
        let body = json!({"query": text});
        let answer = client.call(&self.place, Method::POST, "/devices/query", Some(&body)).await?;
        let rows = serde_json::from_slice::<Vec<Value>>(&answer)?.len();
        let expected = self.devices / fleet::BUILDINGS / fleet::KINDS / 2;
        if (rows as u64) < expected.min(PAGE as u64) {
            return Err(format!("a page of {rows} rows where at least {expected} were expected").into());
        }
        Ok(())
    }
}

fn item(number: u64) -> Value {
    let Device { tags, desired, .. } = Device::new(number);
    json!({
        "id": fleet::id(number),
        "importMode": "create",
        "status": "enabled",
        "authentication": {"type": "sas"},
        "tags": tags,
        "properties": {"desired": desired},
    })
}
