//! Configurations: each folder below `tests/config` is one, with what is expected of it.
//!
//! `expected.txt` holds what is said about the text, then the lines in which the configuration that was read
//! differs from the smallest one; `SKERRY_REFRESH=1` writes the files anew, to be looked at before they count.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use skerry_edge_daemon::config::{Config, Severity};

const SMALLEST: &str = "[provisioning]\nsource = 'none'\n";

fn shown(text: &str) -> String {
    let parsed = match Config::parse(text, false) {
        Ok(parsed) => parsed,
        Err(error) => return format!("refused\n{error}\n"),
    };
    let mut out = String::from("accepted\n");
    for warning in &parsed.warnings {
        let _ = writeln!(out, "{warning}");
    }
    let smallest = format!("{:#?}", Config::parse(SMALLEST, true).unwrap().config);
    for line in format!("{:#?}", parsed.config).lines() {
        if !smallest.lines().any(|other| other == line) {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a switch for the person at the keyboard")]
fn every_folder_is_read_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let mut folders: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 10, "{folders:?}");
    for folder in folders {
        let found = shown(&fs::read_to_string(folder.join("input.toml")).unwrap());
        let expected = folder.join("expected.txt");
        if std::env::var_os("SKERRY_REFRESH").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap();
        assert_eq!(found, expected, "{}", folder.display());
    }
}

#[test]
fn strict_reading_refuses_what_otherwise_warns() {
    let text = "hostnme = 'edge'\n[provisioning]\nsource = 'none'\n";
    let parsed = Config::parse(text, false).unwrap();
    assert_eq!(parsed.warnings[0].severity, Severity::Warning);
    let refused = Config::parse(text, true).unwrap_err().to_string();
    assert_eq!(refused, "1:1: error: hostnme is not known and has no effect: did you mean `hostname`?");
}

#[test]
fn secrets_do_not_print() {
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let text = format!(
        "[provisioning]\nsource='manual'\nconnection_string='HostName=h.test;DeviceId=d;SharedAccessKey={key}'\n\
         [agent]\nname='edgeAgent'\ntype='docker'\nconfig={{image='i',auth={{username='u',password='pass-word'}}}}\n"
    );
    let shown = format!("{:?}", Config::parse(&text, true).unwrap());
    assert!(!shown.contains("MDEyMzQ1") && !shown.contains("pass-word"), "{shown}");
    let broken = format!("{:?}", Config::parse(&text.replace("DeviceId=d", "DeviceId=ü"), true).unwrap_err());
    assert!(!broken.contains("MDEyMzQ1"), "{broken}");
}

#[test]
fn no_prefix_of_a_configuration_breaks_the_reader() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/every-key/input.toml"))
            .unwrap();
    for (at, _) in text.char_indices() {
        if let Err(error) = Config::parse(&text[..at], true) {
            assert!(!error.problems.is_empty(), "{at}");
        }
    }
}
