//! `/devices` and `/devices/{id}`.

use serde_json::Value;
use skerry_model::DeviceId;
use skerry_model::identity::wire::{IdentityDocument, device_document};
use skerry_model::limits::LISTING_MAX;

use super::{Problem, Reply, Request};
use crate::Hub;
use crate::registry::Record;

impl Hub {
    pub(super) async fn list_devices(&self, request: &Request) -> Result<Reply, Problem> {
        let top = match request.query("top").map(|text| text.trim().parse::<i64>()) {
            None => LISTING_MAX,
            // Out of range is the most there is, as the original has it.
            Some(Ok(top)) => {
                usize::try_from(top).ok().filter(|top| (1..=LISTING_MAX).contains(top)).unwrap_or(LISTING_MAX)
            }
            Some(Err(_)) => return Err(Problem::argument("top must be a number")),
        };
        let devices = self.registry.list_devices(top).await?;
        let documents: Vec<Value> = devices.iter().map(|device| self.device_json(device)).collect();
        Ok(Reply::json(200, &documents.into()))
    }

    pub(super) async fn show_device(&self, device: &DeviceId) -> Result<Reply, Problem> {
        Ok(self.device_reply(&self.registry.get_device(device).await?))
    }

    pub(super) async fn put_device(&self, request: &Request, device: &DeviceId) -> Result<Reply, Problem> {
        let document: IdentityDocument = request.json()?;
        same_id("deviceId", document.device_id.as_deref(), device.as_str())?;
        let record = self.registry.put_device(device, &document, &request.precondition()).await?;
        Ok(self.device_reply(&record))
    }

    pub(super) async fn delete_device(&self, request: &Request, device: &DeviceId) -> Result<Reply, Problem> {
        self.registry.delete_device(device, &request.precondition()).await?;
        Ok(Reply::empty())
    }

    fn device_json(&self, record: &Record) -> Value {
        device_document(&record.identity, &self.registry.connection(&record.identity))
    }

    fn device_reply(&self, record: &Record) -> Reply {
        Reply::json(200, &self.device_json(record)).with_etag(&record.identity.etag_text())
    }
}

/// A document that names an id must name the one of its path.
pub(super) fn same_id(member: &str, sent: Option<&str>, of_path: &str) -> Result<(), Problem> {
    match sent {
        Some(sent) if sent != of_path => {
            Err(Problem::argument(format!("{member} of the body is not that of the path, {of_path}")))
        }
        _ => Ok(()),
    }
}
