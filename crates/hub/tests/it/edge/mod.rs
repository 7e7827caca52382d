//! The hub's half of the edge: modules set, identities by the device's own credential, scopes.

mod behalf;
mod behind;
mod capability;
mod content;
mod own;
mod scope;

use http::Method;
use serde_json::{Value, json};
use skerry_tokens::SharedKey;

use crate::world::{Answer, HOST, World};

/// An edge device behind `parent`; its document.
async fn edge(world: &World, id: &str, parent: Option<&Value>) -> Value {
    let parents: Vec<Value> = parent.map(|parent| parent["deviceScope"].clone()).into_iter().collect();
    let body = json!({"deviceId": id, "capabilities": {"iotEdge": true}, "parentScopes": parents});
    world.put(&format!("/devices/{id}"), body).await.expect(200)
}

/// A device behind `parent`; its document.
async fn leaf(world: &World, id: &str, parent: &Value) -> Value {
    let body = json!({"deviceId": id, "deviceScope": parent["deviceScope"]});
    world.put(&format!("/devices/{id}"), body).await.expect(200)
}

fn key_of(document: &Value) -> SharedKey {
    document["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().parse().unwrap()
}

/// The token that a device makes of its own key.
fn own_token(world: &World, device: &Value) -> String {
    let id = device["deviceId"].as_str().unwrap();
    world.token_signed_with(None, key_of(device), &format!("{HOST}/devices/{id}"))
}

/// The token of an edge hub, after its runtime has given it keys.
async fn hub_token(world: &World, id: &str) -> String {
    let path = format!("/devices/{id}/modules/$edgeHub");
    let keys = json!({"authentication": {"type": "sas"}, "managedBy": "iotEdge"});
    let module = world.call_with(Method::PUT, &path, Some(keys), &[("if-match", "*")]).await.expect(200);
    world.token_signed_with(None, key_of(&module), &format!("{HOST}/devices/{id}/modules/$edgeHub"))
}

async fn with_token(world: &World, method: Method, uri: &str, body: Option<Value>, token: &str) -> Answer {
    with_headers(world, method, uri, body, token, &[]).await
}

async fn with_headers(
    world: &World,
    method: Method,
    uri: &str,
    body: Option<Value>,
    token: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let separator = if uri.contains('?') { '&' } else { '?' };
    let uri = match uri.contains("api-version=") {
        true => uri.to_owned(),
        false => format!("{uri}{separator}api-version=2020-06-30-preview"),
    };
    let mut all = vec![("authorization", token)];
    all.extend_from_slice(headers);
    let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    world.raw(method, &uri, body, &all).await
}

fn ids(list: &Value, member: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one[member].as_str().unwrap().to_owned()).collect()
}
