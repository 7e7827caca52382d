//! `iotedge system` and what else asks systemd's tools: beside a `systemctl` and a `journalctl` that note what
//! they are asked and print what was recorded, in a world whose `/etc/systemd` is its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::skerry;

const SYSTEMCTL: &str = "#!/bin/sh
echo \"systemctl $*\" >> FOLDER/calls
case \"$1\" in
is-active)
    cat \"FOLDER/states/$2\"
    [ \"$(cat FOLDER/states/$2)\" = active ] || exit 3 ;;
show) echo Environment= ;;
*)
    if [ -e \"FOLDER/refused/$1\" ]; then
        echo \"Failed to $1 $2: Access denied\" >&2
        exit 1
    fi ;;
esac
";
const JOURNALCTL: &str = "#!/bin/sh
echo \"journalctl $*\" >> FOLDER/calls
cat FOLDER/journal
";
const UNITS: [&str; 3] = ["aziot-edged.service", "aziot-edged.mgmt.socket", "aziot-edged.workload.socket"];

struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        symlink(env!("CARGO_BIN_EXE_skerry"), machine.path("iotedge")).unwrap();
        for folder in ["bin", "states", "refused"] {
            fs::create_dir(machine.path(folder)).unwrap();
        }
        for (name, text) in [("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)] {
            let path = machine.path(&format!("bin/{name}"));
            fs::write(&path, text.replace("FOLDER", machine.folder.path().to_str().unwrap())).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(machine.path("journal"), "one\ntwo\n").unwrap();
        machine.states("active", "active");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn states(&self, service: &str, sockets: &str) {
        for (unit, state) in UNITS.into_iter().zip([service, sockets, sockets]) {
            fs::write(self.path("states").join(unit), format!("{state}\n")).unwrap();
        }
    }

    /// What was asked of the tools since the last time.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        drop(fs::remove_file(self.path("calls")));
        calls.lines().map(str::to_owned).collect()
    }

    /// As root of a world of its own; what it wrote there comes last.
    fn run(&self, line: &str) -> Output {
        self.run_as(&["--map-root-user"], line)
    }

    fn run_as(&self, user: &[&str], line: &str) -> Output {
        let script = "mount -t tmpfs none /etc/systemd/system 2>/dev/null; \"$@\"; code=$?; \
                      cat /etc/systemd/system/*/* 2>/dev/null; exit $code";
        let mut command = Command::new("unshare");
        command.args(["--user", "--mount"]).args(user).args(["sh", "-c", script, "sh"]);
        command.arg(self.path("iotedge")).args(line.split(' '));
        command.arg("--data").arg(self.path("data")).arg("--sockets").arg(self.path("run"));
        let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", self.path("bin").display());
        command.env("PATH", path).env_remove("IOTEDGE_HOST").stdin(Stdio::null());
        command.output().unwrap()
    }

    #[track_caller]
    fn says(&self, line: &str, code: i32) -> String {
        let ran = self.run(line);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let said = format!("{}{}", text(&ran.stdout), text(&ran.stderr));
        assert_eq!(ran.status.code(), Some(code), "{line}: {said}");
        said
    }
}

#[test]
fn where_systemd_does_not_run_its_complaint_is_the_state() {
    let machine = Machine::new();
    let complaint = "#!/bin/sh\necho 'System has not been booted with systemd' >&2\nexit 1\n";
    fs::write(machine.path("bin/systemctl"), complaint).unwrap();
    let said = machine.says("system status", 0);
    assert!(said.contains("Down - System has not been booted with systemd\n"), "{said}");
}

#[test]
fn the_daemon_is_running_ready_or_down() {
    const HINTS: &str = "\nUse 'iotedge system logs' to see the daemon's log.\n\
                         Use 'iotedge check' to find out what is wrong with this device.\n";
    let machine = Machine::new();
    for (service, sockets, line) in [
        ("active", "active", "Running\n"),
        ("inactive", "active", "Ready\n"),
        ("failed", "active", "Down - failed\n\none\ntwo\n"),
    ] {
        machine.states(service, sockets);
        let expected = format!("System services:\n    aziot-edged             {line}{HINTS}");
        assert_eq!(machine.says("system status", 0), expected);
    }
    let asked = UNITS.map(|unit| format!("systemctl is-active {unit}"));
    let calls = machine.calls();
    assert_eq!(calls[..3], asked);
    assert_eq!(calls[9], "journalctl -u aziot-edged.service -n 10 --no-pager");
}

#[test]
fn the_daemon_is_stopped_and_started_with_its_sockets() {
    let machine = Machine::new();
    let stopped = "Stopping aziot-edged...Stopped!\n";
    assert_eq!(machine.says("system stop", 0), stopped);
    assert_eq!(machine.calls(), ["systemctl stop aziot-edged.service"]);
    let started = "Starting aziot-edged.mgmt.socket...Started!\nStarting aziot-edged.workload.socket...Started!\n\
                   Starting aziot-edged...Started!\n";
    assert_eq!(machine.says("system restart", 0), format!("{stopped}{started}"));
    let all =
        ["stop aziot-edged.service", "start aziot-edged.mgmt.socket", "start aziot-edged.workload.socket"];
    let all: Vec<String> = all
        .into_iter()
        .chain(["start aziot-edged.service"])
        .map(|call| format!("systemctl {call}"))
        .collect();
    assert_eq!(machine.calls(), all);

    // One that systemd refuses is told, and the rest is done.
    fs::write(machine.path("refused/stop"), "").unwrap();
    let said = machine.says("system restart", 0);
    assert!(
        said.starts_with("Stopping aziot-edged...\nFailed to stop aziot-edged.service: Access denied\n"),
        "{said}"
    );
    assert!(said.ends_with(started), "{said}");
    assert_eq!(machine.calls(), all);
}

#[test]
fn what_changes_the_machine_needs_root_and_systemd() {
    let machine = Machine::new();
    for line in ["system stop", "system restart", "system set-log-level debug"] {
        let ran = machine.run_as(&[], line);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(1), "{line}: {said}");
        assert!(said.contains("sudo"), "{line}: {said}");
    }
    assert_eq!(machine.calls(), [""; 0]);
    fs::remove_dir_all(machine.path("bin")).unwrap();
    fs::create_dir(machine.path("bin")).unwrap();
    let mut command = Command::new(machine.path("iotedge"));
    let ran = command.args(["system", "status"]).env("PATH", machine.path("bin")).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("skerry edge run"), "{ran:?}");
}

