//! `POST /devices/{id}/applyConfigurationContent`: sets the modules of one edge device, once.

use serde_json::Value;
use skerry_model::DeviceId;
use skerry_model::deployment::Content;

use super::{Problem, Reply, Request};
use crate::Hub;
use crate::access::Right;
use crate::registry::RegistryError;

impl Hub {
    /// Makes identities and writes twins, so it takes the rights for both.
    pub(super) async fn apply_content(&self, request: &Request, device: &DeviceId) -> Result<Reply, Problem> {
        let caller = self.authorizer.authenticate(request.header("authorization"), None).await?;
        caller.require_any(&[Right::RegistryWrite])?;
        caller.require_any(&[Right::ServiceConnect])?;
        let content = Content::read(&request.json::<Value>()?).map_err(RegistryError::from)?;
        self.registry.apply_content(device, &content).await?;
        Ok(Reply::empty())
    }
}
