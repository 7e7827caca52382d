//! Namespaces with a loopback and nothing else, whose processes are all ours; and the program in them.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::containers::engine::child_of;

/// For whatever has to come by itself.
const PATIENCE: Duration = Duration::from_secs(120);

/// The user that is nobody's.
pub(crate) const SOMEBODY: &str = "1000";

pub(crate) struct World {
    anchor: Child,
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Everybody may look in, and have files of their own there.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let bin = folder.path().join("bin of somebody");
        fs::create_dir(&bin).unwrap();
        fs::set_permissions(&bin, fs::Permissions::from_mode(0o755)).unwrap();
        // The program itself may lie where only we get.
        fs::copy(env!("CARGO_BIN_EXE_skerry"), bin.join("skerry")).unwrap();
        let temporary = folder.path().join("tmp");
        fs::create_dir(&temporary).unwrap();
        fs::set_permissions(&temporary, fs::Permissions::from_mode(0o1777)).unwrap();
        let mut anchor = Command::new("setpriv");
        anchor.args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
        ]);
        anchor.args(["--mount-proc", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"]);
        let mut anchor = anchor.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(anchor.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n", "namespaces can be made");
        Self { anchor, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.path("bin of somebody/skerry")
    }

    /// A command in this world, with none of the caller's settings.
    pub(crate) fn command(&self, user: Option<&str>, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "nsenter", "--net", "--mount", "--pid"]);
        command.arg(format!("--target={}", child_of(self.anchor.id())));
        // Else it begins where the world does, which is everybody's.
        command.arg(format!("--wd={}", self.folder.path().display()));
        if let Some(user) = user {
            command.args(["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]);
        }
        command.arg(program).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("TMPDIR", self.path("tmp")).env("HOME", self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    /// What a shell says; it must go well.
    #[track_caller]
    pub(crate) fn sh(&self, user: Option<&str>, script: &str) -> String {
        let output = self.command(user, "sh".as_ref()).args(["-c", script]).output().unwrap();
        ok(&output)
    }

    /// The program with these arguments; what it says is read.
    pub(crate) fn quickstart(&self, user: Option<&str>, arguments: &[&str]) -> Running {
        let mut command = self.command(user, &self.program());
        command.arg("quickstart").args(arguments);
        Running::start(command)
    }

    /// Whoever is in this world besides its anchor: process ids and command lines.
    pub(crate) fn others(&self) -> Vec<String> {
        let script = "for p in /proc/[0-9]*; do n=${p#/proc/}; [ $n = 1 ] || [ $n = $$ ] || \
                      { c=$(tr '\\0' ' ' <$p/cmdline 2>/dev/null); [ -z \"$c\" ] || echo \"$n $c\"; }; done";
        let said = self.sh(None, script);
        // The shell's own children look as it does.
        said.lines().filter(|line| !line.contains("/proc/[0-9]")).map(str::to_owned).collect()
    }

    #[track_caller]
    pub(crate) fn until_alone(&self) {
        let began = Instant::now();
        loop {
            let others = self.others();
            if others.is_empty() {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "they are still there: {others:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Everything in it goes with its first process.
        drop(self.anchor.kill());
        drop(self.anchor.wait());
    }
}

/// A program that runs, and what it says.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let output = BufReader::new(child.stdout.take().unwrap());
        let other = sender.clone();
        // Both end with the program.
        std::thread::spawn(move || {
            errors.lines().map_while(Result::ok).try_for_each(|line| other.send(line))
        });
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines, said: Vec::new() }
    }

    /// The next line that fits.
    #[track_caller]
    pub(crate) fn line(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(began.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if fits(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("it never says {what}:\n{}", self.said.join("\n")),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ends without saying {what}:\n{}", self.said.join("\n"))
                }
            }
        }
    }

    /// Whether it has said so by now or says it later: lines of different sources have no order.
    #[track_caller]
    pub(crate) fn says(&mut self, what: &str, fits: impl Fn(&str) -> bool) {
        if !self.said.iter().any(|line| fits(line)) {
            self.line(what, fits);
        }
    }

    /// The step of this name.
    #[track_caller]
    pub(crate) fn step(&mut self, name: &str) -> String {
        let line = self.line(name, |line| line.split_whitespace().next() == Some(name));
        line[name.len()..].trim().to_owned()
    }

    /// A message of the sensor: what is between the time and the end.
    #[track_caller]
    pub(crate) fn message(&mut self) -> String {
        self.line("a message", |line| line.contains("  edge-1/sensor  {\"machine\":{\"temperature\":"))
    }

    /// The commands that it says are to be tried.
    #[track_caller]
    pub(crate) fn hints(&mut self) -> Vec<String> {
        self.line("what to try", |line| line == "In another terminal:");
        let mut hints = Vec::new();
        loop {
            let line = self.line("hints and an empty line", |_| true);
            if line.is_empty() {
                return hints;
            }
            if line.starts_with("  ") {
                hints.push(line.trim().to_owned());
            }
        }
    }

    /// The program itself, below `setpriv` and `nsenter`.
    pub(crate) fn pid(&self) -> u32 {
        child_of(self.child.id())
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Where it has a pipe to read from.
    pub(crate) fn type_in(&mut self, keys: &[u8]) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(keys).and_then(|()| input.flush()).unwrap();
    }

    /// Its exit code, and everything that it has said.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        self.said.extend(self.lines.iter());
        (code, self.said.join("\n"))
    }

    /// Ends it as Ctrl-C would; it must go cleanly.
    #[track_caller]
    pub(crate) fn interrupt(self) -> String {
        self.signal("INT");
        let (code, said) = self.end();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("stopped     everything is kept"), "{said}");
        said
    }
}

#[track_caller]
pub(crate) fn ok(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
