//! The command line as operators and scripts use it: what is printed, where, and the exit codes.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::process::{Hub, skerry};

struct Cli<'h> {
    hub: &'h Hub,
}

/// What a command printed and how it ended.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out
    }

    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// Failed with this code, said this on stderr, and printed nothing that a script would take for data.
    #[track_caller]
    fn failed(self, code: i32, says: &str) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        assert!(self.err.contains(says), "{:?} does not say {says:?}", self.err);
    }
}

impl Cli<'_> {
    /// Runs a command against the hub's data directory; words are split at spaces.
    fn run(&self, line: &str) -> Ran {
        self.run_args(&line.split(' ').collect::<Vec<_>>())
    }

    fn run_args(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = skerry();
        command.args(args).arg("--data").arg(self.hub.data());
        command
    }
}

#[test]
fn devices_are_managed_from_the_command_line() {
    let hub = Hub::start();
    let cli = Cli { hub: &hub };
    let made = cli.run("device create d1 --json").json();
    assert_eq!((&made["deviceId"], &made["status"]), (&json!("d1"), &json!("enabled")));
    cli.run("device create d1").failed(4, "DeviceAlreadyExists");
    let shown = cli.run("device show d1").ok();
    let key = made["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap();
    assert!(shown.contains(key) && shown.starts_with("device               d1\n"), "{shown}");
    cli.run("device show nobody").failed(3, "nobody is not registered");
    cli.run_args(&["device", "create", "not an id"]).failed(1, "device id holds ' '");

    let off = cli.run("device update d1 --status disabled --reason lost --json").json();
    assert_eq!((&off["status"], &off["statusReason"]), (&json!("disabled"), &json!("lost")));
    assert_eq!(off["authentication"], made["authentication"]);
    cli.run("device update d1 --status enabled --etag stale").failed(4, "etag");
    let x509 = cli
        .run(&format!("device update d1 --auth self-signed --primary-thumbprint {} --json", "ab".repeat(20)))
        .json();
    assert_eq!(x509["authentication"]["type"], "selfSigned");
    cli.run("device update d1 --auth ca --primary-key AAAA").failed(2, "--auth sas");

    let edge = cli.run("device create gate --edge --json").json();
    let child = cli.run("device create leaf --parent gate --json").json();
    assert_eq!(child["parentScopes"], json!([edge["deviceScope"]]));
    cli.run("device create other --parent leaf").failed(2, "not an edge device");
    let orphan = cli.run("device update leaf --parent= --json").json();
    assert_eq!(orphan["parentScopes"], json!([]));

    let list = cli.run("device list").ok();
    let firsts: Vec<&str> = list.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(firsts, ["DEVICE", "d1", "gate", "leaf"]);
    assert_eq!(cli.run("device list --edge --json").json().as_array().unwrap().len(), 1);
    assert_eq!(cli.run("device list --top 2 --json").json().as_array().unwrap().len(), 2);

    let line = cli.run("device connection-string leaf").ok();
    let key = child["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap();
    assert_eq!(line, format!("HostName=hub1.skerry.test;DeviceId=leaf;SharedAccessKey={key}\n"));
    let rotated = cli.run("device key rotate leaf --key both --json").json();
    assert_ne!(rotated["rotatedKeys"][0]["primaryKey"], key);
    cli.run("device key rotate d1").failed(1, "sas");
    cli.run("device key rotate nobody").failed(3, "not registered");

    let dry = cli.run("device delete leaf --dry-run");
    assert_eq!((dry.code, dry.out.as_str()), (0, ""));
    assert!(dry.err.contains("Would delete device leaf"), "{}", dry.err);
    cli.run("device show leaf").ok();
    cli.run("device delete leaf --etag stale").failed(4, "etag");
    cli.run("device delete leaf").ok();
    cli.run("device delete leaf").failed(3, "leaf");
    hub.stop();
}

#[test]
fn modules_twins_and_queries_are_managed_from_the_command_line() {
    let hub = Hub::start();
    let cli = Cli { hub: &hub };
    cli.run("device create d1").ok();
    cli.run("module create d1 m1 --managed-by me").ok();
    cli.run("module create d1 m1").failed(4, "exists already");
    cli.run("module create nobody m1").failed(3, "nobody");
    assert_eq!(cli.run("module show d1 m1 --json").json()["managedBy"], "me");
    assert_eq!(cli.run("module update d1 m1 --managed-by you --json").json()["managedBy"], "you");
    assert!(cli.run("module list d1").ok().contains("m1"));
    assert!(
        cli.run("device connection-string d1 --module m1")
            .ok()
            .contains(";DeviceId=d1;ModuleId=m1;SharedAccessKey=")
    );

    let twin = cli
        .run_args(&[
            "twin",
            "update",
            "d1",
            "--tags",
            r#"{"site":"oslo","n":1}"#,
            "--desired",
            r#"{"a":{"b":1}}"#,
        ])
        .json();
    assert_eq!(
        (&twin["tags"]["site"], &twin["properties"]["desired"]["a"]["b"]),
        (&json!("oslo"), &json!(1))
    );
    assert_eq!(cli.run("twin show d1").json(), twin);
    cli.run_args(&["twin", "update", "d1", "--tags", "{"]).failed(2, "--tags is not JSON");
    cli.run("twin update d1").failed(2, "nothing to send");
    cli.run_args(&["twin", "update", "d1", "--tags", "{}", "--etag", "stale"]).failed(4, "etag");
    cli.run_args(&["twin", "update", "d1", "--tags", r#"{"a.b":1}"#]).failed(1, "a.b");
    let file = hub.data().join("twin.json");
    std::fs::write(&file, r#"{"tags":{"only":"this"}}"#).unwrap();
    let replaced = cli.run_args(&["twin", "replace", "d1", "--file", file.to_str().unwrap()]).json();
    assert_eq!(replaced["tags"], json!({"only": "this"}));
    assert_eq!(
        cli.run_args(&["twin", "update", "d1", "--module", "m1", "--tags", r#"{"of":"m1"}"#]).json()["moduleId"],
        "m1"
    );

    for n in 0..5 {
        cli.run(&format!("device create q{n}")).ok();
    }
    let rows = cli
        .run_args(&[
            "query",
            "SELECT deviceId FROM devices WHERE STARTSWITH(deviceId, 'q')",
            "--page-size",
            "2",
        ])
        .ok();
    let wanted: String = (0..5).map(|n| format!("{{\"deviceId\":\"q{n}\"}}\n")).collect();
    assert_eq!(rows, wanted);
    let top = cli.run_args(&["query", "SELECT deviceId FROM devices", "--top", "3", "--json"]).json();
    assert_eq!(top.as_array().unwrap().len(), 3);
    cli.run_args(&["query", "SELECT nothing"]).failed(1, "line 1, column");
    cli.run("module delete d1 m1").ok();
    cli.run("module show d1 m1").failed(3, "m1");
    hub.stop();
}

#[test]
fn policies_decide_what_a_login_may_do() {
    let hub = Hub::start();
    let cli = Cli { hub: &hub };
    let list = cli.run("policy list").ok();
    assert!(list.contains("registryReadWrite  RegistryRead, RegistryWrite\n"), "{list}");
    cli.run_args(&["policy", "create", "ops", "--rights", "RegistryRead, ServiceConnect"]).ok();
    cli.run("policy create ops --rights RegistryRead").failed(4, "exists already");
    cli.run("policy create bad --rights Everything").failed(1, "not a right");

    let string = cli.run("hub connection-string --policy ops").ok();
    // The name of the test hub is in no name service, so its address stands in for it.
    let login = string.trim().replace("hub1.skerry.test", &format!("127.0.0.1:{}", hub.address.port()));
    let ca = hub.root_certificate();
    let as_ops = |args: &[&str]| {
        let mut command = skerry();
        command.args(args).args(["--login", &login]).arg("--ca").arg(&ca).stdin(Stdio::null());
        Ran::of(&command.output().unwrap())
    };
    as_ops(&["device", "list"]).ok();
    as_ops(&["device", "create", "d1"]).failed(5, "RegistryWrite");
    as_ops(&["policy", "list"]).failed(5, "ops");
    let untrusting = skerry().args(["device", "list", "--login", &login]).output().unwrap();
    Ran::of(&untrusting).failed(6, "--ca");

    let events = cli.run("hub connection-string --events").ok();
    assert!(
        events.starts_with("Endpoint=sb://hub1.skerry.test/;SharedAccessKeyName=iothubowner;"),
        "{events}"
    );
    assert!(events.ends_with(";EntityPath=hub1\n"), "{events}");

    cli.run("policy regenerate ops").ok();
    as_ops(&["device", "list"]).failed(5, "signature");
    let dry = cli.run("policy delete ops --dry-run");
    assert!(dry.code == 0 && dry.err.contains("Would delete"), "{}", dry.err);
    cli.run("policy delete ops").ok();
    cli.run("policy show ops").failed(3, "ops");
    cli.run("policy delete iothubowner").failed(1, "locked out");
    cli.run("hub connection-string --policy ops").failed(3, "ops");
    hub.stop();
}

#[test]
fn mistakes_of_usage_say_what_to_do() {
    let at = |args: &[&str]| Ran::of(&skerry().args(args).output().unwrap());
    let nowhere = tempfile::tempdir().unwrap();
    let nowhere = nowhere.path().to_str().unwrap();
    at(&["device", "list", "--data", nowhere]).failed(3, "skerry hub run");
    at(&["hub", "connection-string", "--data", nowhere]).failed(3, "skerry hub run");
    at(&["device", "list", "--login", "HostName=x"]).failed(2, "SharedAccessKey");
    at(&[
        "device",
        "list",
        "--login",
        "Endpoint=sb://h/;SharedAccessKeyName=p;SharedAccessKey=AAAAAAAAAAAAAAAAAAAAAA==",
    ])
    .failed(2, "HostName=");
    let key = "AAAAAAAAAAAAAAAAAAAAAA==";
    let dead = format!("HostName=127.0.0.1:1;SharedAccessKeyName=p;SharedAccessKey={key}");
    at(&["device", "list", "--login", &dead]).failed(6, "127.0.0.1:1");
    let device = format!("HostName=h;DeviceId=d;SharedAccessKey={key}");
    at(&["device", "list", "--login", &device]).failed(2, "policy key");
    assert_eq!(at(&["device", "conjure"]).code, 2);
    at(&["hub", "run", "--data", nowhere, "--https", "everywhere"]).failed(2, "IP:PORT");
    at(&["hub", "run", "--data", nowhere, "--hostname", "a b"]).failed(2, "host name");
    at(&["hub", "run", "--data", nowhere, "--config", "/no/such/file"]).failed(2, "/no/such/file");
    at(&["hub", "run", "--data", nowhere, "--log", "=="]).failed(2, "log filter");
    assert!(!Path::new(nowhere).join("hub.json").exists(), "a refused start leaves nothing behind");
}
