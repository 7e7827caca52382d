//! What `cargo xtask dist` makes, put where a machine would have it, and tried.
//!
//! The program is the one that the tests have built: building one for a release takes longer than all tests together.

mod services;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::process::Hub;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const UNITS: [&str; 4] =
    ["skerry-hub.service", "aziot-edged.service", "aziot-edged.mgmt.socket", "aziot-edged.workload.socket"];

#[track_caller]
fn ok(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{command:?}: {status}\n{said}\n{}", String::from_utf8_lossy(&stderr));
    said
}

/// Makes everything, with the time of no commit, which a test need not have.
fn make(program: &Path, edge: &Path, into: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut dist = Command::new(env!("CARGO"));
    dist.args(["run", "--quiet", "--package", "skerry-xtask", "--", "dist", "--uncompressed", "--program"]);
    dist.arg(program)
        .arg("--edge-program")
        .arg(edge)
        .arg("--into")
        .arg(into)
        .env("SOURCE_DATE_EPOCH", "1700000000");
    ok(dist.current_dir(env!("CARGO_MANIFEST_DIR")));
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
    };
    fs::read_dir(into).unwrap().map(read).collect()
}

fn package(made: &Path, name: &str) -> PathBuf {
    let mut found = fs::read_dir(made).unwrap().map(|entry| entry.unwrap().path());
    let begins = format!("{name}_{VERSION}_");
    found.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&begins)).unwrap()
}

fn all(made: &Path) -> [PathBuf; 3] {
    ["skerry", "skerry-hub", "skerry-edge"].map(|name| package(made, name))
}

#[test]
fn a_release_is_made_packed_and_installed() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    twice_is_the_same_bytes(one.path(), two.path());
    drop(two);
    let (made, packages) = (one.path(), all(one.path()));
    dpkg_installs_and_removes(&packages);
    packages_need_each_other_in_the_same_version(&packages);
    images_say_how_they_are_run(made);
    let root = tempfile::tempdir().unwrap();
    for package in &packages {
        ok(Command::new("dpkg-deb").arg("--extract").arg(package).arg(root.path()));
    }
    what_shells_complete_is_theirs(root.path());
    systemd_takes_the_units(root.path());
}

fn twice_is_the_same_bytes(one: &Path, two: &Path) {
    // What a debugger needs is most of it.
    let stripped = |program: &str, name: &str| {
        let small = two.with_extension(name);
        ok(Command::new("strip").arg("-o").arg(&small).arg(program));
        small
    };
    let program = stripped(env!("CARGO_BIN_EXE_skerry"), "skerry");
    let edge = stripped(env!("CARGO_BIN_EXE_skerry-edge"), "skerry-edge");
    let (first, second) = (make(&program, &edge, one), make(&program, &edge, two));
    fs::remove_file(program).unwrap();
    fs::remove_file(edge).unwrap();
    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(names.len(), 6, "{names:?}");
    for (name, bytes) in &first {
        assert!(second[name] == *bytes, "{name} differs");
    }
    let list = String::from_utf8(first["FILES"].clone()).unwrap();
    for place in [
        "./usr/bin/skerry",
        "./usr/share/man/man1/skerry-device-create.1.gz",
        "./usr/share/bash-completion/completions/skerry",
        "./etc/skerry/hub.toml",
        "./usr/lib/systemd/system/skerry-hub.service",
        "./usr/share/doc/skerry/NOTICES.gz",
        "./usr/bin/skerry-edge",
        "./usr/bin/iotedge -> skerry-edge",
        "./usr/share/man/man1/iotedge-config-apply.1.gz",
        "./usr/share/man/man8/skerry-edge-run.8.gz",
        "./usr/share/bash-completion/completions/skerry-edge",
        "./usr/share/doc/skerry-edge/NOTICES.gz",
        "usr/share/doc/skerry/NOTICES.gz",
        "etc/nsswitch.conf",
    ] {
        let line = list.lines().find(|line| line.ends_with(place));
        let line = line.unwrap_or_else(|| panic!("{place} is in no package:\n{list}"));
        assert!(line.contains("root/root") || line.contains("0/0"), "{line}");
    }
}

