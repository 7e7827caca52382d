//! `iotedge support-bundle`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use skerry_edge_daemon::config::{MobyRuntime, Snapshot};
use skerry_edge_daemon::{Archive, BundleQuery, Parts, Witness as _, moment, support_bundle};
use skerry_model::{Clock as _, Timestamp};
use skerry_runtime::{DockerOptions, DockerRuntime};

use super::socket::piece;
use super::{Evidence, Place};
use crate::failure::Failure;
use crate::output;
use crate::world::MachineClock;

#[derive(Args)]
pub struct BundleArgs {
    /// Where to write it; "-" is stdout [default: support_bundle_TIME_UTC.zip here].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Logs from then on: a time, seconds since 1970, or how long ago.
    #[arg(long, default_value = "1 day", value_name = "DURATION or TIMESTAMP")]
    since: String,
    /// Until then, likewise.
    #[arg(long, value_name = "DURATION or TIMESTAMP")]
    until: Option<String>,
    /// Without the modules that are not the runtime's own.
    #[arg(short = 'e', long)]
    include_edge_runtime_only: bool,
    /// The hub that checks connect to, instead of the configuration's.
    #[arg(long, value_name = "NAME")]
    iothub_hostname: Option<String>,
    /// Say less.
    #[arg(short, long)]
    quiet: bool,
}

pub async fn run(place: &Place, args: &BundleArgs) -> Result<(), Failure> {
    let is_stdout = args.output.as_ref().is_some_and(|path| path.as_os_str() == "-");
    let say = |text: &str| {
        // Beside the archive itself there is no room for words.
        if is_stdout {
            eprintln!("{text}");
            return Ok(());
        }
        output::line(text)
    };
    let step = |text: &str| if args.quiet { Ok(()) } else { say(text) };
    let now = MachineClock.now();
    let query = query(args, now)?;
    say("Making support bundle")?;
    step("The daemon gathers logs, containers and networks")?;
    let directories = place.directories(None);
    let gathered = match place.management()?.bundle(&path(args)).await {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(failure) => {
            // That is when a bundle is wanted most.
            eprintln!("warn: the daemon gathers nothing: {failure}");
            let socket = engine(&directories.applied());
            let runtime = DockerRuntime::new(DockerOptions::new(socket));
            support_bundle(&runtime, &Parts::default(), &query, now).await.map_err(|error| error.to_string())
        }
    };
    let mut archive = match gathered.map(|bytes| Archive::reopen(bytes, now)) {
        Ok(Some(archive)) => archive,
        Ok(None) => return Err(Failure::failed("the daemon's answer is no archive")),
        Err(reason) => {
            eprintln!("warn: nor does the container engine: {reason}");
            Archive::new(now)
        }
    };
    step("The checks are run, and the journal is read")?;
    for (name, content) in Evidence::new(directories).files(&query).await {
        if archive.add(&name, &content).is_err() {
            eprintln!("warn: the bundle is full, {name} is left out");
        }
    }
    let bytes = archive.finish();
    if is_stdout {
        let mut out = std::io::stdout().lock();
        return out.write_all(&bytes).map_err(|error| Failure::failed(format!("cannot print: {error}")));
    }
    let file = args.output.clone().unwrap_or_else(|| PathBuf::from(name(now)));
    let unwritten = |error| Failure::failed(format!("{} cannot be written: {error}", file.display()));
    write_private(&file, &bytes).map_err(unwritten)?;
    let whole = std::path::absolute(&file).map_err(unwritten)?;
    output::line(&format!("Created support bundle at {}", whole.display()))
}

fn query(args: &BundleArgs, now: Timestamp) -> Result<BundleQuery, Failure> {
    let time = |name: &str, text: &str| {
        let wrong = || {
            Failure::usage(format!(
                "--{name} is {text:?}: write a time, seconds since 1970, or how long ago: 2h"
            ))
        };
        moment(text, now).ok_or_else(wrong)
    };
    Ok(BundleQuery {
        since: Some(time("since", &args.since)?),
        until: args.until.as_deref().map(|text| time("until", text)).transpose()?,
        edge_runtime_only: args.include_edge_runtime_only,
        hub: args.iothub_hostname.clone(),
    })
}

/// The checks and the journal are ours to add: the operator may see more of them than the daemon.
fn path(args: &BundleArgs) -> String {
    let mut path = format!(
        "/systeminfo/supportbundle?containers_only=true&since={}&edge_runtime_only={}",
        piece(&args.since),
        args.include_edge_runtime_only
    );
    if let Some(until) = &args.until {
        path.push_str(&format!("&until={}", piece(until)));
    }
    path
}

/// Where the engine is, by what was applied last.
fn engine(state: &Path) -> PathBuf {
    let applied = Snapshot::load(state).ok().flatten();
    applied.map_or_else(|| MobyRuntime::default().socket, |snapshot| snapshot.config.moby_runtime.socket)
}

/// Logs and environments may hold secrets.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}

fn name(now: Timestamp) -> String {
    let whole = now.to_string();
    let time: String = whole
        .chars()
        .take("2026-01-02T03:04:05".len())
        .map(|c| if c.is_ascii_digit() { c } else { '_' })
        .collect();
    format!("support_bundle_{time}_UTC.zip")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_named_by_its_time() {
        let now = "2026-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(name(now), "support_bundle_2026_01_02_03_04_05_UTC.zip");
    }
}
