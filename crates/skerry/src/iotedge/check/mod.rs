//! `iotedge check`: what would keep this device from working, or from working for long.
//!
//! ```text
//! catalogue.rs  every check: id, section, the function that performs it
//! facts.rs      what several of them go by, looked at once     world.rs   what they ask; here.rs is this machine
//! settings.rs   what is written somewhere, pure               certificates.rs, keys.rs, engine.rs, programs.rs
//! reach.rs      over the network from here                     inside.rs  from within a container
//! report.rs     text and JSON, in the original's form
//! ```
//!
//! Ids of the original are its interface for scripts, so its checks keep them; ours have names of their own.

mod catalogue;
mod certificates;
mod engine;
mod facts;
mod here;
mod inside;
mod keys;
mod outcome;
mod programs;
mod reach;
mod report;
mod settings;
#[cfg(test)]
mod tests;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinHandle};

use super::Place;
use crate::edge::Directories;
use crate::failure::Failure;
use crate::output;
use catalogue::{CHECKS, Check, Work};
use facts::Facts;
use here::Here;
use outcome::Outcome;
use report::Report;

pub use here::handshake;
pub use world::{Inside, Target};

#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The engine's own configuration.
    #[arg(
        long,
        visible_alias = "container-engine-config-path",
        default_value = "/etc/docker/daemon.json",
        value_name = "FILE"
    )]
    container_engine_config_file: PathBuf,
    /// An image that is there, to run in what looks from within a container [default: an empty one].
    #[arg(long, value_name = "IMAGE")]
    diagnostics_image_name: Option<String>,
    /// Ids of checks that are left out; `iotedge check-list` shows them.
    #[arg(long, num_args = 1.., value_name = "ID")]
    dont_run: Vec<String>,
    /// The version that the daemon should have.
    #[arg(long, value_name = "VERSION")]
    expected_aziot_edged_version: Option<String>,
    /// The version that the identity service should have, which is a part of the daemon.
    #[arg(long, value_name = "VERSION")]
    expected_aziot_version: Option<String>,
    /// The daemon's program, asked for its version instead of the daemon that runs.
    #[arg(long, value_name = "FILE")]
    aziot_edged: Option<PathBuf>,
    /// The hub, instead of the configuration's.
    #[arg(long, value_name = "NAME")]
    iothub_hostname: Option<String>,
    /// The proxy for HTTPS [default: https_proxy of [agent.env], or of the environment].
    #[arg(long, value_name = "URI")]
    proxy_uri: Option<String>,
    /// Compare the clock with this server's [default: with the hub's own].
    #[arg(long, value_name = "HOST:PORT")]
    ntp_server: Option<String>,
    /// The configuration [default: /etc/aziot/config.toml].
    #[arg(short = 'c', long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    /// Show more: what was skipped, and causes.
    #[arg(long)]
    verbose: bool,
    /// Warnings count as errors.
    #[arg(long)]
    warnings_as_errors: bool,
}

impl Default for CheckArgs {
    fn default() -> Self {
        Self {
            container_engine_config_file: PathBuf::from("/etc/docker/daemon.json"),
            diagnostics_image_name: None,
            dont_run: Vec::new(),
            expected_aziot_edged_version: None,
            expected_aziot_version: None,
            aziot_edged: None,
            iothub_hostname: None,
            proxy_uri: None,
            ntp_server: None,
            config_file: None,
            output: Format::Text,
            verbose: false,
            warnings_as_errors: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub async fn run(args: &CheckArgs, place: &Place) -> Result<ExitCode, Failure> {
    let directories = place.directories(args.config_file.clone());
    let facts = Arc::new(Facts::gather(args, directories, Arc::new(Here::new(place))).await);
    let mut report = Report::new(args.verbose, args.warnings_as_errors);
    let mut outcomes = Outcomes::begin(&facts);
    let is_text = args.output == Format::Text;
    let mut section = None;
    for check in CHECKS {
        if is_text && section != Some(check.section) {
            section = Some(check.section);
            report::heading(check.section).iter().try_for_each(|line| output::line(line))?;
        }
        let outcome = outcomes.next().await;
        let is_fatal = matches!(outcome, Outcome::Fatal(_));
        let lines = report.note(check, outcome);
        if is_text {
            lines.iter().try_for_each(|line| output::line(line))?;
        }
        if is_fatal {
            break;
        }
    }
    if is_text {
        report.summary().iter().try_for_each(|line| output::line(line))?;
    } else {
        output::json(&report.json(&facts.additional()))?;
    }
    Ok(if report.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What `-o json` prints, for whoever wants to keep it.
pub async fn report(directories: Directories, hub: Option<String>) -> Value {
    let args = CheckArgs { iothub_hostname: hub, ..CheckArgs::default() };
    let here = Here::of(&directories);
    let facts = Arc::new(Facts::gather(&args, directories, Arc::new(here)).await);
    let mut report = Report::new(false, false);
    let mut outcomes = Outcomes::begin(&facts);
    for check in CHECKS {
        let outcome = outcomes.next().await;
        let is_fatal = matches!(outcome, Outcome::Fatal(_));
        report.note(check, outcome);
        if is_fatal {
            break;
        }
    }
    report.json(&facts.additional())
}

/// Checks at work at a time. Without a network each of them waits for as long as it can.
const AT_ONCE: usize = 4;

/// What comes of each check, in their order; dropping it ends those that are at work.
struct Outcomes {
    working: std::vec::IntoIter<JoinHandle<Outcome>>,
    _all: AbortAll,
}

struct AbortAll(Vec<AbortHandle>);

impl Drop for AbortAll {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Outcomes {
    fn begin(facts: &Arc<Facts>) -> Self {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let working = CHECKS.iter().map(|check| {
            let (facts, room) = (Arc::clone(facts), Arc::clone(&room));
            tokio::spawn(async move {
                let _permit = room.acquire().await.expect("nobody closes it");
                perform(check, &facts).await
            })
        });
        let working: Vec<JoinHandle<Outcome>> = working.collect();
        let all = AbortAll(working.iter().map(JoinHandle::abort_handle).collect());
        Self { working: working.into_iter(), _all: all }
    }

    async fn next(&mut self) -> Outcome {
        let working = self.working.next().expect("there are as many as there are checks");
        working
            .await
            .unwrap_or_else(|error| Outcome::because("the check itself broke off", error.to_string()))
    }
}

async fn perform(check: &Check, facts: &Facts) -> Outcome {
    if facts.args.dont_run.iter().any(|id| id == check.id) {
        return Outcome::Ignored;
    }
    if check.needs_config && !facts.has_config() {
        return Outcome::Skipped;
    }
    match check.work {
        Work::Seen(look) => look(facts),
        Work::Asked(ask) => ask(facts).await,
    }
}

/// `iotedge check-list`.
pub fn list() -> Result<(), Failure> {
    let rows: Vec<Vec<String>> = CHECKS
        .iter()
        .map(|check| [check.section.title(), check.id, check.description].map(str::to_owned).to_vec())
        .collect();
    output::table(&["category", "id", "description"], &rows)
}