fn dpkg_installs_and_removes(packages: &[PathBuf]) {
    let root = tempfile::tempdir().unwrap();
    let below = |path: &str| root.path().join(path);
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "usr/lib"] {
        fs::create_dir_all(below(folder)).unwrap();
    }
    fs::write(below("var/lib/dpkg/status"), "").unwrap();
    // Scripts run here and not inside of a root that has no shell; each knows it by DPKG_ROOT.
    let dpkg = |arguments: &[&str]| {
        let mut dpkg = Command::new("unshare");
        dpkg.args(["--user", "--map-root-user", "dpkg", "--force-script-chrootless", "--force-depends"]);
        dpkg.args(["--force-not-root", "--log=/dev/null"]).arg(format!("--root={}", root.path().display()));
        dpkg.args(arguments);
        dpkg
    };
    let names: Vec<&str> = packages.iter().map(|package| package.to_str().unwrap()).collect();
    ok(&mut dpkg(&[&["--install"], names.as_slice()].concat()));
    let program = ok(Command::new(below("usr/bin/skerry")).arg("--version"));
    assert_eq!(program, format!("skerry {VERSION}\n"));
    let edge = ok(Command::new(below("usr/bin/skerry-edge")).arg("--version"));
    assert_eq!(edge, format!("skerry-edge {VERSION}\n"));
    let other = ok(Command::new(below("usr/bin/iotedge")).arg("version"));
    assert_eq!(other, format!("iotedge {VERSION}\n"));
    for unit in UNITS {
        assert!(below("usr/lib/systemd/system").join(unit).is_file(), "{unit}");
    }
    assert!(below("etc/aziot").is_dir());
    assert!(below("var/lib/aziot/keyd").is_dir(), "made by systemd-tmpfiles");
    let users = fs::read_to_string(below("etc/passwd")).unwrap();
    assert!(users.lines().any(|line| line.starts_with("skerry:")), "{users}");
    let groups = fs::read_to_string(below("etc/group")).unwrap();
    assert!(groups.lines().any(|line| line.starts_with("iotedge:")), "{groups}");

    fs::write(below("etc/skerry/hub.toml"), "https = \":8443\"\n").unwrap();
    ok(&mut dpkg(&["--remove", "skerry-edge", "skerry-hub", "skerry"]));
    assert_eq!(fs::read_dir(below("usr/bin")).map_or(0, Iterator::count), 0, "no program stays");
    assert!(below("etc/skerry/hub.toml").exists(), "a configuration stays until it is purged");
    ok(&mut dpkg(&["--purge", "skerry-hub", "skerry-edge", "skerry"]));
    assert!(!below("etc/skerry").exists());
}

/// The edge goes by itself.
fn packages_need_each_other_in_the_same_version(packages: &[PathBuf; 3]) {
    let field = |package: &Path, name: &str| {
        ok(Command::new("dpkg-deb").arg("--field").arg(package).arg(name)).trim().to_owned()
    };
    let [base, hub, edge] = packages;
    for package in [base, edge] {
        assert!(field(package, "Depends").starts_with("libc6 (>= 2."), "{}", field(package, "Depends"));
        assert!(!field(package, "Depends").contains("skerry"));
    }
    assert_eq!(field(hub, "Depends"), format!("skerry (= {VERSION})"));
    assert_eq!(field(hub, "Architecture"), "all");
    assert!(field(edge, "Conflicts").contains("aziot-edge"));
    for package in packages {
        assert_eq!(field(package, "Version"), VERSION);
        assert!(field(package, "Installed-Size").parse::<u64>().unwrap() > 0);
    }
}

