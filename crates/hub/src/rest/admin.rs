//! The hub's own management below `/skerry/v1/`: policies, status, metrics and faults. Everything here needs a
//! policy that holds all rights.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::route::{not_allowed, unknown};
use super::{Problem, Reply, Request};
use crate::Hub;
use crate::access::{Policy, Rights};

#[derive(Deserialize)]
struct PolicyDocument {
    rights: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegenerateDocument {
    policy_key: String,
}

impl Hub {
    pub(super) async fn administer(&self, request: &Request, path: &[&str]) -> Result<Reply, Problem> {
        let caller = self.authorizer.authenticate(request.header("authorization"), None).await?;
        caller.require_owner()?;
        let method = &request.head.method;
        match (path, method) {
            (["certificates", rest @ ..], _) => self.administer_authorities(request, rest).await,
            (["eventHubEndpoints", "events", groups, rest @ ..], _)
                if groups.eq_ignore_ascii_case("consumerGroups") =>
            {
                self.administer_groups(request, rest).await
            }
            (["faults"], &Method::POST) => self.ask_for_fault(request).await,
            (["faults"], _) => Err(not_allowed(method, "POST")),
            (["status"], &Method::GET) => Ok(self.show_status().await),
            (["metrics"], &Method::GET) => Ok(self.show_metrics().await),
            (["files"], &Method::GET) => self.list_files(request).await,
            (["files"], &Method::POST) => self.link_files(request),
            (["policies"], &Method::GET) => {
                let policies: Vec<Value> = self.policies.all().iter().map(policy_json).collect();
                Ok(Reply::json(200, &policies.into()))
            }
            (["policies", name], &Method::GET) => match self.policies.get(name) {
                Some(policy) => Ok(Reply::json(200, &policy_json(&policy))),
                None => Err(crate::access::PolicyError::NotFound { name: (*name).to_owned() }.into()),
            },
            (["policies", name], &Method::PUT) => {
                let document: PolicyDocument = request.json()?;
                let rights: Rights = document
                    .rights
                    .parse()
                    .map_err(|error: crate::access::RightsError| Problem::argument(error.to_string()))?;
                let policy = self.policies.create(name, rights, self.random.as_ref())?;
                Ok(Reply::json(200, &policy_json(&policy)))
            }
            (["policies", name], &Method::DELETE) => {
                self.policies.delete(name)?;
                Ok(Reply::empty())
            }
            (["policies", name, "regenerate"], &Method::POST) => {
                let document: RegenerateDocument = request.json()?;
                let (primary, secondary) = match document.policy_key.as_str() {
                    "primaryKey" => (true, false),
                    "secondaryKey" => (false, true),
                    "both" => (true, true),
                    _ => return Err(Problem::argument("policyKey must be primaryKey, secondaryKey or both")),
                };
                let policy = self.policies.regenerate(name, primary, secondary, self.random.as_ref())?;
                Ok(Reply::json(200, &policy_json(&policy)))
            }
            (["files"], _) => Err(not_allowed(method, "GET, POST")),
            (["status" | "metrics" | "policies"], _) => Err(not_allowed(method, "GET")),
            (["policies", _], _) => Err(not_allowed(method, "GET, PUT, DELETE")),
            _ => Err(unknown(request)),
        }
    }
}

fn policy_json(policy: &Policy) -> Value {
    json!({
        "keyName": policy.name,
        "primaryKey": policy.primary.reveal(),
        "secondaryKey": policy.secondary.reveal(),
        "rights": policy.rights.to_string(),
    })
}
