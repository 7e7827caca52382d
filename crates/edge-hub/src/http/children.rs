//! What edge devices behind this one ask of it as of their hub.
//!
//! | path | who asks | from where it is answered |
//! |---|---|---|
//! | `/devices/{d}/modules[/{m}]` | the runtime of `d`, for its modules' identities | the hub, on its behalf |
//! | `/devices/{a}/modules/$edgeHub/putModuleOnBehalfOf`, `get…`, `delete…`, `getModulesOnTargetDevice` | the edge hub of `a`, for who is behind it | the same |
//! | `…/devicesAndModulesInTargetDeviceScope` | the same | what is known of the scope here |
//! | `…/getDeviceAndModuleOnBehalfOf` | the same | the same, after the hub was asked if it can be |

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, IF_MATCH};
use http::request::Parts;
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use skerry_front::Response;
use skerry_front::device::{PeerCertificates, Proof};
use skerry_model::identity::AuthChain;
use skerry_model::limits::{SCOPE_PAGE_DEFAULT, SCOPE_PAGE_MAX};
use skerry_model::{DeviceId, EDGE_HUB, IdentityId, ModuleId};

use super::{Problem, text};
use crate::scope::{Item, Known, hub_of};
use crate::service::Shared;

const API_VERSION: &str = "2020-06-30-preview";
/// The hub hears these in our name, so nothing else goes on, whatever it ends with.
const PASSED_ON: [&str; 4] =
    ["putModuleOnBehalfOf", "getModuleOnBehalfOf", "deleteModuleOnBehalfOf", "getModulesOnTargetDevice"];
