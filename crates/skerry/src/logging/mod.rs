//! Logs go to stderr, as sentences; stdout is for data.
//!
//! One format for people, one for programs; what repeats itself is counted instead of written. `info` is for operators
//! and quiet: starts and stops, what changed, what is refused. What a connection or a message does is `debug`.

mod limit;
mod lines;
mod text;

use std::io::IsTerminal as _;

use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

pub use lines::{Lines, Style};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

pub fn start(filter: &str, format: LogFormat) -> Result<(), Failure> {
    let style = match format {
        LogFormat::Json => Style::Json,
        LogFormat::Text => Style::Plain { has_colours: std::io::stderr().is_terminal() },
    };
    let filter = self::filter(filter)?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .event_format(Lines::new(style))
        .init();
    Ok(())
}

pub fn filter(words: &str) -> Result<EnvFilter, Failure> {
    EnvFilter::try_new(words).map_err(|error| {
        Failure::usage(format!(
            "the log filter {words:?} cannot be used: {error}. Try info, debug or skerry_store=debug"
        ))
    })
}
