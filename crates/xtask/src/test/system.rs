//! What the tests need from the system, installed by name where it is missing.
//!
//! On a fresh Debian with Rust this installs; on a machine that has everything it runs a few probes
//! and installs nothing. On another system it says what to install.

use std::path::Path;

use crate::failure::Failure;
use crate::shell;
use crate::test::rights::Rights;
use crate::test::{node, python};

struct Need {
    what: &'static str,
    packages: &'static [&'static str],
    is_met: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need { what: "a C compiler", packages: &["gcc", "libc6-dev"], is_met: || runs("cc", "--version") },
    Need {
        what: "Python 3.11 with venv",
        packages: &["python3", "python3-venv"],
        is_met: || python::find().is_some(),
    },
    Need { what: "Node 18 or later", packages: &["nodejs"], is_met: || node::find().is_some() },
    Need { what: "npm", packages: &["npm"], is_met: node::has_npm },
    Need { what: "ip", packages: &["iproute2"], is_met: || runs("ip", "-V") },
    Need { what: "iptables", packages: &["iptables"], is_met: || runs("iptables", "--version") },
    Need {
        what: "unshare, nsenter, setpriv and prlimit",
        packages: &["util-linux"],
        is_met: || {
            ["unshare", "nsenter", "setpriv", "prlimit"].iter().all(|program| runs(program, "--version"))
        },
    },
    Need { what: "mount", packages: &["mount"], is_met: || runs("mount", "--version") },
    Need {
        what: "systemd-socket-activate",
        packages: &["systemd"],
        is_met: || runs("systemd-socket-activate", "--version"),
    },
    Need { what: "curl", packages: &["curl"], is_met: || runs("curl", "--version") },
    Need { what: "openssl", packages: &["openssl"], is_met: || runs("openssl", "version") },
    Need { what: "trust anchors", packages: &["ca-certificates"], is_met: has_trust_anchors },
];

/// For tests that an ordinary user cannot run.
const NEEDS_OF_ROOT: &[Need] = &[
    Need {
        what: "a container engine",
        packages: &["docker.io", "iptables"],
        is_met: || {
            runs("dockerd", "--version") && runs("docker", "--version") && runs("iptables", "--version")
        },
    },
    Need {
        what: "a registry of images",
        packages: &["docker-registry"],
        is_met: || runs("docker-registry", "--version"),
    },
];

pub(crate) fn make_ready(rights: Rights) -> Result<(), Failure> {
    let packages: Vec<&str> = missing(rights).flat_map(|need| need.packages).copied().collect();
    if !packages.is_empty() {
        install(&packages)?;
    }
    let still: Vec<String> = missing(rights)
        .map(|need| format!("{}: install it by hand (Debian: {})", need.what, need.packages.join(" ")))
        .collect();
    Failure::of_findings("the tests need what this machine does not have:", &still)?;
    namespaces()
}

fn missing(rights: Rights) -> impl Iterator<Item = &'static Need> {
    let roots = if rights == Rights::Root { NEEDS_OF_ROOT } else { &[] };
    NEEDS.iter().chain(roots).filter(|need| !(need.is_met)())
}

pub(crate) fn install(packages: &[&str]) -> Result<(), Failure> {
    if !runs("apt-get", "--version") {
        return Err(Failure::new(format!(
            "this system has no apt-get: install what Debian calls {}",
            packages.join(" ")
        )));
    }
    if Rights::find()? == Rights::Ordinary {
        return Err(Failure::new(format!(
            "packages are missing, which only root can install: `sudo apt-get install {}`",
            packages.join(" ")
        )));
    }
    eprintln!("   installing {}", packages.join(" "));
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

fn apt(arguments: &[&str]) -> Result<(), Failure> {
    let mut apt = shell::command("apt-get");
    apt.arg("--quiet=2").args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    // Hundreds of lines about unpacking say nothing; what goes wrong goes to stderr.
    shell::output(&mut apt).map(drop)
}

/// Each SDK suite has its own ports and host names, in namespaces that need no rights.
fn namespaces() -> Result<(), Failure> {
    let mut probe = shell::command("unshare");
    probe.args(["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork"]);
    probe.args(["sh", "-c", "ip link set lo up && mount -t tmpfs none /tmp"]);
    match shell::probe(&mut probe) {
        Some(_) => Ok(()),
        None => Err(Failure::new(
            "this machine lets no one make namespaces and mount in them: `sysctl kernel.unprivileged_userns_clone=1`, or \
             start the container with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`",
        )),
    }
}

fn runs(program: &str, argument: &str) -> bool {
    shell::probe(shell::command(program).arg(argument)).is_some()
}

fn has_trust_anchors() -> bool {
    Path::new("/etc/ssl/certs/ca-certificates.crt").exists() || !runs("apt-get", "--version")
}
