//! The Python SDK in a virtual environment of exactly the locked wheels.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::shell;
use crate::test::sdk;

/// uamqp, the AMQP engine below azure-iot-hub, has wheels up to this version of Python.
const VERSION: &str = "3.11";

/// Prints the version when this Python can make virtual environments.
const PROBE: &str = "import ensurepip, venv, sys; print('%d.%d' % sys.version_info[:2])";

const SAFE: [&str; 4] = ["--no-input", "--disable-pip-version-check", "--no-cache-dir", "--quiet"];

/// The Python to make environments with, or `None` where one must be installed.
pub(super) fn find() -> Option<PathBuf> {
    // A name on the path may be a shim that needs configuration: what runs, and nothing else, counts.
    ["python3", "python3.11", "/usr/bin/python3.11", "/usr/bin/python3"]
        .into_iter()
        .find(|python| shell::probe(shell::command(python).args(["-c", PROBE])).as_deref() == Some(VERSION))
        .map(PathBuf::from)
}

/// Any Python that makes environments, for wheels that hold a program and nothing of Python.
pub(crate) fn any() -> Option<PathBuf> {
    let able = |python: &&str| shell::probe(shell::command(python).args(["-c", PROBE])).is_some();
    ["python3", "/usr/bin/python3"].into_iter().find(able).map(PathBuf::from)
}

/// Makes an environment of wheels whose sums the file names.
pub(crate) fn install_program(folder: &Path, requirements: &Path) -> Result<(), Failure> {
    let python = any().ok_or_else(|| Failure::new("no Python with its venv module is here"))?;
    shell::run(shell::command(python).args(["-m", "venv"]).arg(folder))?;
    let mut pip = shell::command(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--require-hashes"]).args(SAFE);
    shell::run(pip.arg("--requirement").arg(requirements))
}

/// Gives the environment's interpreter.
pub(super) fn lay(folder: &Path) -> Result<PathBuf, Failure> {
    let requirements = shell::root().join("sdk/python/requirements.txt");
    let locked = [VERSION.to_owned(), sdk::read(&requirements)?];
    let laid = sdk::laid(folder, "python", &locked, |folder| install(folder, &requirements))?;
    Ok(laid.join("bin/python"))
}

fn install(folder: &Path, requirements: &Path) -> Result<(), Failure> {
    let python = find().ok_or_else(|| {
        Failure::new(format!(
            "no Python {VERSION} with its venv module is here (uamqp has no wheels for later versions): \
             install it, for example Debian 12's python3-venv"
        ))
    })?;
    shell::run(shell::command(python).args(["-m", "venv"]).arg(folder))?;
    // `--no-deps`: the file is the whole truth, and pip's resolver has nothing to decide.
    // `--only-binary`: a missing wheel is told, not compiled for ten minutes.
    let mut pip = shell::command(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--no-deps", "--only-binary", ":all:"]).args(SAFE);
    shell::run(pip.arg("--requirement").arg(requirements))?;
    // A package that the file forgot shows here and not in the middle of a test.
    shell::run(shell::command(folder.join("bin/python")).args(["-m", "pip", "check"]).args(&SAFE[..2]))?;
    fs::metadata(folder.join("bin/python")).map_err(|error| sdk::failed("find", folder, &error))?;
    Ok(())
}
