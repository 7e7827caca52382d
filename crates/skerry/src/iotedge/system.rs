//! `iotedge system`: the daemon's units, by systemd's own tools.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Subcommand, ValueEnum};

use super::Place;
use crate::edge::LEVEL_VARIABLE;
use crate::failure::Failure;
use crate::output;
use crate::world::is_root;

/// The one process that is what the original's five are.
const SERVICE: &str = "aziot-edged.service";
const SOCKETS: [&str; 2] = ["aziot-edged.mgmt.socket", "aziot-edged.workload.socket"];
const DROP_IN: &str = "/etc/systemd/system/aziot-edged.service.d/log-level.conf";
/// Of a service that is down.
const LINES_SHOWN: &str = "10";

#[derive(Subcommand)]
pub enum SystemCommand {
    /// Show the daemon's log; what stands behind -- goes to journalctl.
    Logs {
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Stop the daemon, and start it again; modules run on.
    Restart,
    /// Show whether the daemon runs.
    Status,
    /// Stop the daemon; modules run on.
    Stop,
    /// Set how much the daemon logs.
    SetLogLevel { level: Level },
    /// Provision this device anew, and start the daemon again.
    Reprovision,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

pub async fn run(command: SystemCommand, place: &Place) -> Result<ExitCode, Failure> {
    match command {
        SystemCommand::Logs { args } => return logs(&args),
        SystemCommand::Status => status(),
        SystemCommand::Restart => {
            need_root()?;
            stop()?;
            for socket in SOCKETS {
                start(socket)?;
            }
            start(SERVICE)
        }
        SystemCommand::Stop => {
            need_root()?;
            stop()
        }
        SystemCommand::SetLogLevel { level } => {
            need_root()?;
            set_level(Path::new(DROP_IN), level)?;
            ran(Command::new("systemctl").arg("daemon-reload"))?;
            output::line(&format!("The log level will be {}: `iotedge system restart`.", level.word()))
        }
        SystemCommand::Reprovision => {
            // The daemon ends with a code on which systemd starts it again.
            place.management()?.post("/device/reprovision").await?;
            output::line("Successfully reprovisioned with IoT Hub.")
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn need_root() -> Result<(), Failure> {
    if is_root() {
        return Ok(());
    }
    Err(Failure::NotAuthorised("this needs root: put sudo before it".to_owned()))
}

fn logs(args: &[String]) -> Result<ExitCode, Failure> {
    let mut command = Command::new("journalctl");
    for unit in std::iter::once(&SERVICE).chain(&SOCKETS) {
        command.args(["-u", unit]);
    }
    if args.is_empty() {
        command.args(["-e", "--no-pager"]);
    }
    let status = command.args(args).status().map_err(|error| missing("journalctl", &error))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How a unit is, in systemd's word.
fn state_of(unit: &str) -> Result<String, Failure> {
    let said = Command::new("systemctl").args(["is-active", unit]).output();
    let said = said.map_err(|error| missing("systemctl", &error))?;
    let line =
        |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().trim().to_owned();
    // Where systemd does not run, only its complaint is there.
    Ok(Some(line(&said.stdout)).filter(|state| !state.is_empty()).unwrap_or_else(|| line(&said.stderr)))
}

fn status() -> Result<(), Failure> {
    output::line("System services:")?;
    let service = state_of(SERVICE)?;
    let sockets = SOCKETS.iter().map(|socket| Ok((*socket, state_of(socket)?)));
    let sockets: Vec<(&str, String)> = sockets.collect::<Result<_, Failure>>()?;
    let state = described(&service, &sockets);
    output::line(&format!("    {:<24}{state}", SERVICE.trim_end_matches(".service")))?;
    if state.starts_with("Down") {
        output::line("")?;
        let mut command = Command::new("journalctl");
        command.args(["-u", SERVICE, "-n", LINES_SHOWN, "--no-pager"]);
        let said = command.output().map_err(|error| missing("journalctl", &error))?;
        output::line(String::from_utf8_lossy(&said.stdout).trim_end())?;
    }
    output::line("")?;
    output::line("Use 'iotedge system logs' to see the daemon's log.")?;
    output::line("Use 'iotedge check' to find out what is wrong with this device.")
}

fn described(service: &str, sockets: &[(&str, String)]) -> String {
    let closed: Vec<String> = sockets
        .iter()
        .filter(|(_, state)| state != "active")
        .map(|(socket, state)| format!("{socket} is {state}"))
        .collect();
    match service {
        "active" if closed.is_empty() => "Running".to_owned(),
        "inactive" if closed.is_empty() => "Ready".to_owned(),
        "active" | "inactive" => format!("Down - {}", closed.join(", ")),
        other => format!("Down - {other}"),
    }
}

fn stop() -> Result<(), Failure> {
    change("Stopping", "Stopped", "stop", SERVICE)
}

fn start(unit: &str) -> Result<(), Failure> {
    change("Starting", "Started", "start", unit)
}

/// What fails is told, and the rest is done all the same.
fn change(doing: &str, done: &str, verb: &str, unit: &str) -> Result<(), Failure> {
    let name = unit.trim_end_matches(".service");
    match ran(Command::new("systemctl").args([verb, unit])) {
        Ok(()) => output::line(&format!("{doing} {name}...{done}!")),
        Err(Failure::Failed(text)) => output::line(&format!("{doing} {name}...\n{text}")),
        Err(failure) => Err(failure),
    }
}

fn ran(command: &mut Command) -> Result<(), Failure> {
    let said = command.output().map_err(|error| missing("systemctl", &error))?;
    if said.status.success() {
        return Ok(());
    }
    Err(Failure::failed(String::from_utf8_lossy(&said.stderr).trim()))
}

fn missing(tool: &str, error: &std::io::Error) -> Failure {
    Failure::unreachable(format!(
        "{tool} does not run ({error}): without systemd, start and stop `skerry edge run` as you started it"
    ))
}

fn set_level(path: &Path, level: Level) -> Result<(), Failure> {
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let text = format!("[Service]\nEnvironment={LEVEL_VARIABLE}={}\n", level.word());
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, text));
    written.map_err(|error| Failure::failed(format!("{} cannot be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_described_by_its_service_and_its_sockets() {
        let open = |state: &str| SOCKETS.map(|socket| (socket, state.to_owned()));
        for (service, sockets, described_as) in [
            ("active", "active", "Running"),
            ("inactive", "active", "Ready"),
            ("failed", "active", "Down - failed"),
            ("activating", "active", "Down - activating"),
            (
                "inactive",
                "inactive",
                "Down - aziot-edged.mgmt.socket is inactive, aziot-edged.workload.socket is inactive",
            ),
        ] {
            assert_eq!(described(service, &open(sockets)), described_as);
        }
    }

    #[test]
    fn the_level_is_set_for_the_unit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aziot-edged.service.d/log-level.conf");
        set_level(&path, Level::Debug).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[Service]\nEnvironment=AZIOT_LOG=debug\n");
    }
}