fn systemd_takes_the_units(root: &Path) {
    let units = root.join("usr/lib/systemd/system");
    let programs = root.join("usr/bin/skerry").display().to_string();
    for unit in UNITS {
        let path = units.join(unit);
        let text = fs::read_to_string(&path).unwrap().replace("/usr/bin/skerry", &programs);
        fs::write(path, text).unwrap();
    }
    let verify = || {
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no"]).args(UNITS.map(|unit| units.join(unit)));
        let said = String::from_utf8_lossy(&verify.output().unwrap().stderr).into_owned();
        // What the machine has besides is not ours.
        let ours = |line: &&str| line.contains("aziot-edged") || line.contains("skerry-hub");
        said.lines().filter(ours).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(verify(), "");
    let path = units.join("skerry-hub.service");
    let typo = fs::read_to_string(&path).unwrap().replace("LimitNOFILE", "LimitNOFILES");
    fs::write(path, typo).unwrap();
    assert!(verify().contains("LimitNOFILES"), "a mistake would be seen");
}

#[test]
fn the_configuration_that_is_packed_is_one_that_a_hub_starts_with() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/hub/hub.toml");
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start_in(&folder.path().join("one"), &["--config", source.to_str().unwrap()]);
    hub.stop();
    // What is shown as an example is one as well.
    let text = fs::read_to_string(&source).unwrap();
    let shown = text.lines().filter_map(|line| line.strip_prefix("# "));
    let examples: Vec<&str> = shown.filter(|line| line.contains(" = ") || line.starts_with('[')).collect();
    assert!(examples.len() > 8, "{examples:?}");
    let written = folder.path().join("hub.toml");
    let without_files = examples.into_iter().filter(|line| !line.contains("/etc/ssl") && *line != "[tls]");
    let examples: Vec<&str> = without_files.collect();
    fs::write(&written, examples.join("\n")).unwrap();
    let options = ["--config", written.to_str().unwrap(), "--hostname", "hub1.skerry.test"];
    Hub::start_in(&folder.path().join("two"), &options).stop();
}

fn images_say_how_they_are_run(made: &Path) {
    for (name, arguments) in [("skerry-hub", "hub run"), ("skerry-dev", "dev --https 0.0.0.0:443")] {
        let archive = made.join(format!("{name}.tar"));
        let read = |file: &str| -> Value {
            let text = ok(Command::new("tar")
                .arg("--extract")
                .arg("--to-stdout")
                .arg("--file")
                .arg(&archive)
                .arg(file));
            serde_json::from_str(&text).unwrap()
        };
        let list = read("manifest.json");
        let tag = format!("skerry/{}:{VERSION}", name.trim_start_matches("skerry-"));
        assert_eq!(list[0]["RepoTags"][0], tag.as_str());
        let config = read("config.json");
        let entry: Vec<&str> = config["config"]["Entrypoint"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        assert!(entry.join(" ").starts_with(&format!("/skerry {arguments}")), "{entry:?}");
        assert_eq!(config["config"]["User"], "1000:1000");
        assert_eq!(config["created"], "2023-11-14T22:13:20Z");
        assert!(config["config"]["ExposedPorts"]["8883/tcp"].is_object(), "{config}");
    }
}

fn what_shells_complete_is_theirs(root: &Path) {
    for name in ["skerry", "skerry-edge", "iotedge"] {
        let file = root.join("usr/share/bash-completion/completions").join(name);
        let script = format!(". {} && complete -p {name}", file.display());
        let said = ok(Command::new("bash").args(["-c", &script]));
        assert!(said.contains(name), "{said}");
    }
    let page = root.join("usr/share/man/man1/skerry-hub-run.1.gz");
    let text = ok(Command::new("gzip").arg("-dc").arg(page));
    assert!(text.contains(".TH skerry-hub-run 1") && text.contains("device\\-key\\-file"), "{text}");
}
