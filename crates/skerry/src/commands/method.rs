//! `skerry method …`: direct methods of devices and modules.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::args::Target;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;

#[derive(Args)]
pub struct MethodArgs {
    #[command(subcommand)]
    pub verb: MethodVerb,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Subcommand)]
pub enum MethodVerb {
    /// Call a method of a connected device or module, and print what it answers.
    Invoke {
        id: String,
        method: String,
        #[arg(long, value_name = "ID")]
        module: Option<String>,
        /// JSON; null when left out.
        #[arg(long, value_name = "JSON")]
        payload: Option<String>,
        /// Seconds that the device may take to answer.
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        response_timeout: u64,
        /// Seconds that the device may take to connect.
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        connect_timeout: u64,
    },
}

pub async fn run(args: MethodArgs) -> Result<(), Failure> {
    let MethodVerb::Invoke { id, method, module, payload, response_timeout, connect_timeout } = args.verb;
    let payload = payload.as_deref().unwrap_or("null");
    let payload: Value = serde_json::from_str(payload).map_err(|error| {
        Failure::usage(format!("--payload is not JSON ({error}), quote texts: '\"text\"'"))
    })?;
    let path = match module {
        Some(module) => format!("/twins/{}/modules/{}/methods", segment(&id), segment(&module)),
        None => format!("/twins/{}/methods", segment(&id)),
    };
    let body = json!({
        "methodName": method,
        "payload": payload,
        "responseTimeoutInSeconds": response_timeout,
        "connectTimeoutInSeconds": connect_timeout,
    });
    let mut client = Client::connect(&args.target).await?;
    let answered: Value = client.call(Method::POST, &path, Some(&body), &[]).await?.body;
    if args.target.json {
        return output::json(&answered);
    }
    output::line(&format!("{:<20} {}", "status", answered["status"]))?;
    output::line(&format!("{:<20} {}", "payload", answered["payload"]))
}
