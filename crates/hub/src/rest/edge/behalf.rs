//! Modules of an edge device that is behind another one: its runtime asks its parent's edge hub, which asks here.

use serde::Deserialize;
use skerry_model::ModuleId;
use skerry_model::identity::AuthChain;
use skerry_model::identity::wire::IdentityDocument;

use super::super::devices::same_id;
use super::{Problem, Reply, Request};
use crate::Hub;
use crate::registry::{Precondition, Record};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutRequest {
    auth_chain: String,
    module: IdentityDocument,
}

/// Edge hubs call the module one way when they read it and another when they delete it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModuleRequest {
    auth_chain: String,
    #[serde(alias = "moduleId")]
    target_module_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListRequest {
    auth_chain: String,
}

impl Hub {
    async fn target(&self, actor: &Record, chain: &str) -> Result<Record, Problem> {
        Ok(self.authorizer.on_behalf(actor, &AuthChain::parse(chain)?).await?)
    }

    pub(super) async fn put_module_on_behalf(
        &self,
        request: &Request,
        actor: &Record,
    ) -> Result<Reply, Problem> {
        let asked: PutRequest = request.json()?;
        let device = self.target(actor, &asked.auth_chain).await?.identity.device;
        same_id("module.deviceId", asked.module.device_id.as_deref(), device.as_str())?;
        let module: ModuleId = asked.module.module_id.as_deref().unwrap_or_default().parse()?;
        let record =
            self.registry.put_module(&device, &module, &asked.module, &request.precondition()).await?;
        Ok(self.module_reply(&record))
    }

    pub(super) async fn show_module_on_behalf(
        &self,
        request: &Request,
        actor: &Record,
    ) -> Result<Reply, Problem> {
        let asked: ModuleRequest = request.json()?;
        let device = self.target(actor, &asked.auth_chain).await?.identity.device;
        self.show_module(&device, &asked.target_module_id.parse()?).await
    }

    pub(super) async fn list_modules_on_behalf(
        &self,
        request: &Request,
        actor: &Record,
    ) -> Result<Reply, Problem> {
        let asked: ListRequest = request.json()?;
        let device = self.target(actor, &asked.auth_chain).await?.identity.device;
        self.list_modules(&device).await
    }

    pub(super) async fn delete_module_on_behalf(
        &self,
        request: &Request,
        actor: &Record,
    ) -> Result<Reply, Problem> {
        let asked: ModuleRequest = request.json()?;
        let device = self.target(actor, &asked.auth_chain).await?.identity.device;
        self.registry.delete_module(&device, &asked.target_module_id.parse()?, &Precondition::None).await?;
        Ok(Reply::empty())
    }
}
