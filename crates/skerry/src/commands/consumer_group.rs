//! `skerry consumer-group …`: under which names applications read events.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use crate::args::Target;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;

const GROUPS: &str = "/skerry/v1/eventHubEndpoints/events/ConsumerGroups";

#[derive(Args)]
pub struct ConsumerGroupArgs {
    #[command(subcommand)]
    pub verb: ConsumerGroupVerb,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Subcommand)]
pub enum ConsumerGroupVerb {
    /// List the consumer groups.
    List,
    /// Make a group; one that is there stays as it is.
    Create { name: String },
    /// Delete a group; who reads in it is disconnected.
    Delete {
        name: String,
        /// Say what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

pub async fn run(args: ConsumerGroupArgs) -> Result<(), Failure> {
    let mut client = Client::connect(&args.target).await?;
    let json = args.target.json;
    match args.verb {
        ConsumerGroupVerb::List => {
            let groups = client.get(GROUPS).await?.body;
            if json {
                return output::json(&groups["value"]);
            }
            let rows: Vec<Vec<String>> =
                groups["value"].as_array().into_iter().flatten().map(cells).collect();
            output::table(&["consumer group", "created"], &rows)
        }
        ConsumerGroupVerb::Create { name } => {
            let group = client.call(Method::PUT, &path(&name), None, &[]).await?.body;
            if json {
                return output::json(&group);
            }
            eprintln!("There is the consumer group {}.", output::cell(&group["name"]));
            Ok(())
        }
        ConsumerGroupVerb::Delete { name, dry_run } => {
            if dry_run {
                client.get(&path(&name)).await?;
                eprintln!("Would delete the consumer group {name}; who reads in it would be disconnected.");
                return Ok(());
            }
            client.call(Method::DELETE, &path(&name), None, &[]).await?;
            eprintln!("Deleted the consumer group {name}.");
            Ok(())
        }
    }
}

fn path(name: &str) -> String {
    format!("{GROUPS}/{}", segment(name))
}

fn cells(group: &Value) -> Vec<String> {
    vec![output::cell(&group["name"]), output::cell(&group["properties"]["created"])]
}
