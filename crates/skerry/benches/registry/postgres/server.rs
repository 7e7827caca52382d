//! A server of our own: its data in a folder that goes away, a socket in it, no network.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::wire::Wire;
use crate::meter::{Trouble, now};

/// The page cache is as large as ours; the rest is what the distribution ships, fsync included.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "shared_buffers=64MB",
    "fsync=on",
    "synchronous_commit=on",
    "max_connections=150",
    "unix_socket_permissions=0777",
];
const START_MAX: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    folder: PathBuf,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    process: Option<Child>,
}

impl Server {
    /// Makes the data folder below `folder` and starts a server on it.
    pub(crate) async fn start(folder: &Path) -> Result<Self, Trouble> {
        let folder = folder.join("postgres");
        fs::create_dir_all(&folder)?;
        let user = unprivileged()?;
        if let Some((user, group)) = user {
            chown(&folder, Some(user), Some(group))?;
        }
        let mut server = Self { folder, programs: programs()?, user, process: None };
        let mut init = server.command("initdb");
        init.args(["--auth=trust", "--username=postgres", "--no-locale", "--encoding=UTF8", "--pgdata"]);
        let output = init.arg(server.data()).output()?;
        if !output.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        server.run().await?;
        Ok(server)
    }

    /// Starts the server and waits until it lets somebody in.
    pub(crate) async fn run(&mut self) -> Result<(), Trouble> {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(&self.folder);
        for setting in SETTINGS {
            command.arg("-c").arg(setting);
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log"))?;
        let process = command.stdout(Stdio::null()).stderr(log).spawn()?;
        self.process = Some(process);
        let began = now();
        loop {
            match self.connect().await {
                Ok(_) => return Ok(()),
                Err(error) if now() - began > START_MAX => {
                    return Err(format!("PostgreSQL does not start: {error}").into());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    }

    pub(crate) async fn connect(&self) -> Result<Wire, Trouble> {
        Wire::connect(&self.folder.join(".s.PGSQL.5432"), "postgres").await
    }

    /// Ends it at once, as a crash does: the next start has to recover.
    pub(crate) fn crash(&mut self) -> Result<(), Trouble> {
        self.end("QUIT")
    }

    fn end(&mut self, signal: &str) -> Result<(), Trouble> {
        if let Some(mut process) = self.process.take() {
            crate::signal::send(signal, process.id())?;
            process.wait()?;
        }
        Ok(())
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The programs refuse to run as root.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.folder).stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Interrupted, it ends its own children first.
        drop(self.end("INT"));
    }
}

/// Where Debian puts them; the newest of several.
fn programs() -> Result<PathBuf, Trouble> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found =
        versions.map(|version| version.path().join("bin")).filter(|path| path.join("initdb").exists());
    found
        .max()
        .ok_or_else(|| "PostgreSQL is missing: install it (Debian: postgresql), or --without-peer".into())
}

/// User and group to run as; `None` when we are nobody special ourselves.
fn unprivileged() -> Result<Option<(u32, u32)>, Trouble> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut words = line.split(':').skip(2);
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    let user = find("postgres").or_else(|| find("nobody"));
    user.map(Some).ok_or_else(|| "PostgreSQL does not run as root, and there is no user `nobody`".into())
}
