//! `skerry edge …`: edge devices as the hub sees them.

mod changes;
mod family;
mod modules;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::Target;
use crate::client::Client;
use crate::failure::Failure;

pub(super) use family::set_parent;

#[derive(Args)]
pub struct EdgeArgs {
    #[command(subcommand)]
    pub verb: EdgeVerb,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Subcommand)]
pub enum EdgeVerb {
    /// Set the modules of an edge device, all at once, as a deployment manifest says.
    SetModules {
        #[arg(long, value_name = "ID")]
        device: String,
        /// The manifest: {"modulesContent": …} ("-" for standard input).
        #[arg(long, value_name = "FILE")]
        content: PathBuf,
        /// Print what would change, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show the modules of an edge device: what is wanted, and what its runtime reports.
    ShowModules { device: String },
    /// Show which edge device a device is behind, or put it behind another.
    Parent {
        device: String,
        /// The edge device to put it behind.
        #[arg(long, value_name = "ID", conflicts_with = "none")]
        set: Option<String>,
        /// Put it behind none.
        #[arg(long)]
        none: bool,
    },
    /// List the devices that are right behind an edge device.
    Children { device: String },
}

pub async fn run(args: EdgeArgs) -> Result<(), Failure> {
    let json = args.target.json;
    match args.verb {
        EdgeVerb::SetModules { device, content, dry_run } => {
            let content = modules::read_content(&content)?;
            let mut client = Client::connect(&args.target).await?;
            modules::set(&mut client, &device, &content, dry_run, json).await
        }
        EdgeVerb::ShowModules { device } => {
            modules::show(&mut Client::connect(&args.target).await?, &device, json).await
        }
        EdgeVerb::Parent { device, set, none } => {
            let parent = if none { Some(String::new()) } else { set };
            let mut client = Client::connect(&args.target).await?;
            family::parent(&mut client, &device, parent.as_deref(), json).await
        }
        EdgeVerb::Children { device } => {
            family::children(&mut Client::connect(&args.target).await?, &device, json).await
        }
    }
}
