//! Configurations of the versions 1.0 and 1.1: each folder below `tests/import` is one, with what becomes of it.
//!
//! `SKERRY_REFRESH=1` writes what is expected anew, to be looked at before it counts.

use std::fs;
use std::path::Path;

use skerry_edge_daemon::config::{Config, import};

/// Where one of the machines has a key of old.
const KEPT: &str = "/opt/iotedge/hsm/enc_keys/";

fn shown(text: &str) -> String {
    match import(text, &|path| path.starts_with(KEPT)) {
        Err(error) => format!("refused\n{error}\n"),
        Ok(imported) => {
            let left_out: String = imported.left_out.iter().map(|key| format!("left out: {key}\n")).collect();
            format!("{left_out}{}", imported.text)
        }
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a switch for the person at the keyboard")]
fn every_folder_becomes_what_is_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let mut folders: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 9, "{folders:?}");
    for folder in folders {
        let found = shown(&fs::read_to_string(folder.join("input.yaml")).unwrap());
        let expected = folder.join("expected.txt");
        if std::env::var_os("SKERRY_REFRESH").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        assert_eq!(found, fs::read_to_string(&expected).unwrap(), "{}", folder.display());
    }
}

#[test]
fn what_was_imported_is_a_configuration_that_nobody_complains_of() {
    for case in ["connection-string", "left-out"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(case);
        let imported = import(&fs::read_to_string(root.join("input.yaml")).unwrap(), &|_| false).unwrap();
        let parsed = Config::parse(&imported.text, true).unwrap();
        parsed.config.supported().unwrap();
    }
}

#[test]
fn no_prefix_of_a_file_breaks_the_reader() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/gateway-x509/input.yaml");
    let text = fs::read_to_string(root).unwrap();
    for (at, _) in text.char_indices() {
        // Whatever comes of it comes without a panic, and says something.
        if let Err(error) = import(&text[..at], &|_| false) {
            assert!(!error.to_string().is_empty());
        }
    }
}
