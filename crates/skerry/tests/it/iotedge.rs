//! `iotedge` on a machine where nothing runs: files, words and exit codes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::skerry;

const CONNECTION_STRING: &str =
    "HostName=hub1.skerry.test;DeviceId=gate;SharedAccessKey=c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0IQ==";

struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink(env!("CARGO_BIN_EXE_skerry"), folder.path().join("iotedge")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// By the name of the program; words are split at spaces, and FOLDER is the machine's own.
    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(self.path("iotedge"));
        for variable in ["IOTEDGE_HOST", "SKERRY_EDGE_CONFIG", "SKERRY_EDGE_DATA", "SKERRY_EDGE_SOCKETS"] {
            command.env_remove(variable);
        }
        let folder = self.folder.path().to_str().unwrap();
        command.args(line.split(' ').map(|word| word.replace("FOLDER", folder)));
        command.arg("--data").arg(self.path("data")).arg("--sockets").arg(self.path("run"));
        command.output().unwrap()
    }

    #[track_caller]
    fn ends(&self, line: &str, code: i32, says: &str) {
        let ran = self.run(line);
        let said =
            format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert_eq!(ran.status.code(), Some(code), "{line}: {said}");
        assert!(said.contains(says), "{line}: {said:?} does not say {says:?}");
    }

    fn check(&self, more: &str) -> (i32, Value) {
        let line = format!("check -o json -c FOLDER/config.toml{more}");
        let ran = self.run(&line);
        let report = serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{line}: {ran:?}"));
        (ran.status.code().unwrap(), report)
    }
}

#[test]
fn the_program_is_iotedge_by_its_name_and_as_a_command() {
    let machine = Machine::new();
    let version = format!("iotedge {}\n", env!("CARGO_PKG_VERSION"));
    let by_name = machine.run("version");
    assert_eq!(String::from_utf8_lossy(&by_name.stdout), version);
    assert_eq!(String::from_utf8_lossy(&machine.run("--version").stdout), version);
    let as_command = skerry().args(["iotedge", "version"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&as_command.stdout), version);
    let alone = Command::new(machine.path("iotedge")).output().unwrap();
    assert_eq!(alone.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&alone.stderr).contains("support-bundle"), "it shows what there is");
}

