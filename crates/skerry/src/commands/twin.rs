//! `skerry twin …`: twins are JSON, so they are printed as JSON.

use std::io::Read as _;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use super::identity::if_match;
use crate::args::{TwinArgs, TwinChange, TwinVerb};
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;

pub async fn run(args: TwinArgs) -> Result<(), Failure> {
    let twin = match args.verb {
        TwinVerb::Show { id, module } => {
            let mut client = Client::connect(&args.target).await?;
            client.get(&path(&id, module.as_deref())).await?.body
        }
        TwinVerb::Update { id, change } => send(&args.target, Method::PATCH, &id, &change).await?,
        TwinVerb::Replace { id, change } => send(&args.target, Method::PUT, &id, &change).await?,
    };
    output::json(&twin)
}

async fn send(
    target: &crate::args::Target,
    method: Method,
    id: &str,
    change: &TwinChange,
) -> Result<Value, Failure> {
    let document = document(change)?;
    let mut client = Client::connect(target).await?;
    let etag = if_match(change.etag.as_deref());
    let path = path(id, change.module.as_deref());
    Ok(client.call(method, &path, Some(&document), &[("if-match", &etag)]).await?.body)
}

fn path(id: &str, module: Option<&str>) -> String {
    match module {
        Some(module) => format!("/twins/{}/modules/{}", segment(id), segment(module)),
        None => format!("/twins/{}", segment(id)),
    }
}

/// What is sent: a file, or tags and desired properties from the command line.
fn document(change: &TwinChange) -> Result<Value, Failure> {
    if let Some(path) = &change.file {
        return parse(&path.display().to_string(), &read(path)?);
    }
    let mut document = json!({});
    if let Some(tags) = &change.tags {
        document["tags"] = parse("--tags", tags)?;
    }
    if let Some(desired) = &change.desired {
        document["properties"] = json!({"desired": parse("--desired", desired)?});
    }
    if document == json!({}) {
        return Err(Failure::usage("nothing to send, give --tags, --desired or --file"));
    }
    Ok(document)
}

pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin()
            .read_to_string(&mut text)
            .map(|_| ())
            .map_err(|error| Failure::failed(format!("cannot read standard input: {error}")))?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

pub(super) fn parse(what: &str, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::usage(format!("{what} is not JSON: {error}")))
}
