//! `/devices/{id}/modules` and `/devices/{id}/modules/{module}`.

use serde_json::Value;
use skerry_model::identity::wire::{IdentityDocument, module_document};
use skerry_model::{DeviceId, ModuleId};

use super::devices::same_id;
use super::{Problem, Reply, Request};
use crate::Hub;
use crate::registry::Record;

impl Hub {
    pub(super) async fn list_modules(&self, device: &DeviceId) -> Result<Reply, Problem> {
        let modules = self.registry.list_modules(device).await?;
        let documents: Vec<Value> = modules.iter().map(|module| self.module_json(module)).collect();
        Ok(Reply::json(200, &documents.into()))
    }

    pub(super) async fn show_module(&self, device: &DeviceId, module: &ModuleId) -> Result<Reply, Problem> {
        Ok(self.module_reply(&self.registry.get_module(device, module).await?))
    }

    pub(super) async fn put_module(
        &self,
        request: &Request,
        device: &DeviceId,
        module: &ModuleId,
    ) -> Result<Reply, Problem> {
        let document: IdentityDocument = request.json()?;
        same_id("deviceId", document.device_id.as_deref(), device.as_str())?;
        same_id("moduleId", document.module_id.as_deref(), module.as_str())?;
        let record = self.registry.put_module(device, module, &document, &request.precondition()).await?;
        Ok(self.module_reply(&record))
    }

    pub(super) async fn delete_module(
        &self,
        request: &Request,
        device: &DeviceId,
        module: &ModuleId,
    ) -> Result<Reply, Problem> {
        self.registry.delete_module(device, module, &request.precondition()).await?;
        Ok(Reply::empty())
    }

    fn module_json(&self, record: &Record) -> Value {
        module_document(&record.identity, &self.registry.connection(&record.identity))
    }

    pub(super) fn module_reply(&self, record: &Record) -> Reply {
        Reply::json(200, &self.module_json(record)).with_etag(&record.identity.etag_text())
    }
}
