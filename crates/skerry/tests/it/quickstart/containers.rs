//! Where a container engine is, the module is a container of it: of an image that nobody had to build or fetch.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use super::world::{Running, SOMEBODY};
use crate::containers::engine::Engine;

/// Below the home of an ordinary user.
const DATA: &str = ".local/share/skerry/quickstart";

struct Bed {
    engine: Engine,
}

impl Bed {
    /// In the engine's world, which has no network besides.
    fn quickstart(&self, arguments: &[&str]) -> Running {
        let mut command = self.engine.inside();
        command.args(["--mount", "--pid", env!("CARGO_BIN_EXE_skerry"), "quickstart"]).args(arguments);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("DOCKER_HOST", self.host());
        command.stdin(Stdio::null());
        Running::start(command)
    }

    fn host(&self) -> String {
        format!("unix://{}", self.engine.socket().display())
    }

    fn data(&self, name: &str) -> String {
        self.engine.path(name).display().to_string()
    }

    fn containers(&self) -> Vec<String> {
        let listed = self.engine.docker(&["ps", "--all", "--format", "{{.Names}} {{.State}}"]).unwrap();
        listed.lines().map(str::to_owned).collect()
    }

    fn skerry(&self, data: &str, arguments: &str) -> String {
        let mut command = self.engine.inside();
        command.args(["--mount", "--pid", "sh", "-c", &format!(". '{data}/env' && skerry {arguments}")]);
        super::world::ok(&command.output().unwrap())
    }
}

#[test]
fn the_module_is_a_container_of_this_very_program() {
    let bed = Bed { engine: Engine::start() };
    let data = bed.data("first one");
    let mut running = bed.quickstart(&["--data", &data]);
    assert_eq!(running.step("engine"), format!("containers, by {}", bed.engine.socket().display()));
    running.message();
    running.says("that the sensor runs", |line| line.starts_with("sensor      running, connected"));
    assert_eq!(bed.containers(), ["sensor running"]);
    let inspect = |format: &str| bed.engine.docker(&["inspect", "--format", format, "sensor"]).unwrap();
    assert_eq!(
        inspect("{{.Config.User}} {{.Config.Entrypoint}}").trim(),
        "1000:1000 [/skerry temperature-sensor]"
    );
    let image = inspect("{{.Image}}");
    let size = bed.engine.docker(&["image", "inspect", "--format", "{{.Size}}", image.trim()]).unwrap();
    let whole = Path::new(env!("CARGO_BIN_EXE_skerry")).metadata().unwrap().len();
    assert!(size.trim().parse::<u64>().unwrap() < whole, "{size} of {whole}: debuggers' lines are left out");
    assert!(bed.skerry(&data, "iotedge logs sensor").contains("Sending message"));
    let said = bed.skerry(&data, "method invoke edge-1 reset --module sensor --json");
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["status"], 200);

    // Another one beside it finds the engine in use, and does without.
    let mut second = bed.quickstart(&["--data", &bed.data("second")]);
    let engine = second.step("engine");
    assert!(
        engine.starts_with("the container engine runs sensor of another edge device")
            && engine.ends_with("modules run as processes"),
        "{engine}"
    );
    second.message();
    running.message();
    second.interrupt();
    running.interrupt();
    assert!(bed.containers().is_empty(), "{:?}", bed.containers());

    // The engine has the image already, and the device is the same.
    let mut running = bed.quickstart(&["--data", &data]);
    assert_eq!(running.step("device"), "edge-1 is known, as its manifest was");
    running.message();
    assert_eq!(inspect("{{.Image}}"), image);
    // A container outlives whoever is killed; the next one takes it over, and ends it in the end.
    running.signal("KILL");
    running.end();
    assert_eq!(bed.containers(), ["sensor running"]);
    let mut running = bed.quickstart(&["--data", &data]);
    running.message();
    running.interrupt();
    assert!(bed.containers().is_empty(), "{:?}", bed.containers());
}

/// As Debian's `docker.io` has it: whoever is in the group of the engine's socket may use it.
#[test]
fn an_ordinary_user_of_the_engine_with_the_usual_ports_taken() {
    let bed = Bed { engine: Engine::start() };
    let somebody = SOMEBODY.parse().unwrap();
    let home = bed.engine.path("home of somebody");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(somebody), Some(somebody)).unwrap();
    // What is above is a directory of root's, and the program may lie in another one.
    fs::set_permissions(bed.engine.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let program = bed.engine.path("skerry");
    fs::copy(env!("CARGO_BIN_EXE_skerry"), &program).unwrap();
    chown(bed.engine.socket(), None, Some(somebody)).unwrap();
    fs::set_permissions(bed.engine.socket(), fs::Permissions::from_mode(0o660)).unwrap();
    let inside = |program: &Path| {
        let mut command = bed.engine.inside();
        command.args([
            "--mount",
            "--pid",
            "setpriv",
            "--reuid",
            SOMEBODY,
            "--regid",
            SOMEBODY,
            "--clear-groups",
        ]);
        command.arg(program).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("DOCKER_HOST", bed.host()).env("HOME", &home).stdin(Stdio::null());
        command
    };
    let mut others = bed.engine.inside();
    others.arg(&program).args([
        "dev",
        "--https",
        "0.0.0.0:443",
        "--mqtt",
        "0.0.0.0:8883",
        "--amqp",
        "0.0.0.0:5671",
    ]);
    let mut others = Running::start(others);
    others.line("that it is ready", |line| line == "# skerry dev ready");

    let mut quickstart = inside(&program);
    quickstart.arg("quickstart");
    let mut running = Running::start(quickstart);
    assert_eq!(running.step("engine"), format!("containers, by {}", bed.engine.socket().display()));
    running.message();
    running.says("that the sensor runs", |line| line.starts_with("sensor      running, connected"));
    assert_eq!(bed.containers(), ["sensor running"]);
    let script = format!(". '{}/env' && skerry edge status", home.join(DATA).display());
    let status = super::world::ok(&inside("sh".as_ref()).args(["-c", &script]).output().unwrap());
    assert!(status.contains("1 of 1 container run"), "{status}");
    running.interrupt();
    assert!(bed.containers().is_empty(), "{:?}", bed.containers());
}

#[test]
fn the_modules_of_another_edge_device_are_left_alone() {
    let bed = Bed { engine: Engine::start() };
    bed.engine.import("theirs:1", &["CMD [\"/helper\"]"]);
    let owner = "net.azure-devices.edge.owner=Microsoft.Azure.Devices.Edge.Agent";
    bed.engine
        .docker(&["run", "--detach", "--name", "pump", "--label", owner, "--network", "none", "theirs:1"])
        .unwrap();
    let started = bed.engine.docker(&["inspect", "--format", "{{.State.StartedAt}}", "pump"]).unwrap();
    let socket: PathBuf = bed.engine.socket();
    let data = bed.data("data");
    let (code, said) = bed.quickstart(&["--data", &data, "--engine", socket.to_str().unwrap()]).end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("runs pump of another edge device") && said.contains("--engine none"), "{said}");
    let mut running = bed.quickstart(&["--data", &data]);
    assert!(running.step("engine").ends_with("modules run as processes"));
    running.message();
    running.interrupt();
    let now = bed.engine.docker(&["inspect", "--format", "{{.State.StartedAt}}", "pump"]).unwrap();
    assert_eq!((bed.containers(), now), (vec!["pump running".to_owned()], started));
}
