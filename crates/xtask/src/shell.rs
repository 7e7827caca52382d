//! Runs other programs and says which one failed and how to repeat it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// The workspace's root: two folders above this crate.
pub(crate) fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).unwrap_or(crate_folder).to_path_buf()
}

/// A command in the workspace's root, without standard input: nothing here may ask a question.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    // Ordinary users of Debian have no folders of the system's programs on their path, and may use what is in them.
    let path = environment("PATH").unwrap_or_default();
    let missing = |folder: &&str| !path.split(':').any(|known| known == *folder);
    let folders: Vec<&str> =
        std::iter::once(path.as_str()).chain(SYSTEM_FOLDERS.iter().copied().filter(missing)).collect();
    command.env("PATH", folders.join(":"));
    command
}

/// The cargo that runs us, or the one on the path.
pub(crate) fn cargo() -> Command {
    command(environment("CARGO").unwrap_or_else(|| "cargo".to_owned()))
}

pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{}` ended with {status}; its own words are above", shown(command))))
}

/// What a command printed; its errors go to the terminal.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| not_started(command, &error))?;
    if !output.status.success() {
        return Err(Failure::new(format!("`{}` ended with {}", shown(command), output.status)));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::new(format!("`{}` printed something that is not UTF-8", shown(command))))
}

/// What a probing command printed, if it exists and succeeds.
pub(crate) fn probe(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[allow(clippy::disallowed_methods, reason = "this is a program of the shell: it reads its environment")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!("`{}` could not be started: {error}; is it installed?", shown(command)))
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
