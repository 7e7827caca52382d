//! `skerry policy …`

use http::Method;
use serde_json::{Value, json};

use super::sas_token;
use crate::args::{PolicyArgs, PolicyVerb};
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;

const POLICIES: &str = "/skerry/v1/policies";

pub async fn run(args: PolicyArgs) -> Result<(), Failure> {
    let mut client = Client::connect(&args.target).await?;
    let json = args.target.json;
    match args.verb {
        PolicyVerb::List => {
            let policies = client.get(POLICIES).await?.body;
            if json {
                return output::json(&policies);
            }
            let cells =
                |policy: &Value| vec![output::cell(&policy["keyName"]), output::cell(&policy["rights"])];
            let rows: Vec<Vec<String>> = policies.as_array().into_iter().flatten().map(cells).collect();
            output::table(&["policy", "rights"], &rows)
        }
        PolicyVerb::Show { name } => show(&client.get(&path(&name)).await?.body, json),
        PolicyVerb::Create { name, rights } => {
            let body = json!({"rights": rights});
            show(&client.call(Method::PUT, &path(&name), Some(&body), &[]).await?.body, json)
        }
        PolicyVerb::Delete { name, dry_run } => {
            if dry_run {
                client.get(&path(&name)).await?;
                eprintln!("Would delete policy {name}; whoever signs with its keys would be refused.");
                return Ok(());
            }
            client.call(Method::DELETE, &path(&name), None, &[]).await?;
            eprintln!("Deleted policy {name}.");
            Ok(())
        }
        PolicyVerb::SasToken { name, token } => sas_token::of_policy(&mut client, &name, &token, json).await,
        PolicyVerb::Regenerate { name, key, dry_run } => {
            if dry_run {
                client.get(&path(&name)).await?;
                eprintln!("Would make a new {} for policy {name}.", key.wire());
                return Ok(());
            }
            let body = json!({"policyKey": key.wire()});
            let path = format!("{}/regenerate", path(&name));
            show(&client.call(Method::POST, &path, Some(&body), &[]).await?.body, json)
        }
    }
}

fn path(name: &str) -> String {
    format!("{POLICIES}/{}", segment(name))
}

fn show(policy: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(policy);
    }
    for (name, member) in [
        ("policy", "keyName"),
        ("rights", "rights"),
        ("primary key", "primaryKey"),
        ("secondary key", "secondaryKey"),
    ] {
        output::line(&format!("{name:<20} {}", output::cell(&policy[member])))?;
    }
    Ok(())
}
