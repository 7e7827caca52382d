//! An engine of the test's own: `dockerd` with its own data, socket, processes and network, and a
//! registry beside it. When the test ends, however it ends, all of it is gone.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use skerry_runtime::{DockerOptions, DockerRuntime};
use tempfile::TempDir;
use tokio::time::Instant;

/// The registry that everybody may use.
pub(crate) const OPEN: &str = "127.0.0.1:5000";
/// The registry that wants a password.
pub(crate) const LOCKED: &str = "127.0.0.1:5001";
pub(crate) const USER: &str = "sailor";
pub(crate) const PASSWORD: &str = "anchors aweigh";

pub(crate) struct Engine {
    folder: TempDir,
    daemon: Child,
    registries: Vec<Child>,
}

impl Engine {
    pub(crate) fn start() -> Self {
        Self::start_after("exec")
    }

    /// Starts an engine that comes again whenever it ends, as systemd sees to it.
    #[allow(dead_code, reason = "the tests of the device use it")]
    pub(crate) fn start_again_and_again() -> Self {
        Self::start_after("while sleep 0.2; do")
    }

    /// Starts an engine whose disk has so much room.
    pub(crate) fn start_on_disk_of(megabytes: u32) -> Self {
        Self::start_after(&format!("mount -t tmpfs -o size={megabytes}m tmpfs data; exec"))
    }

    /// `before` is what stands before its command line, in its own namespaces and folder.
    fn start_after(before: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        // Whatever is configured on this machine is not for this engine.
        std::fs::write(folder.path().join("none.json"), "{}").unwrap();
        // It sees none of the machine's processes, mounts or networks, and dies with this test.
        let script = format!(
            "set -e; cd {at}; ip link set lo up; mkdir data exec; {before} dockerd \
             --data-root {at}/data --exec-root {at}/exec --host unix://{at}/engine.sock --pidfile {at}/pid \
             --bridge none --config-file {at}/none.json --log-level warn >>{at}/log 2>&1"
        );
        // Its end is no failure there.
        let script = if before.starts_with("while") { format!("{script} || true; done") } else { script };
        let daemon = world().args(["sh", "-c", &script]).spawn();
        let daemon = daemon.expect("setpriv and unshare run (util-linux)");
        let mut engine = Self { folder, daemon, registries: Vec::new() };
        engine.wait("the engine", |engine| engine.docker(&["version"]).is_ok());
        engine
    }

    /// Both registries, and the images of the tests in the open one.
    pub(crate) fn serve(&mut self) {
        let htpasswd = self.path("htpasswd");
        std::fs::write(&htpasswd, PASSWORD_LINE).unwrap();
        let auth = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", htpasswd.display());
        for (address, auth) in [(OPEN, ""), (LOCKED, auth.as_str())] {
            let name = address.replace(':', "-");
            let config = self.path(&format!("{name}.yml"));
            let store = self.path(&name);
            let text = format!(
                "version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{address}'}}\n{auth}\
                 storage: {{filesystem: {{rootdirectory: {}}}}}\n",
                store.display()
            );
            std::fs::write(&config, text).unwrap();
            let log = std::fs::File::create(self.path(&format!("{name}.log"))).unwrap();
            let child = self
                .inside()
                .args(["docker-registry", "serve"])
                .arg(&config)
                .stdout(Stdio::null())
                .stderr(log)
                .spawn();
            self.registries.push(child.expect("nsenter runs (util-linux)"));
            let port = address.split_once(':').unwrap().1;
            let probe = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
            self.wait("the registry", |engine| {
                let probed = engine.inside().args(["bash", "-c", &probe]).stderr(Stdio::null()).status();
                probed.is_ok_and(|status| status.success())
            });
        }
    }

    /// Makes an image of the helper with what a Dockerfile would say, pushes it and forgets it here.
    pub(crate) fn publish(&self, reference: &str, changes: &[&str]) {
        self.import(reference, changes);
        self.docker(&["push", "--quiet", reference]).unwrap();
        self.docker(&["rmi", reference]).unwrap();
    }

    /// Makes an image of the helper that no registry has.
    pub(crate) fn import(&self, reference: &str, changes: &[&str]) {
        let mut arguments = vec!["import"];
        for change in changes {
            arguments.extend(["--change", change]);
        }
        let archive = archive();
        let archive = archive.to_str().unwrap();
        arguments.extend([archive, reference]);
        self.docker(&arguments).unwrap();
    }

    /// Runs the engine's own command line; what it prints, or what went wrong.
    pub(crate) fn docker(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("docker")
            .arg("--host")
            .arg(format!("unix://{}", self.socket().display()))
            .args(arguments)
            .env("DOCKER_CONFIG", self.path("config"))
            .output()
            .expect("docker runs (docker.io)");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("engine.sock")
    }

