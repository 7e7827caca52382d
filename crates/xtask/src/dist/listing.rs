//! `FILES`: everything that was made, with sizes and sums, and everything inside of it. The same sources give the same
//! list, so two builds are compared by it.

use std::fs;
use std::path::{Path, PathBuf};

use super::build::Programs;
use super::{Release, cannot};
use crate::failure::Failure;
use crate::shell;

pub(super) fn write(release: &Release, programs: &Programs, files: &[PathBuf]) -> Result<(), Failure> {
    let mut list = String::new();
    let programs = [
        ("program", &programs.dynamic),
        ("the edge alone", &programs.edge),
        ("static program", &programs.fixed),
        ("small program", &programs.small),
    ];
    for (what, program) in programs {
        list.push_str(&line(what, program)?);
    }
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        list.push_str(&line(&name, file)?);
    }
    // It fits on a screen; what is inside does not.
    print!("{list}");
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        list.push_str(&format!("\n{name}\n{}", inside(file)?));
    }
    let path = release.folder.join("FILES");
    fs::write(&path, list).map_err(cannot("write", &path))?;
    println!("{} has everything that is inside.", path.display());
    Ok(())
}

fn line(name: &str, file: &Path) -> Result<String, Failure> {
    let bytes = file.metadata().map_err(cannot("read", file))?.len();
    let said = shell::output(shell::command("sha256sum").arg(file))?;
    let sum = said.split_whitespace().next().unwrap_or_default();
    Ok(format!("{:10.2} MB  {sum}  {name}\n", bytes as f64 / 1e6))
}

/// Modes, owners, sizes, times and names, as tar shows them.
fn inside(file: &Path) -> Result<String, Failure> {
    let is_package = file.extension().is_some_and(|extension| extension == "deb");
    // Of an image, what is in its one layer.
    let script = match is_package {
        true => "exec dpkg-deb --contents \"$1\"",
        false => "tar --extract --to-stdout --file \"$1\" layer.tar | tar --list --verbose",
    };
    let mut command = shell::command("sh");
    command.args(["-c", script, "sh"]);
    // Times are shown in UTC, wherever this runs.
    shell::output(command.arg(file).env("TZ", "UTC").env("LC_ALL", "C"))
}
