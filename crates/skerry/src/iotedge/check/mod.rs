//! `iotedge check`: what would keep this device from working, or from working for long.
//!
//! ```text
//! catalogue.rs  ids, descriptions, sections      facts.rs   what is looked at once, before anything
//! settings.rs   the pure part: one function a check         reach.rs  what goes over the network
//! report.rs     text and JSON, in the original's form
//! ```
//!
//! Ids of the original are its interface for scripts, so its checks keep them; ours have names of their own.

mod catalogue;
mod facts;
mod reach;
mod report;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use skerry_tokens::Host;

use super::Place;
use crate::failure::Failure;
use crate::output;
use catalogue::{CHECKS, Check};
use facts::Facts;
use report::Report;

#[derive(Args)]
pub struct CheckArgs {
    /// The engine's own configuration.
    #[arg(long, default_value = "/etc/docker/daemon.json", value_name = "FILE")]
    container_engine_config_file: PathBuf,
    /// Ids of checks that are left out; `iotedge check-list` shows them.
    #[arg(long, num_args = 1.., value_name = "ID")]
    dont_run: Vec<String>,
    /// The version that the daemon should have.
    #[arg(long, value_name = "VERSION")]
    expected_aziot_edged_version: Option<String>,
    /// The hub, instead of the configuration's.
    #[arg(long, value_name = "NAME")]
    iothub_hostname: Option<String>,
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

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// What came of a check; reasons have the outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Warning(Vec<String>),
    /// It does not apply here.
    Ignored,
    /// What it needs has failed already.
    Skipped,
    Error(Vec<String>),
    /// Nothing after it would make sense.
    Fatal(Vec<String>),
}

impl Outcome {
    fn warning(text: impl Into<String>) -> Self {
        Self::Warning(vec![text.into()])
    }

    fn error(text: impl Into<String>) -> Self {
        Self::Error(vec![text.into()])
    }
}

pub async fn run(args: &CheckArgs, place: &Place) -> Result<ExitCode, Failure> {
    let mut facts = Facts::gather(args, place).await;
    let mut report = Report::new(args.verbose, args.warnings_as_errors);
    let is_text = args.output == Format::Text;
    let mut section = None;
    for check in CHECKS {
        if is_text && section != Some(check.section) {
            section = Some(check.section);
            for line in report::heading(check.section) {
                output::line(&line)?;
            }
        }
        let outcome = if args.dont_run.iter().any(|id| id == check.id) {
            Outcome::Ignored
        } else {
            Box::pin(perform(check, &mut facts, args)).await
        };
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

async fn perform(check: &Check, facts: &mut Facts, args: &CheckArgs) -> Outcome {
    let Some(config) = facts.config.clone() else {
        // Everything else leans on it.
        return if check.id == "aziot-edged-config-well-formed" {
            facts.config_trouble.clone()
        } else {
            Outcome::Skipped
        };
    };
    match check.id {
        "aziot-edged-config-well-formed" => settings::warnings(&facts.config_warnings),
        "config-up-to-date" => facts.up_to_date.clone(),
        "hostname" => settings::hostname(config.hostname.as_deref(), facts.machine.as_deref()),
        "parent_hostname" => settings::parent(config.parent_hostname.as_ref().map(Host::name)),
        "identity-certificate-expiry" => facts.identity_certificate(&config),
        "edge-ca-certificate-expiry" => facts.edge_ca(),
        "container-engine-uri" => facts.engine.clone(),
        "connect-management-uri" => facts.daemon.clone(),
        "aziot-edge-version" => {
            settings::version(args.expected_aziot_edged_version.as_deref(), facts.daemon_version.as_deref())
        }
        "container-engine-dns" => settings::dns(facts.engine_file.as_ref()),
        "container-engine-ipv6" => {
            settings::ipv6(facts.engine_file.as_ref(), config.moby_runtime.network.ipv6)
        }
        "container-engine-logrotate" => settings::logrotate(facts.engine_file.as_ref()),
        "image-tags" => facts.images.as_deref().map_or(Outcome::Skipped, settings::tags),
        "disk-space" => facts.disk(),
        "host-local-time" => reach::clock(&config, facts).await,
        "host-connect-iothub-amqp" => reach::connect(&config, facts, reach::AMQP).await,
        "host-connect-iothub-https" => reach::connect(&config, facts, config.own.hub_https_port).await,
        "host-connect-iothub-mqtt" => reach::connect(&config, facts, config.own.hub_mqtt_port).await,
        _ => Outcome::Ignored,
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
