//! `/twins/{id}` and `/twins/{id}/modules/{module}`.

use http::Method;
use serde_json::Value;
use skerry_model::twin::{TwinDocument, twin_document};
use skerry_model::{DeviceId, ModuleId};
use skerry_store::documents::Lane;

use super::route::not_allowed;
use super::{Problem, Reply, Request};
use crate::Hub;
use crate::registry::Record;

impl Hub {
    pub(super) async fn twin(
        &self,
        request: &Request,
        device: &str,
        module: Option<&str>,
    ) -> Result<Reply, Problem> {
        let device = device.parse::<DeviceId>()?;
        let module = module.map(str::parse::<ModuleId>).transpose()?;
        let (module, precondition) = (module.as_ref(), request.precondition());
        let record = match request.head.method {
            Method::GET => self.registry.get_twin(&device, module).await?,
            Method::PATCH => {
                let patch = TwinDocument::read(&request.json::<Value>()?)?;
                self.registry.patch_twin(&device, module, &patch, &precondition, Lane::Interactive).await?
            }
            Method::PUT => {
                let with = TwinDocument::read(&request.json::<Value>()?)?;
                self.registry.replace_twin(&device, module, &with, &precondition).await?
            }
            _ => return Err(not_allowed(&request.head.method, "GET, PATCH, PUT")),
        };
        Ok(self.twin_reply(&record))
    }

    fn twin_reply(&self, record: &Record) -> Reply {
        let connection = self.registry.connection(&record.identity);
        let document = twin_document(&record.identity, &record.twin, &connection);
        Reply::json(200, &Value::Object(document)).with_etag(&record.twin.etag_text())
    }
}