#[test]
fn a_configuration_is_written_and_applied_or_refused() {
    let machine = Machine::new();
    let mp = format!("config mp -o FOLDER/config.toml -c {CONNECTION_STRING}");
    machine.ends("config mp", 2, "--connection-string");
    machine.ends("config mp -o FOLDER/config.toml -c nonsense", 1, "HostName");
    machine.ends(&mp, 0, "iotedge config apply");
    let written = fs::metadata(machine.path("config.toml")).unwrap();
    assert_eq!(written.permissions().mode() & 0o777, 0o600, "it holds a key");
    machine.ends(&mp, 1, "--force");
    machine.ends(&format!("{mp} --force"), 0, "is written");
    machine.ends("config apply -c FOLDER/absent.toml", 1, "does not exist");
    machine.ends("config apply -c FOLDER/config.toml", 0, "The daemon does not run");

    let good = fs::read_to_string(machine.path("config.toml")).unwrap();
    fs::write(machine.path("config.toml"), format!("hostnam = \"gate\"\n{good}")).unwrap();
    machine.ends("config apply -c FOLDER/config.toml", 0, "1:1: warning: hostnam");
    machine.ends("config apply --strict -c FOLDER/config.toml", 1, "1:1: error: hostnam");
    fs::write(machine.path("config.toml"), "cloud_retries = \"x\"\n[provisioning]\nsource = \"magic\"\n")
        .unwrap();
    machine.ends("config apply -c FOLDER/config.toml", 1, "1:");
    machine.ends("config apply -c FOLDER/config.toml", 1, "3:");

    // What an older installation has becomes a file that can be applied.
    machine.ends("config import -c FOLDER/absent.yaml", 1, "--config-file");
    let old = format!(
        "provisioning:\n  source: manual\n  device_connection_string: {CONNECTION_STRING}\nhostnam: x\n"
    );
    fs::write(machine.path("config.yaml"), old).unwrap();
    let import = "config import -c FOLDER/config.yaml -o FOLDER/config.toml";
    machine.ends(import, 1, "--force");
    machine.ends(&format!("{import} --force"), 0, "hostnam is left out");
    machine.ends("config apply --strict -c FOLDER/config.toml", 0, "is applied");
    assert_eq!(fs::metadata(machine.path("config.toml")).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(machine.path("config.yaml"), "provisioning:\n  source: [\n").unwrap();
    machine.ends(&format!("{import} --force"), 1, "line 2");
}

#[test]
fn commands_that_need_the_daemon_say_how_to_find_out_about_it() {
    let machine = Machine::new();
    for line in ["list", "logs sensor", "restart sensor", "system reprovision"] {
        machine.ends(line, 1, "iotedge system status");
    }
    machine.ends("support-bundle --since yesterday", 1, "--since");
    machine.ends("list -H http://example.test", 1, "unix:///path/to/mgmt.sock");
    machine.ends("system set-log-level loud", 2, "debug");
    machine.ends("restart", 2, "MODULE");
}

#[test]
fn what_checks_run_in_containers_runs_here_as_well() {
    let machine = Machine::new();
    let time = machine.run("diagnostics local-time");
    assert!(
        String::from_utf8(time.stdout).unwrap().trim().parse::<u64>().is_ok_and(|time| time > 1_700_000_000)
    );
    machine.ends("diagnostics resolve --host localhost", 0, "127.0.0.1");
    machine.ends("diagnostics resolve --host nowhere.invalid", 1, "iotedge: ");
    // PEM begins with hyphens, and is no option for that.
    let connect = "diagnostics connect --host hub1.skerry.test --address 127.0.0.1 --trust-pem -----BEGIN";
    machine.ends(&format!("{connect} --port 1 --port 2"), 1, "port 1: ");
    machine.ends(connect, 2, "--port");
}

#[test]
fn checks_tell_what_is_wrong_with_a_machine() {
    let machine = Machine::new();
    let (code, report) = machine.check("");
    assert_eq!(code, 1);
    assert_eq!(report["checks"]["aziot-edged-config-well-formed"]["result"]["result"], "error");
    assert_eq!(report["checks"]["container-engine-uri"]["result"]["result"], "skipped");

    // An engine that is not there, a certificate and a key that are not there, and no daemon.
    let config = format!(
        "parent_hostname = \"under_score\"\n[provisioning]\nsource = \"manual\"\n\
         iothub_hostname = \"hub1.skerry.test\"\ndevice_id = \"gate\"\n[provisioning.authentication]\n\
         method = \"x509\"\nidentity_cert = \"file://{at}/absent.pem\"\nidentity_pk = \"file://{at}/absent.key\"\n\
         [moby_runtime]\nuri = \"unix://{at}/engine.sock\"\n[moby_runtime.network]\nname = \"n\"\nipv6 = true\n\
         [skerry]\nhub_address = \"127.0.0.1\"\nhub_https_port = 1\nhub_mqtt_port = 1\n",
        at = machine.folder.path().display(),
    );
    fs::write(machine.path("config.toml"), config).unwrap();
    let offline = " --dont-run host-connect-iothub-amqp --container-engine-config-file FOLDER/absent.json";
    let (code, report) = machine.check(offline);
    assert_eq!(code, 1);
    for (id, expected) in [
        ("aziot-edged-config-well-formed", "ok"),
        ("config-up-to-date", "warning"),
        ("parent_hostname", "warning"),
        ("identity-certificate-expiry", "error"),
        ("edge-ca-certificate-expiry", "skipped"),
        ("container-engine-uri", "error"),
        ("connect-management-uri", "error"),
        ("aziot-edge-version", "ignored"),
        ("container-engine-dns", "warning"),
        ("container-engine-ipv6", "error"),
        ("container-engine-logrotate", "warning"),
        ("image-tags", "skipped"),
        ("host-local-time", "warning"),
        ("keyd-running", "error"),
        ("edge-hub-storage-mounted-from-host", "skipped"),
        ("check-agent-image", "ignored"),
        ("container-resolve-parent-hostname", "skipped"),
        ("container-connect-upstream-mqtt", "skipped"),
        ("host-connect-iothub-amqp", "ignored"),
        ("host-connect-iothub-https", "error"),
        ("host-connect-iothub-mqtt", "error"),
    ] {
        let result = &report["checks"][id]["result"];
        assert_eq!(result["result"], expected, "{id}: {result}");
        let has_details = matches!(expected, "warning" | "error");
        assert_eq!(result["details"].is_array(), has_details, "{id}: {result}");
    }
    let shown = machine.run(&format!("check -c FOLDER/config.toml --verbose{offline}"));
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.starts_with("\nConfiguration checks (aziot-identity-service)\n----"), "{shown}");
    assert!(shown.contains("× container engine is installed and functional - Error\n    "), "{shown}");
    assert!(shown.contains("\n        caused by: "), "{shown}");
    assert!(shown.contains("\nConnectivity checks\n-------------------\n"), "{shown}");
    machine.ends("check-list", 0, "container-engine-logrotate");
}

#[test]
fn an_edge_that_cannot_read_its_configuration_ends_so_that_systemd_lets_it_be() {
    let machine = Machine::new();
    let run = || {
        let mut command = skerry();
        command.args(["edge", "run", "--metrics", "off", "--config"]).arg(machine.path("config.toml"));
        command.arg("--data").arg(machine.path("data")).arg("--sockets").arg(machine.path("run"));
        let ran = command.env_remove("AZIOT_LOG").output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    let (code, said) = run();
    assert_eq!(code, Some(153), "{said}");
    assert!(said.starts_with("<3>") && said.contains("iotedge config mp"), "{said}");
    fs::write(machine.path("config.toml"), "[provisioning]\nsource = \"magic\"\n").unwrap();
    let (code, said) = run();
    assert_eq!(code, Some(153), "{said}");
    assert!(said.contains("2:"), "the place is told: {said}");
    // What is not done yet would not be so at another start either.
    let dps = "[provisioning]\nsource = \"dps\"\nglobal_endpoint = \"https://dps.test\"\nid_scope = \"x\"\n\
               [provisioning.attestation]\nmethod = \"tpm\"\nregistration_id = \"r\"\n";
    fs::write(machine.path("config.toml"), dps).unwrap();
    machine.ends("config apply -c FOLDER/config.toml", 1, "DPS is not supported yet");
    let (code, said) = run();
    assert_eq!(code, Some(153), "{said}");
    assert!(said.contains("DPS is not supported yet"), "{said}");
    fs::write(machine.path("config.toml"), "[provisioning]\nsource = \"none\"\n").unwrap();
    let (code, said) = run();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("source = \"manual\""), "it says what to write: {said}");
}