const KIND: &str = "application/json; charset=utf-8";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeAsked {
    page_size: Option<usize>,
    /// `>`, and the device with which the page before ended.
    continuation_link: Option<String>,
    auth_chain: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityAsked {
    target_device_id: String,
    target_module_id: Option<String>,
    auth_chain: String,
}

/// A question of an edge hub; the rest of it goes on as it came.
#[derive(Deserialize)]
struct OnBehalf {
    #[serde(rename = "authChain")]
    auth_chain: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

impl Shared {
    /// `None` for a path that is none of these.
    pub(super) async fn answer_child(
        &self,
        head: &Parts,
        body: &Bytes,
        segments: &[&str],
    ) -> Option<Result<Response, Problem>> {
        Some(match (&head.method, segments) {
            (
                &Method::POST,
                ["devices", actor, "modules", EDGE_HUB, "devicesAndModulesInTargetDeviceScope"],
            ) => self.tell_scope(head, body, actor).await,
            (&Method::POST, ["devices", actor, "modules", EDGE_HUB, "getDeviceAndModuleOnBehalfOf"]) => {
                self.tell_identity(head, body, actor).await
            }
            (&Method::POST | &Method::PUT, ["devices", actor, "modules", EDGE_HUB, question])
                if PASSED_ON.contains(question) =>
            {
                self.pass_on(head, body, actor, question).await
            }
            (method, ["devices", device, "modules", rest @ ..]) if rest.len() < 2 => {
                self.manage_modules(head, body, method, device, rest.first().copied()).await
            }
            _ => return None,
        })
    }

    async fn tell_scope(&self, head: &Parts, body: &Bytes, actor: &str) -> Result<Response, Problem> {
        let actor = self.edge_hub(head, actor).await?;
        let asked: ScopeAsked = read(body)?;
        let edge = self.meant(&actor, &asked.auth_chain)?;
        let edge = self.scope.on_behalf(&actor, &edge).ok_or_else(|| not_behind(&asked.auth_chain))?;
        let size = asked.page_size.filter(|size| (1..=SCOPE_PAGE_MAX).contains(size));
        let size = size.unwrap_or(SCOPE_PAGE_DEFAULT);
        let (modules, behind) = self.scope.around(&edge);
        // The first page has the edge itself, and the others what is behind the last device of the one before.
        let from = asked.continuation_link.as_deref().and_then(|link| link.strip_prefix('>'));
        let (room, own, modules) = match from {
            None => (size - 1, vec![edge], modules),
            Some(_) => (size, Vec::new(), Vec::new()),
        };
        let is_left = |device: &DeviceId| from.is_none_or(|from| device.as_str() > from);
        let mut left = behind.into_values().filter(|known| is_left(&known.id.device));
        let page: Vec<_> = left.by_ref().take(room).collect();
        let last = page.last().map_or(from.unwrap_or_default(), |known| known.id.device.as_str());
        let link = left.next().map(|_| format!(">{last}"));
        let items = |all: &mut dyn Iterator<Item = &Arc<Known>>| -> Vec<Item> {
            all.map(|known| Item::of(known)).collect()
        };
        let devices = items(&mut own.iter().chain(&page));
        let modules = items(&mut modules.iter());
        Ok(json_reply(&json!({"devices": devices, "modules": modules, "continuationLink": link})))
    }

    async fn tell_identity(&self, head: &Parts, body: &Bytes, actor: &str) -> Result<Response, Problem> {
        let actor = self.edge_hub(head, actor).await?;
        let asked: IdentityAsked = read(body)?;
        let chain = self.meant(&actor, &asked.auth_chain)?;
        let edge = self.scope.on_behalf(&actor, &chain).ok_or_else(|| not_behind(&asked.auth_chain))?;
        let device: DeviceId = id(&asked.target_device_id)?;
        let module =
            asked.target_module_id.as_deref().filter(|module| !module.is_empty()).map(id).transpose()?;
        let wanted = IdentityId { device, module };
        // Whoever asks knows of nothing that fits: it may be new, or have new keys.
        let newest = self.scope.ask_for(&wanted).await;
        let is_behind = self.scope.path(&wanted.device).is_some_and(|path| path.contains(&edge.id.device));
        let device = self.scope.get(&IdentityId { device: wanted.device.clone(), module: None });
        let (Some(device), Some(known), true) = (device, self.scope.get(&wanted), is_behind) else {
            return Err(match newest {
                // It may be there all the same.
                Err(error) => Problem(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
                Ok(_) => Problem(
                    StatusCode::NOT_FOUND,
                    format!("{wanted} is not in the scope of {}", edge.id.device),
                ),
            });
        };
        let modules: Vec<Item> = wanted.module.iter().map(|_| Item::of(&known)).collect();
        Ok(json_reply(&json!({"devices": [Item::of(&device)], "modules": modules, "continuationLink": null})))
    }

    /// A question about modules of who is behind the edge device that asks.
    async fn pass_on(
        &self,
        head: &Parts,
        body: &Bytes,
        actor: &str,
        question: &str,
    ) -> Result<Response, Problem> {
        let actor = self.edge_hub(head, actor).await?;
        let OnBehalf { auth_chain, rest } = read(body)?;
        let chain = self.meant(&actor, &auth_chain)?;
        let target = self.scope.on_behalf(&actor, &chain).ok_or_else(|| not_behind(&auth_chain))?;
        self.ask_on_behalf(head, question, &target.id.device, rest).await
    }

    /// What the runtime of an edge device right behind this one asks of its hub.
    async fn manage_modules(
        &self,
        head: &Parts,
        body: &Bytes,
        method: &Method,
        device: &str,
        module: Option<&str>,
    ) -> Result<Response, Problem> {
        let device: DeviceId = id(device)?;
        self.prove(head, &IdentityId { device: device.clone(), module: None }).await?;
        let known = self.scope.get(&IdentityId { device: device.clone(), module: None });
        if device == self.options.device || !known.is_some_and(|known| known.is_edge) {
            let what = format!("{device} is no edge device behind this one");
            return Err(Problem(StatusCode::UNAUTHORIZED, what));
        }
        let mut rest = serde_json::Map::new();
        let question = match (method, module) {
            (&Method::GET, None) => "getModulesOnTargetDevice",
            (&Method::GET, Some(_)) => "getModuleOnBehalfOf",
            (&Method::PUT, Some(_)) => "putModuleOnBehalfOf",
            (&Method::DELETE, Some(_)) => "deleteModuleOnBehalfOf",
            _ => {
                let what = format!("modules are not asked by {method}");
                return Err(Problem(StatusCode::METHOD_NOT_ALLOWED, what));
            }
        };
        if let Some(module) = module {
            let module: ModuleId = id(module)?;
            match *method {
                Method::PUT => {
                    let mut wanted: serde_json::Map<String, Value> = read(body)?;
                    wanted.insert("moduleId".to_owned(), module.as_str().into());
                    rest.insert("module".to_owned(), wanted.into());
                }
                Method::DELETE => drop(rest.insert("moduleId".to_owned(), module.as_str().into())),
                _ => drop(rest.insert("targetModuleId".to_owned(), module.as_str().into())),
            }
        }
        self.ask_on_behalf(head, question, &device, rest).await
    }

    /// Asks the hub, and gives back what it says as it is.
    async fn ask_on_behalf(
        &self,
        head: &Parts,
        question: &str,
        target: &DeviceId,
        mut rest: serde_json::Map<String, Value>,
    ) -> Result<Response, Problem> {
        let path = self.scope.path(target).ok_or_else(|| not_behind(target.as_str()))?;
        let chain: Vec<&str> = path.iter().map(DeviceId::as_str).collect();
        rest.insert("authChain".to_owned(), chain.join(";").into());
        let named = rest.get("module").map_or(rest.get("moduleId"), |module| module.get("moduleId"));
        let changed: Option<ModuleId> = named.and_then(Value::as_str).and_then(|module| module.parse().ok());
        let own = utf8_percent_encode(self.options.device.as_str(), NON_ALPHANUMERIC);
        let place = format!("/devices/{own}/modules/{EDGE_HUB}/{question}?api-version={API_VERSION}");
        let replaces = head.headers.contains_key(IF_MATCH);
        let body = Bytes::from(Value::Object(rest).to_string());
        let reply = self.home.ask(place, replaces, body).await;
        let reply = reply.map_err(|error| Problem(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
        let status = StatusCode::from_u16(reply.status);
        let status = status.map_err(|error| Problem(StatusCode::BAD_GATEWAY, error.to_string()))?;
        if let Some(module) = changed.filter(|_| status.is_success()) {
            let id = IdentityId { device: target.clone(), module: Some(module) };
            // Its clients come with what was just registered.
            if let Err(error) = self.scope.look_at(&id).await {
                tracing::info!(%id, %error, "Nothing newer is known of an identity.");
            }
        }
        let mut response = text(status, KIND, String::new());
        *response.body_mut() = skerry_front::Body::from(reply.body);
        Ok(response)
    }

    /// The device whose edge hub asks; by that hub's own token, or its device's.
    async fn edge_hub(&self, head: &Parts, actor: &str) -> Result<DeviceId, Problem> {
        let actor: DeviceId = id(actor)?;
        let device = IdentityId { device: actor.clone(), module: None };
        match proof(head) {
            // A certificate is the device's.
            Proof::Certificate(_) => self.prove(head, &device).await?,
            _ => self.prove(head, &hub_of(&actor)).await?,
        }
        Ok(actor)
    }

    async fn prove(&self, head: &Parts, id: &IdentityId) -> Result<(), Problem> {
        let admitted = self.admit(id, &proof(head), None).await;
        admitted.map(drop).map_err(|error| Problem(StatusCode::UNAUTHORIZED, error.to_string()))
    }

    fn meant(&self, actor: &DeviceId, chain: &str) -> Result<AuthChain, Problem> {
        let chain = AuthChain::parse(chain).map_err(|error| Problem::bad(error.to_string()))?;
        match chain.devices().last() == Some(actor) {
            true => Ok(chain),
            false => Err(not_behind(&chain.to_string())),
        }
    }
}

fn proof(head: &Parts) -> Proof {
    let token = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match (token, head.extensions.get::<PeerCertificates>()) {
        (Some(token), _) => Proof::Token(token.to_owned()),
        (None, Some(chain)) => Proof::Certificate(chain.clone()),
        (None, None) => Proof::Nothing,
    }
}

fn id<T: std::str::FromStr<Err = skerry_model::IdError>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: skerry_model::IdError| Problem::bad(error.to_string()))
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad(format!("the body cannot be read: {error}")))
}

fn not_behind(chain: &str) -> Problem {
    let what = format!("{chain} is not behind the edge device that asks, or not as it says");
    Problem(StatusCode::UNAUTHORIZED, what)
}

fn json_reply(body: &Value) -> Response {
    text(StatusCode::OK, KIND, body.to_string())
}
