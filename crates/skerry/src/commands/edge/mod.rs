//! `skerry edge …`: edge devices as the hub sees them.

mod changes;
mod family;
mod modules;
mod retry;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::Target;
use crate::client::Client;
use crate::failure::Failure;
use crate::status::{EdgeStatusArgs, run_edge as run_status};

pub(super) use family::set_parent;
pub use modules::states as module_states;

#[derive(Args)]
pub struct EdgeArgs {
    #[command(subcommand)]
    pub verb: EdgeVerb,
}

#[derive(Subcommand)]
pub enum EdgeVerb {
    /// Run this machine as an edge device until it is told to stop.
    Run(crate::edge::EdgeRunOptions),
    /// Show how the edge device on this machine goes: hub, modules, rates, backlog, disk, certificates.
    Status(EdgeStatusArgs),
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
        #[command(flatten)]
        target: Target,
    },
    /// Show the modules of an edge device: what is wanted, and what its runtime reports.
    ShowModules {
        device: String,
        #[command(flatten)]
        target: Target,
    },
    /// Let an edge device try the newest version of its manifest again, after it has failed or while it waits.
    Retry {
        device: String,
        #[command(flatten)]
        target: Target,
    },
    /// Show which edge device a device is behind, or put it behind another.
    Parent {
        device: String,
        /// The edge device to put it behind.
        #[arg(long, value_name = "ID", conflicts_with = "none")]
        set: Option<String>,
        /// Put it behind none.
        #[arg(long)]
        none: bool,
        #[command(flatten)]
        target: Target,
    },
    /// List the devices that are right behind an edge device.
    Children {
        device: String,
        #[command(flatten)]
        target: Target,
    },
}

pub async fn run(args: EdgeArgs) -> Result<(), Failure> {
    match args.verb {
        EdgeVerb::Run(_) => Err(Failure::usage("an edge device does not run over REST")),
        EdgeVerb::Status(args) => run_status(&args).await,
        EdgeVerb::SetModules { device, content, dry_run, target } => {
            let content = modules::read_content(&content)?;
            let mut client = Client::connect(&target).await?;
            modules::set(&mut client, &device, &content, dry_run, target.json).await
        }
        EdgeVerb::ShowModules { device, target } => {
            modules::show(&mut Client::connect(&target).await?, &device, target.json).await
        }
        EdgeVerb::Retry { device, target } => {
            retry::retry(&mut Client::connect(&target).await?, &device, target.json).await
        }
        EdgeVerb::Parent { device, set, none, target } => {
            let parent = if none { Some(String::new()) } else { set };
            let mut client = Client::connect(&target).await?;
            family::parent(&mut client, &device, parent.as_deref(), target.json).await
        }
        EdgeVerb::Children { device, target } => {
            family::children(&mut Client::connect(&target).await?, &device, target.json).await
        }
    }
}
