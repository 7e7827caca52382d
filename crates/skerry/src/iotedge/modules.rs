//! `iotedge logs` and `iotedge restart`.

use std::io::Write as _;

use clap::Args;
use http_body_util::BodyExt as _;
use skerry_runtime::LogFrames;

use super::socket::{Local, piece};
use crate::failure::Failure;
use crate::output;

#[derive(Args)]
pub struct LogsArgs {
    /// The module's name.
    module: String,
    /// So many lines from the end.
    #[arg(long, default_value = "all", value_name = "NUM")]
    tail: String,
    /// From then on: a time, seconds since 1970, or how long ago.
    #[arg(long, default_value = "1 day", value_name = "DURATION or TIMESTAMP")]
    since: String,
    /// Until then, likewise.
    #[arg(long, value_name = "DURATION or TIMESTAMP")]
    until: Option<String>,
    /// Go on with what is written from now on.
    #[arg(short, long)]
    follow: bool,
}

/// Everything to stdout, as the original does.
pub async fn logs(management: &Local, args: &LogsArgs) -> Result<(), Failure> {
    let mut path = format!(
        "/modules/{}/logs?follow={}&tail={}&since={}",
        piece(&args.module),
        args.follow,
        piece(&args.tail),
        piece(&args.since)
    );
    if let Some(until) = &args.until {
        path.push_str(&format!("&until={}", piece(until)));
    }
    let mut body = management.stream(&path).await?;
    let mut frames = LogFrames::default();
    let mut out = std::io::stdout().lock();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::failed(format!("the log broke off: {error}")))?;
        if let Ok(bytes) = frame.into_data() {
            frames.push(&bytes);
        }
        while let Some(frame) = frames.next_frame() {
            match out.write_all(&frame.text).and_then(|()| out.flush()) {
                // A reader that has gone away ends the command in silence.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                written => written.map_err(|error| Failure::failed(format!("cannot print: {error}")))?,
            }
        }
    }
    Ok(())
}

/// Stops and starts it; one that cannot be stopped is started all the same.
pub async fn restart(management: &Local, module: &str) -> Result<(), Failure> {
    let path = format!("/modules/{}", piece(module));
    if let Err(failure) = management.post(&format!("{path}/stop")).await {
        eprintln!("warn: {module} could not be stopped: {failure}");
    }
    management.post(&format!("{path}/start")).await?;
    output::line(&format!("Restarted {module}"))?;
    output::line("")
}
