//! Commands as applications send and purge them: `POST /devices/{id}/messages/deviceBound`,
//! `DELETE /devices/{id}/commands`, and the same for modules.

use percent_encoding::percent_decode_str;
use serde_json::json;
use skerry_model::{DeviceId, IdentityId, ModuleId};

use super::messages::single;
use super::{Problem, Reply, Request};
use crate::Hub;
use crate::commands::{LeaseError, SendError, SettleError};

impl Hub {
    pub(super) async fn send_command(
        &self,
        request: &Request,
        device: &str,
        module: Option<&str>,
    ) -> Result<Reply, Problem> {
        let mut message = single(request)?;
        message.system.to = request.header("iothub-to").map(str::to_owned);
        if message.system.content_encoding.is_none() {
            message.system.content_encoding = request.header("content-encoding").map(str::to_owned);
        }
        let module = module.map(str::parse::<ModuleId>).transpose()?;
        // Some tools encode the id twice, and an id may hold a percent sign itself.
        let decoded = percent_decode_str(device).decode_utf8().ok().filter(|again| *again != device);
        let ids = std::iter::once(device).chain(decoded.as_deref());
        let named: Vec<IdentityId> = ids
            .filter_map(|id| Some(IdentityId { device: id.parse().ok()?, module: module.clone() }))
            .collect();
        if named.is_empty() {
            device.parse::<DeviceId>()?;
        }
        self.commands.send_to_one_of(&named, message).await?;
        Ok(Reply::empty())
    }

    pub(super) async fn purge_commands(&self, device: &str, module: Option<&str>) -> Result<Reply, Problem> {
        let (device, module) = (device.parse()?, module.map(str::parse::<ModuleId>).transpose()?);
        let purged = self.commands.purge(&device, module.as_ref()).await?;
        Ok(Reply::json(200, &json!({"totalMessagesPurged": purged, "deviceId": device, "moduleId": module})))
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<LeaseError> for Problem {
    fn from(error: LeaseError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<SettleError> for Problem {
    fn from(error: SettleError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
