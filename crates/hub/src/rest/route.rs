//! From method and path to an operation, with the right that it needs.

use http::Method;
use skerry_model::{DeviceId, ErrorCode, ModuleId};

use super::edge::EdgePath;
use super::inbox::DeviceBound;
use super::{Problem, Reply, Request, files, path};
use crate::Hub;
use crate::access::{Caller, Right};

/// Bytes of a request body, for everything but bulk requests.
pub const BODY_BYTES_MAX: usize = 2 << 20;
/// A hundred identities with their twins.
const BULK_BODY_BYTES_MAX: usize = 8 << 20;

/// A batch of messages with its base64, or one that is so much too large that it is refused unread.
const MESSAGES_BODY_BYTES_MAX: usize = 1 << 20;

const REGISTRY_READ: &[Right] = &[Right::RegistryRead];
const REGISTRY_WRITE: &[Right] = &[Right::RegistryWrite];
const SERVICE: &[Right] = &[Right::ServiceConnect];
const QUERY: &[Right] = &[Right::ServiceConnect, Right::RegistryRead];

/// How many bytes of body a request may have.
pub fn body_bytes_max(method: &Method, path: &str) -> usize {
    let segments = path::segments(path).unwrap_or_default();
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["devices"] if method == Method::POST => BULK_BODY_BYTES_MAX,
        ["devices", .., "messages", "events"] => MESSAGES_BODY_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    }
}

impl Hub {
    /// Answers one request of the service API.
    pub async fn answer(&self, request: &Request) -> Reply {
        let mut reply = match self.route(request).await {
            Ok(reply) => reply,
            Err(problem) => return self.refuse(&problem),
        };
        self.name_request(&mut reply);
        reply
    }

    /// Renders a refusal that happened outside the operations.
    pub(super) fn refuse(&self, problem: &Problem) -> Reply {
        let mut reply = problem.render(self.random.as_ref(), self.clock.now());
        self.name_request(&mut reply);
        reply
    }

    fn name_request(&self, reply: &mut Reply) {
        let mut id = [0; 16];
        self.random.fill(&mut id);
        reply.header("x-ms-request-id", format!("{:032x}", u128::from_be_bytes(id)));
    }

