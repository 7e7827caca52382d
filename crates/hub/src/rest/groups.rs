//! `/skerry/v1/eventHubEndpoints/events/ConsumerGroups`: who reads events, in the shape of the original's
//! management plane.

use http::Method;
use serde_json::{Value, json};

use super::route::{not_allowed, unknown};
use super::{Problem, Reply, Request};
use crate::Hub;
use crate::groups::{Group, GroupError};
use crate::to_its_end::to_its_end;

impl Hub {
    /// The caller holds all rights; `path` is what follows the name of the endpoint.
    pub(super) async fn administer_groups(&self, request: &Request, path: &[&str]) -> Result<Reply, Problem> {
        let (groups, links) = (self.groups.clone(), self.links.clone());
        let method = &request.head.method;
        match (path, method) {
            ([], &Method::GET) => {
                let all: Vec<Value> = groups.all().await?.iter().map(shown).collect();
                Ok(Reply::json(200, &json!({"value": all})))
            }
            ([name], &Method::GET) => Ok(Reply::json(200, &shown(&groups.get(name).await?))),
            ([name], &Method::PUT) => {
                let name = (*name).to_owned();
                let group = to_its_end(async move { groups.create(&name).await }).await?;
                Ok(Reply::json(200, &shown(&group)))
            }
            ([name], &Method::DELETE) => {
                let name = (*name).to_owned();
                let change = async move {
                    let name = groups.delete(&name).await?;
                    links.end_group(&name);
                    Ok::<(), GroupError>(())
                };
                to_its_end(change).await?;
                Ok(Reply::empty())
            }
            ([], _) => Err(not_allowed(method, "GET")),
            ([_], _) => Err(not_allowed(method, "GET, PUT, DELETE")),
            _ => Err(unknown(request)),
        }
    }
}

fn shown(group: &Group) -> Value {
    json!({"name": group.name.as_str(), "properties": {"created": group.created}})
}

impl From<GroupError> for Problem {
    fn from(error: GroupError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
