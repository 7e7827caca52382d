//! The routes of the management API.

use std::future::Future;
use std::pin::Pin;

use http::Method;

use super::{Management, Request};
use crate::api::{Api, Call, EDGE_VERSIONS, Problem, Reply, Versions};
use crate::caller::AGENT_CONTAINER;

impl Api for Management {
    fn versions(&self) -> Versions {
        EDGE_VERSIONS
    }

    fn answer<'a>(
        &'a self,
        call: &'a Call,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send + 'a>> {
        Box::pin(self.route(call))
    }
}

impl Management {
    async fn route(&self, call: &Call) -> Result<Reply, Problem> {
        let words: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        let shared = &self.shared;
        let agent = async || shared.callers.check_agent(call.peer).await;
        let is = |method: Method| call.method == method;
        match words.as_slice() {
            ["modules"] if is(Method::GET) => super::list_modules(&*shared.runtime, &shared.parts).await,
            ["modules"] if is(Method::POST) => {
                agent().await?;
                shared.create_module(call).await
            }
            ["modules", name] if is(Method::GET) => shared.show_module(name).await,
            ["modules", name] if is(Method::PUT) => {
                agent().await?;
                shared.update_module(call, name).await
            }
            ["modules", name] if is(Method::DELETE) => {
                agent().await?;
                shared.delete_module(name).await
            }
            ["modules", name, "prepareupdate"] if is(Method::POST) => {
                call.since("2019-01-30")?;
                agent().await?;
                shared.prepare_update(call, name).await
            }
            ["modules", name, "start"] if is(Method::POST) => shared.start_module(name).await,
            ["modules", name, "stop"] if is(Method::POST) => shared.stop_module(name).await,
            ["modules", name, "restart"] if is(Method::POST) => shared.restart_module(name).await,
            ["modules", name, "logs"] if is(Method::GET) => shared.logs(call, name).await,
            ["identities"] if is(Method::GET) => shared.list_identities().await,
            ["identities"] if is(Method::POST) => {
                agent().await?;
                shared.create_identity(call).await
            }
            ["identities", module] if is(Method::PUT) => {
                agent().await?;
                shared.update_identity(call, module).await
            }
            ["identities", module] if is(Method::DELETE) => {
                agent().await?;
                shared.delete_identity(module).await
            }
            ["systeminfo"] if is(Method::GET) => shared.system_info().await,
            ["systeminfo", "resources"] if is(Method::GET) => {
                call.since("2019-11-05")?;
                shared.system_resources().await
            }
            ["systeminfo", "supportbundle"] if is(Method::GET) => {
                call.since("2020-07-07")?;
                shared.support_bundle(call).await
            }
            ["device", "reprovision"] if is(Method::POST) => {
                call.since("2019-10-22")?;
                agent().await?;
                self.request(Request::Reprovision)
            }
            // Ours: how `config apply` tells the daemon.
            ["skerry", "v1", "reload"] if is(Method::POST) => {
                agent().await?;
                self.request(Request::Reload)
            }
            // Ours: what the agent thinks of its deployment, and why.
            ["skerry", "v1", "agent"] if is(Method::GET) => {
                let part = shared.parts.find(AGENT_CONTAINER).ok_or_else(Problem::not_found)?;
                let looked = part.look().await;
                looked.map(|found| Reply::json(200, &found)).ok_or_else(Problem::not_found)
            }
            // Ours: everything at a glance.
            ["skerry", "v1", "status"] if is(Method::GET) => shared.show_status().await,
            ["modules" | "identities" | "systeminfo"]
            | ["modules" | "identities", _]
            | ["modules", _, "prepareupdate" | "start" | "stop" | "restart" | "logs"]
            | ["systeminfo", "resources" | "supportbundle"]
            | ["device", "reprovision"]
            | ["skerry", "v1", "reload" | "agent" | "status"] => Err(Problem::method()),
            _ => Err(Problem::not_found()),
        }
    }

    /// Asked again before it is done is asked once.
    fn request(&self, request: Request) -> Result<Reply, Problem> {
        match self.shared.requests.try_send(request) {
            Ok(()) | Err(tokio::sync::mpsc::error::TrySendError::Full(_)) => Ok(Reply::empty()),
            Err(_) => Err(Problem::new(500, "the daemon is stopping")),
        }
    }
}