    async fn route(&self, request: &Request) -> Result<Reply, Problem> {
        if let Some(name) = files::file_of(request) {
            return self.delete_file(request, &name).await;
        }
        let segments = path::segments(request.head.uri.path()).ok_or_else(|| {
            Problem::new(ErrorCode::OperationNotFound, "the path is not text, or far too long")
        })?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let method = &request.head.method;
        if let Some(health) = self.health(request, &segments).await {
            return health;
        }
        if let ["skerry", "v1", rest @ ..] = segments.as_slice() {
            return self.administer(request, rest).await;
        }
        if let Some(bound) = DeviceBound::find(&segments) {
            if bound.is_sent_to(method) {
                let hub = self.allow(request, SERVICE).await?;
                return hub.send_command(request, bound.device, bound.module).await;
            }
            return self.inbox(request, &bound).await;
        }
        if let Some(path) = EdgePath::find(&segments) {
            return self.edge(request, &path).await;
        }
        match segments.as_slice() {
            ["devices"] => match *method {
                Method::GET => self.allow(request, REGISTRY_READ).await?.list_devices(request).await,
                Method::POST => self.allow(request, REGISTRY_WRITE).await?.bulk(request).await,
                _ => Err(not_allowed(method, "GET, POST")),
            },
            ["devices", "query"] if *method == Method::POST => {
                self.allow(request, QUERY).await?.run_query(request).await
            }
            ["devices", "keys", "regenerate"] if *method == Method::POST => {
                self.allow(request, REGISTRY_WRITE).await?.regenerate_keys(request).await
            }
            ["devices", id] => {
                let right = if *method == Method::GET { REGISTRY_READ } else { REGISTRY_WRITE };
                let hub = self.allow(request, right).await?;
                let device = id.parse::<DeviceId>()?;
                match *method {
                    Method::GET => hub.show_device(&device).await,
                    Method::PUT => hub.put_device(request, &device).await,
                    Method::DELETE => hub.delete_device(request, &device).await,
                    _ => Err(not_allowed(method, "GET, PUT, DELETE")),
                }
            }
            ["devices", id, "modules"] => {
                self.allow_modules(request, id).await?;
                match *method {
                    Method::GET => self.list_modules(&id.parse::<DeviceId>()?).await,
                    _ => Err(not_allowed(method, "GET")),
                }
            }
            ["devices", id, "modules", module] => {
                self.allow_modules(request, id).await?;
                let (device, module) = (id.parse::<DeviceId>()?, module.parse::<ModuleId>()?);
                match *method {
                    Method::GET => self.show_module(&device, &module).await,
                    Method::PUT => self.put_module(request, &device, &module).await,
                    Method::DELETE => self.delete_module(request, &device, &module).await,
                    _ => Err(not_allowed(method, "GET, PUT, DELETE")),
                }
            }
            ["devices", id, "commands"] if *method == Method::DELETE => {
                self.allow(request, SERVICE).await?.purge_commands(id, None).await
            }
            ["devices", id, "modules", module, "commands"] if *method == Method::DELETE => {
                self.allow(request, SERVICE).await?.purge_commands(id, Some(module)).await
            }
            ["messages", bound, "feedback", rest @ ..] if bound.eq_ignore_ascii_case("servicebound") => {
                self.allow(request, SERVICE).await?.show_feedback(request, rest).await
            }
            ["devices", device, "messages", "events"] if *method == Method::POST => {
                self.take_messages(request, device, None).await
            }
            ["devices", device, "modules", module, "messages", "events"] if *method == Method::POST => {
                self.take_messages(request, device, Some(module)).await
            }
            ["devices", device, "files", rest @ ..] if *method == Method::POST => {
                self.upload(request, device, rest).await
            }
            ["messages", way, "filenotifications", rest @ ..] if way.eq_ignore_ascii_case("serviceBound") => {
                self.allow(request, files::NOTICES).await?.file_notices(request, rest).await
            }
            ["statistics", which @ ("devices" | "service")] => {
                let hub = self.allow(request, REGISTRY_READ).await?;
                match *method {
                    Method::GET => hub.show_statistics(which).await,
                    _ => Err(not_allowed(method, "GET")),
                }
            }
            ["twins", id, "methods"] if *method == Method::POST => {
                self.allow(request, SERVICE).await?.invoke(request, id, None).await
            }
            ["twins", id, "modules", module, "methods"] if *method == Method::POST => {
                self.allow(request, SERVICE).await?.invoke(request, id, Some(module)).await
            }
            ["twins", id] => self.allow(request, SERVICE).await?.twin(request, id, None).await,
            ["twins", id, "modules", module] => {
                self.allow(request, SERVICE).await?.twin(request, id, Some(module)).await
            }
            _ => Err(unknown(request)),
        }
    }

    /// Checks the api version and the caller; what follows may rely on both.
    async fn allow(&self, request: &Request, rights: &[Right]) -> Result<&Self, Problem> {
        check_version(request)?;
        let caller = self.authorizer.authenticate(request.header("authorization"), None).await?;
        caller.require_any(rights)?;
        Ok(self)
    }

    /// Modules are also managed by the edge device that they are on, with its own token or certificate.
    async fn allow_modules(&self, request: &Request, device: &str) -> Result<(), Problem> {
        check_version(request)?;
        let caller = self.authorizer.manager_of(&request.proof(), &device.parse()?).await?;
        match caller {
            Caller::Device(_) => Ok(()),
            policy if request.head.method == Method::GET => Ok(policy.require_any(REGISTRY_READ)?),
            policy => Ok(policy.require_any(REGISTRY_WRITE)?),
        }
    }
}

/// Any dated version will do: what the versions differ in, clients ignore.
pub(super) fn check_version(request: &Request) -> Result<(), Problem> {
    let version = request.query("api-version").unwrap_or_default();
    let date = version.strip_suffix("-preview").unwrap_or(&version);
    let dated = date.len() == 10
        && date
            .bytes()
            .enumerate()
            .all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() });
    if dated {
        return Ok(());
    }
    let text = "add api-version=2021-04-12 or another dated version to the query string";
    Err(Problem::new(ErrorCode::InvalidProtocolVersion, text))
}

pub(super) fn not_allowed(method: &Method, allowed: &str) -> Problem {
    let text = format!("{method} is not possible here, use {allowed}");
    Problem::new(ErrorCode::MethodNotAllowed, text)
}

pub(super) fn unknown(request: &Request) -> Problem {
    let path: String = request.head.uri.path().chars().take(200).collect();
    Problem::new(
        ErrorCode::OperationNotFound,
        format!("{} {path} is no operation of this hub", request.head.method),
    )
}