    /// The engine's own process.
    #[allow(dead_code, reason = "a bench measures it")]
    pub(crate) fn process(&self) -> u32 {
        child_of(self.daemon.id())
    }

    pub(crate) fn options(&self) -> DockerOptions {
        DockerOptions::new(self.socket())
    }

    pub(crate) fn runtime(&self) -> DockerRuntime {
        DockerRuntime::new(self.options())
    }

    /// Ends the registries, as if the network had gone.
    pub(crate) fn go_offline(&mut self) {
        for mut registry in self.registries.drain(..) {
            registry.kill().unwrap();
            registry.wait().unwrap();
        }
    }

    /// Ends the engine as the machine does, with all containers; it comes again.
    #[allow(dead_code, reason = "the tests of the device use it")]
    pub(crate) fn begin_anew(&mut self) {
        // Beside it are the keepers of its containers.
        let is_engine = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "dockerd")
        };
        let ended = children_of(child_of(self.daemon.id())).into_iter().find(is_engine).unwrap();
        run(Command::new("sh").args(["-c", &format!("kill -TERM {ended}")]));
        self.wait("the engine that ends", |_| !Path::new(&format!("/proc/{ended}")).exists());
        self.wait("the engine again", |engine| engine.docker(&["version"]).is_ok());
    }

    /// Kills the engine and everything that it runs.
    pub(crate) fn kill(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }

    /// Leaves no room on the engine's disk.
    pub(crate) fn fill_disk(&self) {
        let file = self.path("data/full");
        let mut fill = self.inside();
        fill.args(["--mount", "dd", "if=/dev/zero", "bs=64k"]).arg(format!("of={}", file.display()));
        // It ends when there is no room.
        assert!(!fill.stderr(Stdio::null()).status().unwrap().success());
    }

    /// Gives the room back.
    #[allow(dead_code, reason = "the tests of the device use it")]
    pub(crate) fn free_disk(&self) {
        let mut free = self.inside();
        assert!(free.args(["--mount", "rm"]).arg(self.path("data/full")).status().unwrap().success());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command in the engine's network.
    pub(crate) fn inside(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "nsenter", "--net"]);
        command.arg(format!("--target={}", child_of(self.daemon.id())));
        command
    }

    fn wait(&mut self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is_there(self) {
            if began.elapsed() > Duration::from_secs(60) || self.daemon.try_wait().unwrap().is_some() {
                let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
                panic!("{what} does not come up; what the engine says:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The control groups of containers outlive the killing of their processes.
        if let Ok(containers) = self.docker(&["ps", "--all", "--quiet"]) {
            let containers: Vec<&str> = containers.split_whitespace().collect();
            if !containers.is_empty() {
                drop(self.docker(&[&["rm", "--force"], containers.as_slice()].concat()));
            }
        }
        for child in self.registries.iter_mut().chain([&mut self.daemon]) {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// New namespaces for everything that an engine could spoil; the first process in them is killed with
/// its parent, and that one with the test.
fn world() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork"]);
    command.args(["--kill-child", "--mount-proc"]);
    command
}

/// The process that `unshare` has forked.
pub(crate) fn child_of(parent: u32) -> u32 {
    let children = children_of(parent);
    assert_eq!(children.len(), 1, "it has one child: {children:?}");
    children[0]
}

fn children_of(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = std::fs::read_to_string(path).unwrap();
    children.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// A root file system with one program in it.
fn archive() -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = MAKING.lock().unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let archive = folder.join("helper.tar");
    // Other crates test with this engine as well.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/tests/it/containers/helper.rs");
    let changed = |path: &Path| path.metadata().and_then(|file| file.modified());
    if changed(&archive).is_ok_and(|made| made > changed(&source).unwrap()) {
        return archive;
    }
    let made = tempfile::tempdir_in(folder).unwrap();
    run(Command::new("rustc")
        .args(["--edition=2024", "-C", "target-feature=+crt-static", "-C", "opt-level=s"])
        .args(["-C", "strip=symbols", "-C", "panic=abort", "-o"])
        .arg(made.path().join("helper"))
        .arg(source));
    let whole = made.path().join("helper.tar");
    run(Command::new("tar").arg("--directory").arg(made.path()).arg("-cf").arg(&whole).arg("helper"));
    // Whole or not at all, whoever else makes it.
    std::fs::rename(whole, &archive).unwrap();
    archive
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// [`USER`] and [`PASSWORD`], by `htpasswd -nbB`.
const PASSWORD_LINE: &str = include_str!("htpasswd");
