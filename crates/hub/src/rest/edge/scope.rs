//! Which devices and modules an edge hub lets in by itself, and by which keys. A piece has the edge device with its
//! modules and what is right behind it; edge hubs ask again for each edge device that they find.
//!
//! Without nesting an edge hub asks for its own scope and follows links. With it, it names whom it asks for by the
//! chain of devices up to itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use skerry_model::identity::{AuthChain, ScopeId, scope_wire};
use skerry_model::limits::{SCOPE_PAGE_DEFAULT, SCOPE_PAGE_MAX};
use skerry_model::{DeviceId, ErrorCode, ModuleId};

use super::{Problem, Reply, Request};
use crate::Hub;
use crate::registry::{Record, RegistryError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeRequest {
    page_size: Option<i64>,
    continuation_link: Option<String>,
    auth_chain: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityRequest {
    target_device_id: String,
    target_module_id: Option<String>,
    auth_chain: String,
}

/// Where a walk over a scope stands: behind this device, or before the first.
struct Place(String);

impl Place {
    fn read(text: Option<String>) -> Result<Option<Self>, Problem> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let bytes = URL_SAFE_NO_PAD.decode(&text).ok();
        let place = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let device = place.and_then(|place| place.strip_prefix('>').map(str::to_owned));
        let foreign = || Problem::argument("the continuation is not one of this hub, begin anew without it");
        device.map(Self).map(Some).ok_or_else(foreign)
    }

    fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!(">{}", self.0))
    }
}

impl Hub {
    pub(super) async fn scope_flat(&self, request: &Request, actor: &Record) -> Result<Reply, Problem> {
        let asked = request.query("deviceCount").filter(|text| !text.is_empty());
        let count = asked.map(|text| text.parse::<i64>()).transpose();
        let count = page_size(count.map_err(|_| Problem::argument("deviceCount must be a number"))?)?;
        let from = Place::read(request.query("continuationToken"))?;
        let device = utf8_percent_encode(actor.identity.device.as_str(), NON_ALPHANUMERIC);
        let version = request.query("api-version").unwrap_or_default();
        self.piece_of_scope(actor, from, count, |next| {
            format!(
                "/devices/{device}/modules/$edgeHub/devicesAndModulesInDeviceScope?deviceCount={count}\
                 &continuationToken={next}&api-version={version}"
            )
        })
        .await
    }

    pub(super) async fn scope_of_target(&self, request: &Request, actor: &Record) -> Result<Reply, Problem> {
        let asked: ScopeRequest = request.json()?;
        let chain = AuthChain::parse(&asked.auth_chain)?;
        let (count, from) = (page_size(asked.page_size)?, Place::read(asked.continuation_link)?);
        let target = self.authorizer.on_behalf(actor, &chain).await?;
        self.piece_of_scope(&target, from, count, |next| next).await
    }

    pub(super) async fn identity_flat(&self, request: &Request, actor: &Record) -> Result<Reply, Problem> {
        let device = request.query("targetDeviceId").unwrap_or_default();
        self.identity_in_scope(actor, &device, request.query("targetModuleId").as_deref()).await
    }

    pub(super) async fn identity_on_behalf(
        &self,
        request: &Request,
        actor: &Record,
    ) -> Result<Reply, Problem> {
        let asked: IdentityRequest = request.json()?;
        let chain = AuthChain::parse(&asked.auth_chain)?;
        let edge = self.authorizer.on_behalf(actor, &chain).await?;
        self.identity_in_scope(&edge, &asked.target_device_id, asked.target_module_id.as_deref()).await
    }

    /// The first piece has the edge device and its modules, the others only what is behind it.
    async fn piece_of_scope(
        &self,
        edge: &Record,
        from: Option<Place>,
        count: usize,
        link: impl FnOnce(String) -> String,
    ) -> Result<Reply, Problem> {
        let (mut devices, mut modules) = (Vec::new(), Vec::new());
        if from.is_none() {
            devices.push(edge.clone());
            modules = self.registry.list_modules(&edge.identity.device).await?;
        }
        let room = count - devices.len();
        let after = from.map(|place| place.0).filter(|device| !device.is_empty());
        let next = match edge.identity.scope.as_ref() {
            Some(scope) => self.behind(scope, after, room, &mut devices).await?,
            None => None,
        };
        let next = next.map(|device| link(Place(device).text()));
        Ok(answer(&devices, &modules, next.as_deref()))
    }

    async fn behind(
        &self,
        scope: &ScopeId,
        after: Option<String>,
        room: usize,
        devices: &mut Vec<Record>,
    ) -> Result<Option<String>, RegistryError> {
        if room == 0 {
            return Ok(Some(after.unwrap_or_default()));
        }
        let found = self.registry.children(scope, after.as_deref(), room).await?;
        devices.extend(found.devices);
        Ok(found.next)
    }

    /// What is somewhere behind the edge device; whether anything else is registered is nobody's business.
    async fn identity_in_scope(
        &self,
        edge: &Record,
        device: &str,
        module: Option<&str>,
    ) -> Result<Reply, Problem> {
        let device = device.parse::<DeviceId>()?;
        let module = module.filter(|id| !id.is_empty()).map(str::parse::<ModuleId>).transpose()?;
        let outside = || {
            let named = module.as_ref().map(|module| format!("/{module}")).unwrap_or_default();
            let text = format!("{device}{named} is not in the scope of {}", edge.identity.device);
            Problem::new(ErrorCode::InvalidDeviceScope, text)
        };
        let found = match self.registry.get_device(&device).await {
            Err(RegistryError::DeviceNotFound { .. }) => return Err(outside()),
            found => found?,
        };
        if !self.registry.is_within(&found, edge).await? {
            return Err(outside());
        }
        let modules = match &module {
            None => Vec::new(),
            Some(module) => match self.registry.get_module(&device, module).await {
                Err(RegistryError::DeviceNotFound { .. } | RegistryError::ModuleNotFound { .. }) => {
                    return Err(outside());
                }
                found => vec![found?],
            },
        };
        Ok(answer(&[found], &modules, None))
    }
}

fn answer(devices: &[Record], modules: &[Record], next: Option<&str>) -> Reply {
    let (devices, modules) = (devices.iter(), modules.iter());
    let body = scope_wire::answer(devices.map(|one| &one.identity), modules.map(|one| &one.identity), next);
    Reply::json(200, &body)
}

/// How many devices a piece has; none asked for is as if nothing was said.
fn page_size(asked: Option<i64>) -> Result<usize, Problem> {
    let asked = usize::try_from(asked.unwrap_or_default()).ok().filter(|asked| *asked <= SCOPE_PAGE_MAX);
    match asked {
        Some(0) => Ok(SCOPE_PAGE_DEFAULT),
        Some(count) => Ok(count),
        None => Err(Problem::argument(format!("a page has 1 to {SCOPE_PAGE_MAX} devices"))),
    }
}