#[test]
fn the_journal_is_shown_as_asked() {
    let machine = Machine::new();
    let units = "-u aziot-edged.service -u aziot-edged.mgmt.socket -u aziot-edged.workload.socket";
    assert_eq!(machine.says("system logs", 0), "one\ntwo\n");
    assert_eq!(machine.calls(), [format!("journalctl {units} -e --no-pager")]);
    // What stands behind -- is journalctl's, and nothing may follow it here.
    let mut command = Command::new(machine.path("iotedge"));
    command.args(["system", "logs", "--", "-n", "5", "--data", "x"]);
    let path = format!("{}:/usr/bin:/bin", machine.path("bin").display());
    assert!(command.env("PATH", &path).stdout(Stdio::null()).status().unwrap().success());
    assert_eq!(machine.calls(), [format!("journalctl {units} -n 5 --data x")]);
    fs::remove_file(machine.path("journal")).unwrap();
    machine.says("system logs", 1);
}

#[test]
fn the_log_level_is_one_of_the_units() {
    let machine = Machine::new();
    let said = machine.says("system set-log-level debug", 0);
    assert!(said.starts_with("The log level will be debug: `iotedge system restart`.\n"), "{said}");
    assert!(said.ends_with("[Service]\nEnvironment=AZIOT_LOG=debug\n"), "{said}");
    assert_eq!(machine.calls(), ["systemctl daemon-reload"]);
    machine.says("system set-log-level loud", 2);
}

#[test]
fn a_bundle_is_made_though_nothing_runs() {
    let machine = Machine::new();
    let bundle = machine.path("bundle.zip");
    let line = format!("support-bundle -q --since 100 --until 200 -o {}", bundle.display());
    let said = machine.says(&line, 0);
    assert!(
        said.contains("warn: the daemon gathers nothing") && said.contains("iotedge system status"),
        "{said}"
    );
    assert!(said.contains(&format!("Created support bundle at {}\n", bundle.display())), "{said}");
    assert!(!said.contains("The checks are run"), "it was asked to be quiet: {said}");
    let whole = fs::read(&bundle).unwrap();
    let text = String::from_utf8_lossy(&whole);
    for part in [
        "check.json",
        "\"aziot-edged-config-well-formed\"",
        "logs/aziot-edged.txtone\ntwo\n",
        "logs/docker.txt",
    ] {
        assert!(text.contains(part), "{part} is in it");
    }
    assert_eq!(fs::metadata(&bundle).unwrap().permissions().mode() & 0o777, 0o600);
    let calls = machine.calls();
    for unit in ["aziot-edged", "docker"] {
        let asked = format!("journalctl -a -u {unit} -S @100 -U @200 --no-pager");
        assert!(calls.contains(&asked), "{asked}: {calls:?}");
    }
    // To stdout, the archive comes alone.
    let ran = machine.run("support-bundle -o -");
    assert!(ran.status.success() && ran.stdout.starts_with(b"PK"), "{ran:?}");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("Making support bundle\n"), "{ran:?}");
}

/// A daemon without a hub and without an engine; ended with the test.
struct Edge(Child);

impl Drop for Edge {
    fn drop(&mut self) {
        // Gone already is fine.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_device_that_is_provisioned_anew_ends_so_that_systemd_starts_it_again() {
    let machine = Machine::new();
    let at = machine.folder.path().display();
    let config = format!(
        "[provisioning]\nsource = \"manual\"\nconnection_string = \"HostName=hub1.skerry.test;DeviceId=gate;\
         SharedAccessKey=c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0IQ==\"\n[moby_runtime]\nuri = \"unix://{at}/none.sock\"\n\
         network = \"n\"\n[skerry]\nhub_address = \"127.0.0.1\"\nhub_https_port = 1\nhub_mqtt_port = 1\n"
    );
    fs::write(machine.path("config.toml"), config).unwrap();
    let mut command = skerry();
    command.args(["edge", "run", "--metrics", "off", "--config"]).arg(machine.path("config.toml"));
    command.arg("--data").arg(machine.path("data")).arg("--sockets").arg(machine.path("run"));
    let log = fs::File::create(machine.path("log")).unwrap();
    let mut edge = Edge(command.stderr(log).spawn().unwrap());
    let began = Instant::now();
    while !machine.path("run/mgmt.sock").exists() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{}",
            fs::read_to_string(machine.path("log")).unwrap()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = machine.says("system reprovision", 0);
    assert_eq!(said, "Successfully reprovisioned with IoT Hub.\n");
    assert_eq!(edge.0.wait().unwrap().code(), Some(154));
}
