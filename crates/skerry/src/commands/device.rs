//! `skerry device …`

use http::Method;
use serde_json::{Value, json};

use super::edge::set_parent;
use super::identity::{apply_auth, delete, if_match_read};
use super::query::rows;
use super::{identity, sas_token, simulate};
use crate::args::{DeviceArgs, DeviceChange, DeviceVerb, KeyVerb, StatusWord, WhichKey};
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;

pub async fn run(args: DeviceArgs) -> Result<(), Failure> {
    let mut client = Client::connect(&args.target).await?;
    let json = args.target.json;
    match args.verb {
        DeviceVerb::Create { id, change } => {
            let mut document = json!({"deviceId": id});
            apply(&mut client, &mut document, &change).await?;
            let device = client.call(Method::PUT, &path(&id), Some(&document), &[]).await?.body;
            show(&device, json)
        }
        DeviceVerb::Show { id } => show(&client.get(&path(&id)).await?.body, json),
        DeviceVerb::List { top, edge } => list(&mut client, top, edge, json).await,
        DeviceVerb::Update { id, change, etag } => {
            let mut document = client.get(&path(&id)).await?.body;
            let etag = if_match_read(etag.as_deref(), &document);
            apply(&mut client, &mut document, &change).await?;
            let headers = [("if-match", etag.as_str())];
            let device = client.call(Method::PUT, &path(&id), Some(&document), &headers).await?.body;
            show(&device, json)
        }
        DeviceVerb::Delete { id, deletion } => {
            delete(&mut client, &path(&id), &format!("device {id} with its modules and twins"), &deletion)
                .await
        }
        DeviceVerb::ConnectionString { id, module, secondary } => {
            connection_string(&mut client, &id, module.as_deref(), secondary, json).await
        }
        DeviceVerb::SasToken { id, module, token } => {
            sas_token::of_identity(&mut client, &id, module.as_deref(), &token, json).await
        }
        DeviceVerb::Simulate(options) => Box::pin(simulate::run(client, options, &args.target)).await,
        DeviceVerb::Key(KeyVerb::Rotate { id, module, key, dry_run }) => {
            rotate(&mut client, &id, module.as_deref(), key, dry_run, json).await
        }
    }
}

fn path(id: &str) -> String {
    format!("/devices/{}", segment(id))
}

async fn apply(client: &mut Client, document: &mut Value, change: &DeviceChange) -> Result<(), Failure> {
    apply_auth(document, &change.auth)?;
    if let Some(status) = change.status {
        document["status"] = json!(match status {
            StatusWord::Enabled => "enabled",
            StatusWord::Disabled => "disabled",
        });
    }
    if let Some(reason) = &change.reason {
        document["statusReason"] = json!(reason);
    }
    if let Some(edge) = change.edge {
        document["capabilities"] = json!({"iotEdge": edge});
    }
    match &change.parent {
        Some(parent) => set_parent(client, document, parent).await,
        None => Ok(()),
    }
}

fn show(device: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(device);
    }
    let auth = &device["authentication"];
    let rows = [
        ("device", &device["deviceId"]),
        ("status", &device["status"]),
        ("status reason", &device["statusReason"]),
        ("connection", &device["connectionState"]),
        ("last activity", &device["lastActivityTime"]),
        ("edge", &device["capabilities"]["iotEdge"]),
        ("scope", &device["deviceScope"]),
        ("authentication", &auth["type"]),
        ("primary key", &auth["symmetricKey"]["primaryKey"]),
        ("secondary key", &auth["symmetricKey"]["secondaryKey"]),
        ("primary thumbprint", &auth["x509Thumbprint"]["primaryThumbprint"]),
        ("secondary thumbprint", &auth["x509Thumbprint"]["secondaryThumbprint"]),
        ("etag", &device["etag"]),
    ];
    for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_null()) {
        output::line(&format!("{name:<20} {}", output::cell(value)))?;
    }
    Ok(())
}

async fn list(client: &mut Client, top: Option<usize>, edge: bool, json: bool) -> Result<(), Failure> {
    let filter = if edge { " WHERE capabilities.iotEdge = true" } else { "" };
    let text = format!("SELECT * FROM devices{filter}");
    let devices = rows(client, &text, 1000, top).await?;
    if json {
        return output::json(&devices.into());
    }
    let cells = |device: &Value| {
        let names = ["deviceId", "status", "connectionState", "lastActivityTime", "authenticationType"];
        let mut row: Vec<String> = names.iter().map(|name| output::cell(&device[*name])).collect();
        row.push(output::cell(&device["capabilities"]["iotEdge"]));
        row
    };
    let table: Vec<Vec<String>> = devices.iter().map(cells).collect();
    output::table(&["device", "status", "connection", "last activity", "authentication", "edge"], &table)
}

async fn connection_string(
    client: &mut Client,
    id: &str,
    module: Option<&str>,
    secondary: bool,
    json: bool,
) -> Result<(), Failure> {
    let found = client.get(&identity::path(id, module)).await?.body;
    let auth = &found["authentication"];
    let which = if secondary { "secondaryKey" } else { "primaryKey" };
    let proof = match (auth["type"].as_str(), auth["symmetricKey"][which].as_str()) {
        (_, Some(key)) => format!("SharedAccessKey={key}"),
        (Some("selfSigned" | "certificateAuthority"), None) => "x509=true".to_owned(),
        _ => {
            return Err(Failure::failed(format!(
                "{id} has no keys yet, so there is no connection string for it"
            )));
        }
    };
    let module = module.map(|module| format!(";ModuleId={module}")).unwrap_or_default();
    let text = format!("HostName={};DeviceId={id}{module};{proof}", client.host().name());
    if json { output::json(&json!({"connectionString": text})) } else { output::line(&text) }
}

async fn rotate(
    client: &mut Client,
    id: &str,
    module: Option<&str>,
    key: WhichKey,
    dry_run: bool,
    json: bool,
) -> Result<(), Failure> {
    let name = module.map_or_else(|| id.to_owned(), |module| format!("{id}/{module}"));
    if dry_run {
        eprintln!("Would make a new {} for {name}.", key.wire());
        return Ok(());
    }
    let body = json!({"policyKey": key.wire(), "devices": [{"id": id, "moduleId": module}]});
    let answer = client.call(Method::POST, "/devices/keys/regenerate", Some(&body), &[]).await;
    let answer = match answer {
        // The reasons of a refusal stand in the body, one for each identity.
        Err(Failure::Failed(text)) => return Err(refusal(client, id, module, text).await),
        other => other?.body,
    };
    if json {
        return output::json(&answer);
    }
    for rotated in answer["rotatedKeys"].as_array().into_iter().flatten() {
        output::line(&format!("primary key          {}", output::cell(&rotated["primaryKey"])))?;
        output::line(&format!("secondary key        {}", output::cell(&rotated["secondaryKey"])))?;
    }
    Ok(())
}

/// Why keys could not be rotated: usually the identity is not there.
async fn refusal(client: &mut Client, id: &str, module: Option<&str>, text: String) -> Failure {
    match client.get(&identity::path(id, module)).await {
        Err(failure) => failure,
        Ok(_) => Failure::Failed(format!("{text}. Keys can be rotated where authentication is sas")),
    }
}
