//! Modules with the unmodified SDKs in real containers: they find everything about their edge in what the agent
//! and the workload API tell them, and stay while the edge goes and comes back.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::device::{Bed, DEVICE, module};
use crate::world::{provided, suite};

#[test]
fn modules_of_the_official_sdks_find_their_edge_and_outlive_it() {
    let mut bed = Bed::new();
    bed.configure();
    bed.start_edge();
    let image = bed.publish("machine:1", "\"/helper\", \"talk\"");
    let (python, node) = (provided("SKERRY_TEST_PYTHON"), provided("SKERRY_TEST_NODE"));
    let node_modules = provided("SKERRY_TEST_NODE_MODULES");
    let scripts = suite("modules");
    let script = |name: &str| scripts.join(name).display().to_string();
    let own = |bed: &Bed| {
        bed.deploy_modules(&[
            ("python", with_machine(&image, &[&python, &script("module.py")], &[], &folders_of(&python))),
            (
                "node",
                with_machine(
                    &image,
                    &[&node, &script("module.js")],
                    &[("NODE_PATH", &node_modules)],
                    &[folder(&node), node_modules.clone()],
                ),
            ),
            (
                "amqp",
                with_machine(
                    &image,
                    &[&node, &script("module.js")],
                    &[("NODE_PATH", &node_modules), ("SPEAKS", "amqp")],
                    &[folder(&node), node_modules.clone()],
                ),
            ),
        ]);
    };
    own(&bed);
    let reported = bed.settled();
    assert_eq!(reported["lastDesiredStatus"]["code"], 200, "{reported:#}");
    for name in ["python", "node", "amqp"] {
        heard_of(&bed, name, 3);
    }
    for (name, by) in [("python", "python"), ("node", "node"), ("amqp", "node")] {
        bed.wait("the module answers methods", |bed| answers(bed, name, by).then_some(()));
        bed.skerry(&["twin", "update", DEVICE, "--module", name, "--desired", r#"{"speed": 7}"#]);
        bed.wait("the module reports what it took", |bed| {
            let twin = bed.skerry(&["twin", "show", DEVICE, "--module", name]);
            let twin: Value = serde_json::from_str(&twin).unwrap();
            (twin["properties"]["reported"]["took"]["speed"] == 7).then_some(())
        });
    }
    let began = |bed: &Bed, name: &str| bed.inspect(name, "{{.State.StartedAt}} {{.RestartCount}}");
    let before: Vec<String> = ["python", "node", "amqp"].map(|name| began(&bed, name)).into();
    for go in [Bed::stop_edge, Bed::kill_edge] {
        go(&mut bed);
        bed.start_edge();
        for (name, by) in [("python", "python"), ("node", "node"), ("amqp", "node")] {
            bed.wait("the module answers again", |bed| answers(bed, name, by).then_some(()));
        }
    }
    let after: Vec<String> = ["python", "node", "amqp"].map(|name| began(&bed, name)).into();
    assert_eq!(before, after, "no module was started anew");
    bed.stop_edge();
    bed.stop_hub();
}

/// A module that runs a program of this machine in a container that has nothing else.
fn with_machine(image: &str, command: &[&str], env: &[(&str, &str)], folders: &[String]) -> Value {
    let scripts = suite("modules").display().to_string();
    let system = ["/usr", "/lib", "/lib64", "/etc/ssl"].map(str::to_owned);
    let folders = system.iter().chain(folders).chain([&scripts]);
    // Below /usr is there already.
    let mut binds: Vec<String> =
        folders.filter(|path| *path == "/usr" || !path.starts_with("/usr/")).cloned().collect();
    binds.sort();
    binds.dedup();
    let binds: Vec<String> = binds.into_iter().map(|path| format!("{path}:{path}:ro")).collect();
    let options = json!({
        "Entrypoint": command, "Cmd": [],
        "HostConfig": {"Binds": binds, "Tmpfs": {"/tmp": ""}},
    });
    let mut made = module(image);
    made["settings"]["createOptions"] = json!(options.to_string());
    made["env"] = env.iter().map(|(name, value)| ((*name).to_owned(), json!({"value": value}))).collect();
    made
}

/// Where a Python has its things: its environment, and the installation below.
fn folders_of(python: &str) -> Vec<String> {
    let probe = "import sys; print(sys.prefix); print(sys.base_prefix)";
    let said = Command::new(python).args(["-c", probe]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn folder(program: &str) -> String {
    Path::new(program).parent().unwrap().display().to_string()
}

/// Done when the hub has so many messages of the module.
fn heard_of(bed: &Bed, name: &str, count: usize) {
    let mut command = bed.command(env!("CARGO_BIN_EXE_skerry").as_ref());
    command
        .args(["monitor", "--json", "--from", "oldest", "--device", DEVICE, "--data"])
        .arg(bed.path("hub"));
    let mut monitor = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(monitor.stdout.take().unwrap()).lines();
    let read = |line: std::io::Result<String>| serde_json::from_str(&line.unwrap()).unwrap();
    let own = lines.map(read).filter(|message: &Value| message["moduleId"] == name);
    assert_eq!(own.take(count).count(), count);
    monitor.kill().unwrap();
    monitor.wait().unwrap();
}

fn answers(bed: &Bed, name: &str, by: &str) -> bool {
    let mut command = bed.command(env!("CARGO_BIN_EXE_skerry").as_ref());
    command.args([
        "method",
        "invoke",
        DEVICE,
        "ask",
        "--module",
        name,
        "--payload",
        "[1]",
        "--json",
        "--data",
    ]);
    let said = command.arg(bed.path("hub")).output().unwrap();
    let answer: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
    answer["payload"] == json!({"by": by, "got": [1]})
}
