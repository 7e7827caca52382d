//! The Node SDK in a folder of exactly the locked packages.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::shell;
use crate::test::sdk;

/// Debian 12's own Node; mocha 10 and the SDK run on it.
const MAJOR_MIN: u32 = 18;

const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// The Node to run with, or `None` where one must be installed.
pub(super) fn find() -> Option<PathBuf> {
    let probe = "console.log(process.execPath + '\\n' + process.versions.node)";
    let text = shell::probe(shell::command("node").args(["-e", probe]))?;
    let (path, version) = text.split_once('\n')?;
    let major: u32 = version.split('.').next()?.parse().ok()?;
    (major >= MAJOR_MIN).then(|| PathBuf::from(path))
}

pub(super) fn has_npm() -> bool {
    shell::probe(shell::command("npm").arg("--version")).is_some()
}

/// Gives the interpreter and the folder of modules.
pub(super) fn lay(folder: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let node = find().ok_or_else(|| {
        Failure::new(format!("no Node of version {MAJOR_MIN} or later is here: install it and npm"))
    })?;
    let source = shell::root().join("sdk/node");
    let locked = FILES.iter().map(|name| sdk::read(&source.join(name))).collect::<Result<Vec<_>, _>>()?;
    let laid = sdk::laid(folder, "node", &locked, |folder| install(&source, folder))?;
    Ok((node, laid.join("node_modules")))
}

fn install(source: &Path, folder: &Path) -> Result<(), Failure> {
    for name in FILES {
        fs::copy(source.join(name), folder.join(name))
            .map_err(|error| sdk::failed("copy", &source.join(name), &error))?;
    }
    // The lock file names no addresses, so each machine's own registry serves it; checksums are
    // checked all the same. No package needs its install script.
    let mut npm = shell::command("npm");
    npm.current_dir(folder).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel",
        "error",
    ]);
    shell::run(&mut npm)
}
