//! `skerry module …`

use http::Method;
use serde_json::{Value, json};

use super::identity::{apply_auth, delete, if_match_read};
use crate::args::{ModuleArgs, ModuleVerb};
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;

pub async fn run(args: ModuleArgs) -> Result<(), Failure> {
    let mut client = Client::connect(&args.target).await?;
    let json = args.target.json;
    match args.verb {
        ModuleVerb::Create { device, module, auth, managed_by } => {
            let mut document = json!({"deviceId": device, "moduleId": module, "managedBy": managed_by});
            apply_auth(&mut document, &auth)?;
            let made = client.call(Method::PUT, &path(&device, &module), Some(&document), &[]).await?.body;
            show(&made, json)
        }
        ModuleVerb::Show { device, module } => show(&client.get(&path(&device, &module)).await?.body, json),
        ModuleVerb::List { device } => {
            let modules = client.get(&format!("/devices/{}/modules", segment(&device))).await?.body;
            if json {
                return output::json(&modules);
            }
            let cells = |module: &Value| {
                let mut row: Vec<String> = ["moduleId", "connectionState", "managedBy"]
                    .iter()
                    .map(|name| output::cell(&module[*name]))
                    .collect();
                row.push(output::cell(&module["authentication"]["type"]));
                row
            };
            let rows: Vec<Vec<String>> = modules.as_array().into_iter().flatten().map(cells).collect();
            output::table(&["module", "connection", "managed by", "authentication"], &rows)
        }
        ModuleVerb::Update { device, module, auth, managed_by, etag } => {
            let mut document = client.get(&path(&device, &module)).await?.body;
            let etag = if_match_read(etag.as_deref(), &document);
            apply_auth(&mut document, &auth)?;
            if let Some(managed_by) = managed_by {
                document["managedBy"] = json!(managed_by);
            }
            let headers = [("if-match", etag.as_str())];
            let changed =
                client.call(Method::PUT, &path(&device, &module), Some(&document), &headers).await?.body;
            show(&changed, json)
        }
        ModuleVerb::Delete { device, module, deletion } => {
            let what = format!("module {module} of device {device} with its twin");
            delete(&mut client, &path(&device, &module), &what, &deletion).await
        }
    }
}

fn path(device: &str, module: &str) -> String {
    format!("/devices/{}/modules/{}", segment(device), segment(module))
}

fn show(module: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(module);
    }
    let auth = &module["authentication"];
    let rows = [
        ("module", &module["moduleId"]),
        ("device", &module["deviceId"]),
        ("managed by", &module["managedBy"]),
        ("connection", &module["connectionState"]),
        ("authentication", &auth["type"]),
        ("primary key", &auth["symmetricKey"]["primaryKey"]),
        ("secondary key", &auth["symmetricKey"]["secondaryKey"]),
        ("primary thumbprint", &auth["x509Thumbprint"]["primaryThumbprint"]),
        ("secondary thumbprint", &auth["x509Thumbprint"]["secondaryThumbprint"]),
        ("etag", &module["etag"]),
    ];
    for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_null()) {
        output::line(&format!("{name:<20} {}", output::cell(value)))?;
    }
    Ok(())
}
