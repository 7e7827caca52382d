//! `skerry route test`: what it prints, where, and the exit codes.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::skerry;

/// A folder with a message that has a body, properties and a twin.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let message = json!({
        "message": {
            "body": {"temp": 50},
            "appProperties": {"level": "high"},
            "systemProperties": {
                "contentType": "application/json", "contentEncoding": "utf-8",
                "connectionModuleId": "sensor", "outputName": "out"
            }
        },
        "twin": {"tags": {"city": "Ulm"}}
    });
    fs::write(folder.path().join("message.json"), message.to_string()).unwrap();
    fs::write(folder.path().join("bare.json"), r#"{"body": {"temp": 50}}"#).unwrap();
    fs::write(folder.path().join("list.json"), "[1]").unwrap();
    fs::write(folder.path().join("broken.json"), "{\"body\": ").unwrap();
    fs::write(folder.path().join("other.json"), r#"{"properties": {}}"#).unwrap();
    folder
}

fn test(folder: &Path, args: &[&str]) -> Output {
    skerry().current_dir(folder).args(["route", "test"]).args(args).output().unwrap()
}

fn texts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn prints(folder: &Path, args: &[&str], wanted: &str) -> String {
    let (code, out, err) = texts(&test(folder, args));
    assert_eq!((code, out), (0, format!("{wanted}\n")), "{args:?}: {err}");
    err
}

#[track_caller]
fn fails(folder: &Path, args: &[&str], code: i32, says: &str) {
    let (ended, out, err) = texts(&test(folder, args));
    assert_eq!((ended, out.as_str()), (code, ""), "{args:?}: {err}");
    assert!(err.contains(says), "{err:?} does not say {says:?}");
}

fn with<'a>(dialect: &'a str, condition: &'a str) -> [&'a str; 6] {
    ["--dialect", dialect, "--message", "message.json", "--condition", condition]
}

#[test]
fn a_condition_is_true_false_or_undefined() {
    let folder = folder();
    let at = folder.path();
    for dialect in ["hub", "edge"] {
        assert_eq!(prints(at, &with(dialect, "level = 'high' AND $body.temp > 40"), "true"), "");
        assert_eq!(prints(at, &with(dialect, "level = 'low'"), "false"), "");
        assert_eq!(prints(at, &with(dialect, "missing = 'x'"), "undefined"), "");
        assert_eq!(prints(at, &with(dialect, ""), "undefined"), "");
    }
    prints(at, &with("hub", "$body.missing = null"), "undefined");
    prints(at, &with("edge", "$body.missing = null"), "true");
    prints(at, &with("hub", "$twin.tags.city = 'Ulm'"), "true");
    let output = test(at, &[&with("edge", "missing = 'x'")[..], &["--json"]].concat());
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), json!({"result": "undefined"}));
}

#[test]
fn a_message_comes_from_standard_input_too() {
    let folder = folder();
    let mut child = skerry()
        .args(["route", "test", "--dialect", "edge", "--condition", "a = 'b'", "--message", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .current_dir(folder.path())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(br#"{"message": {"appProperties": {"a": "b"}}}"#).unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"true\n");
}

#[test]
fn a_mistake_is_shown_in_its_line() {
    let folder = folder();
    let at = folder.path();
    let says = "skerry: --condition: line 1, column 9: expected a string as on the left side, found the number 5. \
                Properties are strings, AS_NUMBER(level) is the number in it\n    level > 5\n            ^\n";
    fails(at, &with("edge", "level > 5"), 2, says);
    fails(at, &with("hub", "level > 5"), 2, says);
    fails(
        at,
        &with("edge", "level = 'high'\n  AND $twin.tags.a = 1"),
        2,
        "\n      AND $twin.tags.a = 1\n          ^\n",
    );
    let long = format!("{} AND x ==", vec!["level = 'high'"; 20].join(" AND "));
    let (_, _, err) = texts(&test(at, &with("edge", &long)));
    let lines: Vec<&str> = err.lines().collect();
    assert!(lines.len() == 3 && lines[1].len() < 120, "{err}");
    assert_eq!(&lines[1][lines[2].len() - 1..], "==", "{err}");
}

#[test]
fn a_body_that_cannot_be_read_is_told() {
    let folder = folder();
    let args = ["--dialect", "edge", "--message", "bare.json", "--condition"];
    let said = prints(folder.path(), &[&args[..], &["$body.temp = 50"]].concat(), "undefined");
    assert!(said.contains("contentType is application/json"), "{said}");
    let quiet = prints(folder.path(), &[&args[..], &["NOT IS_DEFINED(a)"]].concat(), "true");
    assert_eq!(quiet, "");
}

#[test]
fn whole_routes_look_at_the_source_too() {
    let folder = folder();
    let at = folder.path();
    let args = |route| ["--message", "message.json", "--route", route];
    prints(at, &args("FROM /messages/modules/sensor/outputs/* WHERE $body.temp = 50 INTO $upstream"), "true");
    prints(at, &args("FROM /* INTO BrokeredEndpoint(\"/modules/a/inputs/i\")"), "true");
    let said = prints(at, &args("FROM /messages/modules/other WHERE true INTO $upstream"), "false");
    assert_eq!(said, "The message does not come from /messages/modules/other/*.\n");
    prints(at, &args("FROM /twinChangeNotifications INTO $upstream"), "false");
    let misplaced = "FROM /* INTO $upstream WHERE true";
    let mark = format!("{}^\n", " ".repeat(4 + 23));
    fails(at, &args(misplaced), 2, &format!("WHERE stands before INTO\n    {misplaced}\n{mark}"));
    fails(at, &[&args("FROM /* INTO $upstream")[..], &["--dialect", "hub"]].concat(), 2, "are the edge's");
}

#[test]
fn what_is_missing_or_wrong_around_the_condition_has_its_exit_code() {
    let folder = folder();
    let at = folder.path();
    let file = |file| ["--dialect", "edge", "--condition", "true", "--message", file];
    fails(at, &file("nowhere.json"), 3, "there is no file nowhere.json");
    fails(at, &file("broken.json"), 2, "broken.json is not JSON");
    fails(at, &file("list.json"), 2, "list.json: the message is not an object");
    fails(at, &file("other.json"), 2, "other.json: the message has no key \"properties\"");
    fails(at, &["--condition", "true", "--message", "message.json"], 2, "--dialect");
    fails(at, &["--dialect", "edge", "--message", "message.json"], 2, "--condition");
    fails(at, &["--dialect", "cloud", "--condition", "true", "--message", "message.json"], 2, "cloud");
    fails(at, &["--dialect", "edge", "--condition", "true"], 2, "--message");
}
