//! `skerry files …`

use std::fs;
use std::path::{Path, PathBuf};

use http::Method;
use serde_json::Value;

use crate::args::{FilesArgs, FilesVerb};
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output;

const FILES: &str = "/skerry/v1/files";
/// Files asked for at a time.
const PAGE: usize = 1000;

pub async fn run(args: FilesArgs) -> Result<(), Failure> {
    let mut client = Client::connect(&args.target).await?;
    let json = args.target.json;
    match args.verb {
        FilesVerb::List { device, top } => {
            let files = list(&mut client, device.as_deref(), top.unwrap_or(usize::MAX)).await?;
            if json {
                return output::json(&files.into());
            }
            let cells = |file: &Value| {
                ["deviceId", "name", "bytes", "modified"].map(|member| output::cell(&file[member])).to_vec()
            };
            let rows: Vec<Vec<String>> = files.iter().map(cells).collect();
            output::table(&["device", "name", "bytes", "modified"], &rows)
        }
        FilesVerb::Get { device, name, output } => {
            let path = path(&device, &name);
            match output {
                None => client.download(&path, &mut std::io::stdout().lock()).await,
                Some(file) => save(&mut client, &path, &file).await,
            }
        }
        FilesVerb::Delete { device, name, dry_run } => {
            if dry_run {
                let files = list(&mut client, Some(&device), usize::MAX).await?;
                if !files.iter().any(|file| file["name"] == name.as_str()) {
                    return Err(Failure::NotFound(format!("device {device} has no file {name}")));
                }
                eprintln!("Would delete file {name} of device {device}.");
                return Ok(());
            }
            client.call(Method::DELETE, &path(&device, &name), None, &[]).await?;
            eprintln!("Deleted file {name} of device {device}.");
            Ok(())
        }
    }
}

fn path(device: &str, name: &str) -> String {
    format!("{FILES}/{}/{}", segment(device), segment(name))
}

async fn list(client: &mut Client, device: Option<&str>, top: usize) -> Result<Vec<Value>, Failure> {
    let mut files: Vec<Value> = Vec::new();
    let mut after = None;
    while files.len() < top {
        let mut path = format!("{FILES}?top={}", PAGE.min(top - files.len()));
        let words = [("device", device.map(str::to_owned)), ("after", after)];
        for (word, value) in words {
            if let Some(value) = value {
                path.push_str(&format!("&{word}={}", segment(&value)));
            }
        }
        let page = client.get(&path).await?.body;
        files.extend(page["items"].as_array().into_iter().flatten().cloned());
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    Ok(files)
}

/// Half a file must not look like a whole one: it gets its name when it is complete.
async fn save(client: &mut Client, path: &str, file: &Path) -> Result<(), Failure> {
    let beside = {
        let mut name = file.as_os_str().to_owned();
        name.push(".part");
        PathBuf::from(name)
    };
    let unusable =
        |error: std::io::Error| Failure::failed(format!("cannot write {}: {error}", file.display()));
    let mut out = fs::File::create(&beside).map_err(unusable)?;
    let done = client.download(path, &mut out).await;
    let done = done.and_then(|()| out.sync_all().map_err(unusable));
    let done = done.and_then(|()| fs::rename(&beside, file).map_err(unusable));
    if done.is_err() {
        // What is left of it is of no use to anybody.
        drop(fs::remove_file(&beside));
    }
    done
}
