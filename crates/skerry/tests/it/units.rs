//! The units of a package, as systemd itself reads them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const UNITS: [&str; 3] = ["aziot-edged.service", "aziot-edged.mgmt.socket", "aziot-edged.workload.socket"];

/// The program is where it is built, not where a package puts it.
fn verify(change: impl Fn(String) -> String) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/edge/systemd");
    for unit in UNITS {
        let text = fs::read_to_string(source.join(unit)).unwrap();
        let text = text.replace("/usr/bin/skerry", env!("CARGO_BIN_EXE_skerry"));
        fs::write(folder.path().join(unit), change(text)).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no"]).args(UNITS.map(|unit| folder.path().join(unit)));
    command.output().expect("systemd-analyze, which comes with systemd")
}

fn complaints(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // What the machine has besides is not ours.
    said.lines().filter(|line| line.contains("aziot-edged")).collect::<Vec<_>>().join("\n")
}

#[test]
fn systemd_takes_the_units_as_they_are() {
    let good = verify(|text| text);
    assert_eq!(complaints(&good), "", "{good:?}");
    let typo = verify(|text| text.replace("KillMode", "KillMoed"));
    assert!(complaints(&typo).contains("KillMoed"), "a mistake would be seen: {typo:?}");
}

#[test]
fn the_program_asks_systemd_for_the_sockets_that_the_units_open() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/edge/systemd");
    for (unit, uri) in [("aziot-edged.mgmt.socket", "mgmt"), ("aziot-edged.workload.socket", "workload")] {
        let text = fs::read_to_string(source.join(unit)).unwrap();
        assert!(text.contains(&format!("FileDescriptorName={unit}\n")), "{text}");
        assert!(text.contains(&format!("ListenStream=/run/iotedge/{uri}.sock\n")), "{text}");
    }
}
