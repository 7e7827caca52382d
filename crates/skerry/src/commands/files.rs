//! `skerry files …`: what devices have uploaded.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use crate::args::Target;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;

const FILES: &str = "/skerry/v1/files";
/// Files that are asked for at a time.
const PAGE: usize = 1000;

#[derive(Args)]
pub struct FilesArgs {
    #[command(subcommand)]
    pub verb: FilesVerb,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Subcommand)]
pub enum FilesVerb {
    /// List files in the order of their names.
    List {
        /// Only this device's.
        #[arg(long, value_name = "ID")]
        device: Option<String>,
        /// Stop after this many files.
        #[arg(long, value_name = "N")]
        top: Option<usize>,
    },
    /// Get the bytes of a file.
    Get {
        device: String,
        name: String,
        /// Where to put them; the file appears when it is whole [default: standard output].
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Make an address below which others put files of a device, such as its agent the logs of modules.
    Link {
        device: String,
        /// How long it may be used, up to seven days [default: as links of devices].
        #[arg(long, value_name = "N")]
        minutes: Option<u32>,
    },
    /// Delete a file.
    Delete {
        device: String,
        name: String,
        /// Say what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

pub async fn run(args: FilesArgs) -> Result<(), Failure> {
    let mut client = Client::connect(&args.target).await?;
    match args.verb {
        FilesVerb::List { device, top } => {
            let files = list(&mut client, device.as_deref(), top.unwrap_or(usize::MAX)).await?;
            show(files, args.target.json)
        }
        FilesVerb::Get { device, name, output: None } => {
            let mut out = io::stdout();
            client.download(&path(&device, &name), &mut out).await?;
            out.flush().map_err(|error| Failure::failed(format!("cannot print: {error}")))
        }
        FilesVerb::Get { device, name, output: Some(to) } => {
            download(&mut client, &path(&device, &name), &to).await?;
            eprintln!("{name} of {device} is in {}.", to.display());
            Ok(())
        }
        FilesVerb::Link { device, minutes } => {
            let minutes = minutes.map(|minutes| format!("&minutes={minutes}")).unwrap_or_default();
            let path = format!("{FILES}?device={}{minutes}", segment(&device));
            let link: Value = client.call(Method::POST, &path, None, &[]).await?.body;
            if args.target.json {
                return output::json(&link);
            }
            eprintln!("Whoever has it can put files of {device} until {}.", output::cell(&link["ends"]));
            output::line(&output::cell(&link["sasUrl"]))
        }
        FilesVerb::Delete { device, name, dry_run } => {
            if dry_run {
                let bytes = find(&mut client, &device, &name).await?;
                eprintln!("Would delete {name} of {device}, {bytes} bytes.");
                return Ok(());
            }
            client.call(Method::DELETE, &path(&device, &name), None, &[]).await?;
            eprintln!("Deleted {name} of {device}.");
            Ok(())
        }
    }
}

fn path(device: &str, name: &str) -> String {
    format!("{FILES}/{}/{}", segment(device), segment(name))
}

async fn list(client: &mut Client, device: Option<&str>, top: usize) -> Result<Vec<Value>, Failure> {
    let mut files = Vec::new();
    let mut after = None;
    while files.len() < top {
        let mut path = format!("{FILES}?top={}", PAGE.min(top - files.len()));
        for (name, value) in [("device", device), ("after", after.as_deref())] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", segment(value)));
            }
        }
        let mut page = client.get(&path).await?.body;
        if let Some(items) = page["items"].as_array_mut() {
            files.append(items);
        }
        after = match page["next"].as_str() {
            Some(next) => Some(next.to_owned()),
            None => break,
        };
    }
    Ok(files)
}

/// The bytes that a file has.
async fn find(client: &mut Client, device: &str, name: &str) -> Result<u64, Failure> {
    let files = list(client, Some(device), usize::MAX).await?;
    let found = files.iter().find(|file| file["name"] == name).and_then(|file| file["bytes"].as_u64());
    found.ok_or_else(|| Failure::NotFound(format!("there is no file {name:?} of device {device}")))
}

fn show(files: Vec<Value>, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(&files.into());
    }
    let members = ["deviceId", "name", "bytes", "modified"];
    let row = |file: &Value| members.iter().map(|member| output::cell(&file[member])).collect();
    let rows: Vec<Vec<String>> = files.iter().map(row).collect();
    output::table(&["device", "file", "bytes", "modified"], &rows)
}

/// What breaks off leaves nothing.
async fn download(client: &mut Client, path: &str, to: &Path) -> Result<(), Failure> {
    let mut beside = to.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let cannot = |error: io::Error| Failure::failed(format!("cannot write {}: {error}", to.display()));
    let mut file = fs::File::create(&beside).map_err(cannot)?;
    let outcome = client.download(path, &mut file).await;
    let outcome =
        outcome.and_then(|()| file.sync_all().and_then(|()| fs::rename(&beside, to)).map_err(cannot));
    if outcome.is_err() {
        drop(fs::remove_file(&beside));
    }
    outcome
}
