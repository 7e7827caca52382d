//! Which packages there are, and what is in each.
//!
//! The program is a package of its own, for a machine may have it without a hub. The edge has another, which is smaller.

use std::path::{Path, PathBuf};

use super::Release;
use super::build::Programs;
use super::deb::{Compression, Content, Package};
use super::made::Made;
use super::notices;
use crate::failure::Failure;
use crate::shell;

const UNITS: &str = "usr/lib/systemd/system";
const DOCUMENTS: &str = "usr/share/doc";

pub(super) fn make(
    programs: &Programs,
    made: &Made,
    notices: &Path,
    release: &Release,
    compression: Compression,
) -> Result<Vec<PathBuf>, Failure> {
    let packages = [
        base(&programs.dynamic, made, notices, release)?,
        hub(release),
        edge(&programs.edge, made, notices, release)?,
    ];
    packages.iter().map(|package| package.write(release, compression)).collect()
}

fn base(program: &Path, made: &Made, notices: &Path, release: &Release) -> Result<Package, Failure> {
    let mut contents = vec![("usr/bin/skerry".to_owned(), Content::Program(program.to_owned()))];
    contents.extend(files(&made.skerry));
    contents.push(document("skerry", "README.md", source("README.md")));
    contents.push(document("skerry", "CHANGELOG.md", source("CHANGELOG.md")));
    contents.push(document("skerry", notices::FILE, notices.to_owned()));
    contents.push(copyright("skerry")?);
    Ok(Package {
        name: "skerry",
        architecture: debians(release.platform.architecture).to_owned(),
        fields: vec![("Depends", libraries()?)],
        summary: "IoT hub and edge in one program",
        description: "Skerry is an open, self-hosted IoT hub and edge that speaks the protocols of Azure IoT Hub\n\
                      and IoT Edge. This package has the program with its manual; skerry-hub runs a hub. What\n\
                      makes a machine an edge device is in skerry-edge, which needs neither.",
        contents,
        configuration: &[],
        scripts: Vec::new(),
    })
}

fn hub(release: &Release) -> Package {
    let from = |name: &str| source(&format!("packaging/hub/{name}"));
    Package {
        name: "skerry-hub",
        architecture: "all".to_owned(),
        fields: vec![("Depends", same(release)), ("Recommends", "systemd".to_owned())],
        summary: "IoT hub as a service",
        description: "A hub for devices over MQTT, AMQP and HTTPS as the service skerry-hub, with its data in\n\
                      /var/lib/skerry/hub and its configuration in /etc/skerry/hub.toml.",
        contents: vec![
            ("etc/skerry/hub.toml".to_owned(), Content::File(from("hub.toml"))),
            (format!("{UNITS}/skerry-hub.service"), Content::File(from("systemd/skerry-hub.service"))),
            (
                "usr/lib/sysusers.d/skerry-hub.conf".to_owned(),
                Content::File(from("systemd/skerry-hub.sysusers")),
            ),
            document("skerry-hub", "configuration.md", source("docs/configuration.md")),
            (format!("{DOCUMENTS}/skerry-hub/copyright"), Content::Link("../skerry/copyright")),
        ],
        configuration: &["etc/skerry/hub.toml"],
        scripts: scripts("hub"),
    }
}

fn edge(program: &Path, made: &Made, notices: &Path, release: &Release) -> Result<Package, Failure> {
    let from = |name: &str| source(&format!("packaging/edge/systemd/{name}"));
    let mut contents = vec![
        ("usr/bin/skerry-edge".to_owned(), Content::Program(program.to_owned())),
        ("usr/bin/iotedge".to_owned(), Content::Link("skerry-edge")),
        ("etc/aziot".to_owned(), Content::Folder),
        ("usr/lib/sysusers.d/skerry-edge.conf".to_owned(), Content::File(from("skerry-edge.sysusers"))),
        ("usr/lib/tmpfiles.d/skerry-edge.conf".to_owned(), Content::File(from("skerry-edge.tmpfiles"))),
        document("skerry-edge", "edge.md", source("docs/edge.md")),
        document("skerry-edge", notices::FILE, notices.to_owned()),
        copyright("skerry-edge")?,
    ];
    for unit in ["aziot-edged.service", "aziot-edged.mgmt.socket", "aziot-edged.workload.socket"] {
        contents.push((format!("{UNITS}/{unit}"), Content::File(from(unit))));
    }
    contents.extend(files(&made.edge));
    Ok(Package {
        name: "skerry-edge",
        architecture: debians(release.platform.architecture).to_owned(),
        fields: vec![
            ("Depends", libraries()?),
            ("Recommends", "docker.io | docker-ce | moby-engine, systemd".to_owned()),
            // They have the same units and the same command.
            ("Conflicts", "aziot-edge, aziot-identity-service, iotedge".to_owned()),
            ("Replaces", "aziot-edge, iotedge".to_owned()),
        ],
        summary: "IoT edge device",
        description: "Makes the machine an edge device that keeps modules on a container engine and is the hub of\n\
                      the devices behind it, with the commands, units and files of Azure IoT Edge.",
        contents,
        configuration: &[],
        scripts: scripts("edge"),
    })
}

/// Engines and Debian agree on all but one machine.
fn debians(architecture: &str) -> &str {
    if architecture == "arm" { "armhf" } else { architecture }
}

fn source(path: &str) -> PathBuf {
    shell::root().join(path)
}

fn files(made: &[(String, PathBuf)]) -> impl Iterator<Item = (String, Content)> {
    made.iter().map(|(place, file)| (place.clone(), Content::File(file.clone())))
}

fn document(package: &str, name: &str, file: PathBuf) -> (String, Content) {
    (format!("{DOCUMENTS}/{package}/{name}"), Content::File(file))
}

/// Both licences, for whoever takes the program as it is.
fn copyright(package: &str) -> Result<(String, Content), Failure> {
    let mut text = String::from("Licensed under MIT or Apache 2.0, as you like.\n");
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let path = source(name);
        text.push_str(&format!("\n---- {name} ----\n\n"));
        text.push_str(&std::fs::read_to_string(&path).map_err(super::cannot("read", &path))?);
    }
    Ok((format!("{DOCUMENTS}/{package}/copyright"), Content::Text(text)))
}

fn scripts(of: &str) -> Vec<(&'static str, PathBuf)> {
    let path = |name: &str| source(&format!("packaging/{of}/debian/{name}"));
    ["postinst", "prerm", "postrm"].into_iter().map(|name| (name, path(name))).collect()
}

/// What each program is linked with.
fn libraries() -> Result<String, Failure> {
    Ok(format!("libc6 (>= {}), libgcc-s1", libc()?))
}

/// The hub goes with the program of its own version.
fn same(release: &Release) -> String {
    format!("skerry (= {})", release.version)
}

/// The C library that the program was built with; an older one may lack what it calls.
fn libc() -> Result<String, Failure> {
    let said = shell::output(shell::command("getconf").arg("GNU_LIBC_VERSION"))?;
    let version = said.split_whitespace().nth(1).map(str::to_owned);
    version.ok_or_else(|| Failure::new("`getconf GNU_LIBC_VERSION` names no version"))
}
