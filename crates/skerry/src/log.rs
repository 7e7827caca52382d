//! `skerry log …`: looks at the files of a log, beside a running hub or without one.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use skerry_store::journal::{Directory, Files as _, Overview, Verdict, inspect, verify};

use crate::failure::Failure;
use crate::output;

#[derive(Args)]
pub struct LogArgs {
    #[command(subcommand)]
    pub verb: LogVerb,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum LogVerb {
    /// List its files, partitions and cursors.
    Inspect {
        /// The log's directory, or a hub's data directory.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Read everything back and name every place that is damaged.
    Verify {
        /// The log's directory, or a hub's data directory.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

pub fn run(args: &LogArgs) -> Result<(), Failure> {
    match &args.verb {
        LogVerb::Inspect { directory } => {
            let overview = inspect(&open(directory)?).map_err(Failure::failed)?;
            if args.json { output::json(&overview_json(&overview)) } else { print_overview(&overview) }
        }
        LogVerb::Verify { directory } => {
            let verdict = verify(&open(directory)?, |file| {
                if !args.json {
                    eprintln!("read {file}");
                }
            });
            let verdict = verdict.map_err(Failure::failed)?;
            if args.json {
                output::json(&verdict_json(&verdict))?;
            } else {
                print_verdict(&verdict)?;
            }
            let faults = verdict.faults.len() as u64 + verdict.more_faults;
            match faults {
                0 => Ok(()),
                _ => Err(Failure::failed(format!(
                    "{faults} place(s) cannot be read back; the hub passes over them and tells its readers what is \
                     missing. Check the disk, and restore a backup if the records matter"
                ))),
            }
        }
    }
}

/// The log's directory itself, or the data directory of a hub that has one.
fn open(directory: &Path) -> Result<Directory, Failure> {
    let below = directory.join("log");
    let path: PathBuf = if below.is_dir() { below } else { directory.to_owned() };
    let unusable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::NotFound(format!("there is no directory {}", path.display()))
        }
        _ => Failure::failed(format!("cannot read {}: {error}", path.display())),
    };
    let files = Directory::peek(&path).map_err(unusable)?;
    if !files.list().map_err(unusable)?.iter().any(|name| name.ends_with(".log")) {
        let what = format!(
            "there is no log in {}; name a log's directory or a hub's data directory",
            path.display()
        );
        return Err(Failure::NotFound(what));
    }
    Ok(files)
}

fn overview_json(overview: &Overview) -> Value {
    let files = overview.files.iter().map(|file| {
        json!({"name": file.name, "bytes": file.bytes, "begun": file.begun.map(|begun| begun.to_string())})
    });
    let partitions = overview.partitions.iter().map(|(partition, extent)| {
        json!({
            "partition": partition.number(),
            "first": extent.first.number(),
            "next": extent.next.number(),
            "newest": extent.newest.to_string(),
        })
    });
    let cursors = overview.cursors.iter().map(|cursor| {
        json!({
            "id": cursor.id.number(),
            "name": cursor.name,
            "partition": cursor.partition.number(),
            "kind": format!("{:?}", cursor.kind).to_ascii_lowercase(),
            "below": cursor.below.number(),
            "settledBeyond": cursor.settled.len(),
            "records": cursor.records,
            "bytes": cursor.bytes,
        })
    });
    json!({
        "files": files.collect::<Vec<_>>(),
        "partitions": partitions.collect::<Vec<_>>(),
        "cursors": cursors.collect::<Vec<_>>(),
        "damaged": overview.damaged,
    })
}

fn print_overview(overview: &Overview) -> Result<(), Failure> {
    let begun = |file: &skerry_store::journal::FileView| match file.begun {
        Some(begun) => begun.to_string(),
        None => "damaged".to_owned(),
    };
    let files: Vec<_> = overview
        .files
        .iter()
        .map(|file| vec![file.name.clone(), file.bytes.to_string(), begun(file)])
        .collect();
    output::table(&["file", "bytes", "begun"], &files)?;
    output::line("")?;
    let partitions = overview.partitions.iter().map(|(partition, extent)| {
        vec![
            partition.number().to_string(),
            extent.first.to_string(),
            extent.next.to_string(),
            if extent.newest.is_never() { "-".to_owned() } else { extent.newest.to_string() },
        ]
    });
    output::table(&["partition", "first", "next", "newest"], &partitions.collect::<Vec<_>>())?;
    if !overview.cursors.is_empty() {
        output::line("")?;
        let cursors = overview.cursors.iter().map(|cursor| {
            vec![
                cursor.name.clone(),
                cursor.partition.number().to_string(),
                cursor.below.to_string(),
                cursor.settled.len().to_string(),
                cursor.records.to_string(),
                cursor.bytes.to_string(),
            ]
        });
        let headings = ["cursor", "partition", "settled below", "settled beyond", "waiting", "bytes"];
        output::table(&headings, &cursors.collect::<Vec<_>>())?;
    }
    if overview.damaged > 0 {
        eprintln!("{} places are damaged; `skerry log verify` says where.", overview.damaged);
    }
    Ok(())
}

fn verdict_json(verdict: &Verdict) -> Value {
    let faults = verdict
        .faults
        .iter()
        .map(|fault| json!({"file": fault.file, "offset": fault.offset, "what": fault.what}));
    json!({
        "files": verdict.files,
        "bytes": verdict.bytes,
        "groups": verdict.groups,
        "records": verdict.records,
        "recordBytes": verdict.record_bytes,
        "unfinishedBytes": verdict.unfinished_bytes,
        "faults": faults.collect::<Vec<_>>(),
        "moreFaults": verdict.more_faults,
    })
}

fn print_verdict(verdict: &Verdict) -> Result<(), Failure> {
    for fault in &verdict.faults {
        output::line(&format!("{} at {}: {}", fault.file, fault.offset, fault.what))?;
    }
    if verdict.unfinished_bytes > 0 {
        eprintln!("{} bytes at the end are a group that nobody was told of.", verdict.unfinished_bytes);
    }
    output::line(&format!(
        "{} records of {} bytes in {} groups, {} files, {} bytes on disk, {} faults",
        verdict.records,
        verdict.record_bytes,
        verdict.groups,
        verdict.files,
        verdict.bytes,
        verdict.faults.len() as u64 + verdict.more_faults
    ))
}
