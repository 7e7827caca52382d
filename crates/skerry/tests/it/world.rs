//! Runs one suite of an unmodified SDK against the built binary, in namespaces of its own.
//!
//! SDKs insist on port 443 and on a host name with dots; both are free in a namespace, which needs no
//! rights, so suites run side by side and beside whatever the machine serves.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) const HOST: &str = "hub1.skerry.test";

/// What `cargo xtask test` tells where things are.
pub(crate) fn provided(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: this test needs what `cargo xtask test` makes, run it with that")
    })
}

/// The folder with the SDK tests of one language.
pub(crate) fn suite(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk").join(language).canonicalize().unwrap()
}

/// Starts a hub, runs the command beside it, stops the hub, and fails with everything that was said
/// when the command failed.
pub(crate) fn run(command: &[&str], variables: &[(&str, &str)], folder: &Path) {
    let world = tempfile::tempdir().unwrap();
    for (name, text) in [("world.sh", include_str!("world.sh")), ("hub.sh", include_str!("hub.sh"))] {
        fs::write(world.path().join(name), text).unwrap();
    }
    let mut child = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"])
        .arg("sh")
        .arg(world.path().join("world.sh"))
        .args(command)
        .env("WORLD", world.path())
        .env("SKERRY_BIN", env!("CARGO_BIN_EXE_skerry"))
        .env("SKERRY_HOST", HOST)
        .env_remove("SKERRY_CONFIG")
        .env_remove("SKERRY_LOG")
        .envs(variables.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("unshare did not start ({error}): run `cargo xtask test`"));
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let errors = std::thread::spawn(move || shown(err));
    let said = shown(out) + &errors.join().unwrap();
    let status = child.wait().unwrap();
    let log = fs::read_to_string(world.path().join("hub.log")).unwrap_or_default();
    let meaning = match status.code() {
        Some(97) => "the namespaces could not be made",
        Some(98) => "the hub did not start",
        Some(99) => "the hub did not stop cleanly",
        Some(124 | 137) => "the suite took too long",
        _ => "the suite failed",
    };
    assert!(status.success(), "{meaning} ({status})\n\n{said}\n\nthe hub's log:\n{log}");
    assert!(!log.contains("panicked"), "the hub panicked:\n{log}");
}

/// Shows lines as they come, since some suites take long; all of them in the end.
fn shown(from: impl Read) -> String {
    let mut said = String::new();
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        println!("{line}");
        said.push_str(&line);
        said.push('\n');
    }
    said
}
