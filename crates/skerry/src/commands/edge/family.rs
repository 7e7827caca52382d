//! Parents and children of edge devices.

use http::Method;
use serde_json::{Value, json};

use super::super::identity::{if_match_read, path};
use super::super::query::rows;
use crate::client::Client;
use crate::failure::Failure;
use crate::output;

const SCOPE: &str = "ms-azure-iot-edge://";

/// Writes a parent into the document of a device that is about to be sent; empty for none.
pub(crate) async fn set_parent(
    client: &mut Client,
    document: &mut Value,
    parent: &str,
) -> Result<(), Failure> {
    let scope = if parent.is_empty() { String::new() } else { scope_of(client, parent).await? };
    if document["capabilities"]["iotEdge"] == true {
        document["parentScopes"] = if scope.is_empty() { json!([]) } else { json!([scope]) };
    } else {
        document["deviceScope"] = json!(scope);
    }
    Ok(())
}

/// Shows the parent, after changing it where one is named.
pub(super) async fn parent(
    client: &mut Client,
    device: &str,
    parent: Option<&str>,
    as_json: bool,
) -> Result<(), Failure> {
    let mut document = client.get(&path(device, None)).await?.body;
    if let Some(parent) = parent {
        let etag = if_match_read(None, &document);
        set_parent(client, &mut document, parent).await?;
        let headers = [("if-match", etag.as_str())];
        document = client.call(Method::PUT, &path(device, None), Some(&document), &headers).await?.body;
    }
    let scope = document["parentScopes"][0].as_str();
    let parent = scope.and_then(|scope| scope.strip_prefix(SCOPE)?.rsplit_once('-')).map(|(id, _)| id);
    if as_json {
        return output::json(&json!({"deviceId": device, "parent": parent, "parentScope": scope}));
    }
    match parent {
        Some(parent) => output::line(parent),
        None => {
            eprintln!("{device} is behind no edge device.");
            Ok(())
        }
    }
}

pub(super) async fn children(client: &mut Client, device: &str, as_json: bool) -> Result<(), Failure> {
    let scope = scope_of(client, device).await?.replace('\'', "''");
    let text = format!("SELECT * FROM devices WHERE array_contains(parentScopes, '{scope}')");
    let children = rows(client, &text, 1000, None).await?;
    if as_json {
        return output::json(&children.into());
    }
    let cells = |child: &Value| {
        let names = ["deviceId", "status", "connectionState"];
        let mut row: Vec<String> = names.iter().map(|name| output::cell(&child[*name])).collect();
        row.push(output::cell(&child["capabilities"]["iotEdge"]));
        row
    };
    let table: Vec<Vec<String>> = children.iter().map(cells).collect();
    output::table(&["device", "status", "connection", "edge"], &table)
}

async fn scope_of(client: &mut Client, device: &str) -> Result<String, Failure> {
    let document = client.get(&path(device, None)).await?.body;
    let scope = document["deviceScope"].as_str().filter(|_| document["capabilities"]["iotEdge"] == true);
    let scope = scope.map(str::to_owned);
    scope.ok_or_else(|| Failure::usage(format!("{device} is not an edge device, so it can have no children")))
}
