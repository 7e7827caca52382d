//! `iotedge config`: the operator's file, written and applied.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use skerry_edge_daemon::config::{Snapshot, apply, import, write_minimal};
use skerry_keys::write_file;
use skerry_runtime::{DockerOptions, DockerRuntime, Runtime as _};

use super::Place;
use super::socket::Local;
use crate::failure::Failure;
use crate::output;

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration, and make it the one that the daemon runs with.
    Apply {
        /// The file [default: /etc/aziot/config.toml].
        #[arg(short = 'c', long = "config-file", value_name = "FILE")]
        config: Option<PathBuf>,
        /// Refuse what would only be warned of, such as keys that nobody knows.
        #[arg(long)]
        strict: bool,
    },
    /// Write the configuration for a device's connection string.
    Mp {
        /// As the hub gives it: HostName=…;DeviceId=…;SharedAccessKey=…
        #[arg(short = 'c', long, value_name = "CONNECTION_STRING")]
        connection_string: String,
        /// Where to [default: /etc/aziot/config.toml].
        #[arg(short = 'o', long = "out-config-file", value_name = "FILE")]
        out: Option<PathBuf>,
        /// Replace the file that is there.
        #[arg(short, long)]
        force: bool,
    },
    /// Write the configuration that an installation of the version 1.0 or 1.1 has.
    Import {
        /// The old file.
        #[arg(
            short = 'c',
            long = "config-file",
            default_value = "/etc/iotedge/config.yaml",
            value_name = "FILE"
        )]
        config: PathBuf,
        /// Where to [default: /etc/aziot/config.toml].
        #[arg(short = 'o', long = "out-config-file", value_name = "FILE")]
        out: Option<PathBuf>,
        /// Replace the file that is there.
        #[arg(short, long)]
        force: bool,
    },
}

pub async fn run(command: ConfigCommand, place: &Place) -> Result<(), Failure> {
    match command {
        ConfigCommand::Apply { config, strict } => apply_file(config, strict, place).await,
        ConfigCommand::Mp { connection_string, out, force } => {
            let path = destination(out, place)?;
            write_minimal(&path, &connection_string, force).map_err(Failure::failed)?;
            written(&path)?;
            output::line("")?;
            output::line(
                "WARNING: it has no certificates of your own, so it does not suit a gateway for other devices.",
            )
        }
        ConfigCommand::Import { config, out, force } => import_file(&config, out, force, place),
    }
}

fn destination(out: Option<PathBuf>, place: &Place) -> Result<PathBuf, Failure> {
    let path = place.directories(out).config;
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
    Ok(path)
}

fn written(path: &Path) -> Result<(), Failure> {
    output::line(&format!("The configuration is written to {}.", path.display()))?;
    output::line("")?;
    output::line("To apply it:")?;
    output::line("")?;
    output::line(&format!("    sudo iotedge config apply -c '{}'", path.display()))
}

fn import_file(source: &Path, out: Option<PathBuf>, force: bool, place: &Place) -> Result<(), Failure> {
    let at = source.display();
    let old = std::fs::read_to_string(source).map_err(|error| {
        Failure::failed(format!("{at} cannot be read: {error}. Name the old file by --config-file"))
    })?;
    let path = destination(out, place)?;
    if !force && path.exists() {
        return Err(Failure::failed(format!("{} exists: add --force to replace it", path.display())));
    }
    let imported = import(&old, &|path| Path::new(path).is_file())
        .map_err(|error| Failure::failed(format!("{at} cannot be imported: {error}")))?;
    for key in &imported.left_out {
        eprintln!("warn: {at}: {key} is left out, nothing here has it");
    }
    write_file(&path, imported.text.as_bytes(), 0o600).map_err(Failure::failed)?;
    written(&path)
}

async fn apply_file(config: Option<PathBuf>, strict: bool, place: &Place) -> Result<(), Failure> {
    let directories = place.directories(config);
    let (source, state) = (directories.config.clone(), directories.applied());
    std::fs::create_dir_all(&state)
        .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", state.display())))?;
    let has_modules = has_modules(&state).await;
    let applied = apply(&source, &state, strict, has_modules).map_err(Failure::failed)?;
    for warning in &applied.warnings {
        eprintln!("{}:{warning}", source.display());
    }
    output::line(&format!("{} is applied.", source.display()))?;
    match tell(&place.management()?).await {
        Ok(()) => output::line("The daemon begins anew with it; modules run on."),
        Err(Failure::Unreachable(_)) => output::line("The daemon does not run: `iotedge system restart`."),
        Err(failure) => Err(Failure::failed(format!("the daemon was not told: {failure}"))),
    }
}

async fn tell(management: &Local) -> Result<(), Failure> {
    management.post("/skerry/v1/reload").await
}

/// Containers of modules know this device by its name. An engine that does not answer runs none.
async fn has_modules(state: &Path) -> bool {
    let Ok(Some(snapshot)) = Snapshot::load(state) else { return false };
    let engine = DockerRuntime::new(DockerOptions::new(&snapshot.config.moby_runtime.socket));
    engine.list().await.is_ok_and(|modules| !modules.is_empty())
}
