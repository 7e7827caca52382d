//! `iotedge support-bundle`.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use skerry_model::{Clock as _, Timestamp};

use super::socket::{Local, piece};
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
    /// Taken as the original does; the hub is named in the configuration.
    #[arg(long, value_name = "NAME")]
    iothub_hostname: Option<String>,
    /// Say less.
    #[arg(short, long)]
    quiet: bool,
}

pub async fn run(management: &Local, args: &BundleArgs) -> Result<(), Failure> {
    let is_stdout = args.output.as_ref().is_some_and(|path| path.as_os_str() == "-");
    let say = |text: &str| {
        // Beside the archive itself there is no room for words.
        if is_stdout {
            eprintln!("{text}");
            return Ok(());
        }
        output::line(text)
    };
    say("Making support bundle")?;
    let mut path = format!(
        "/systeminfo/supportbundle?since={}&edge_runtime_only={}",
        piece(&args.since),
        args.include_edge_runtime_only
    );
    if let Some(until) = &args.until {
        path.push_str(&format!("&until={}", piece(until)));
    }
    if !args.quiet {
        say("The daemon gathers logs, containers and networks")?;
    }
    let bytes = management.bundle(&path).await?;
    if is_stdout {
        let mut out = std::io::stdout().lock();
        return out.write_all(&bytes).map_err(|error| Failure::failed(format!("cannot print: {error}")));
    }
    let file = args.output.clone().unwrap_or_else(|| PathBuf::from(name(MachineClock.now())));
    let unwritten = |error| Failure::failed(format!("{} cannot be written: {error}", file.display()));
    write_private(&file, &bytes).map_err(unwritten)?;
    let whole = std::path::absolute(&file).map_err(unwritten)?;
    output::line(&format!("Created support bundle at {}", whole.display()))
}

/// Logs and environments may hold secrets.
fn write_private(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
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
