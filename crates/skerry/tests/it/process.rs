//! One hub as a process of its own, on a port that the system chooses.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use skerry_model::Timestamp;
use skerry_tokens::{KeyUse, SharedKey, Signer};
use tempfile::TempDir;

pub(crate) const HOST: &str = "hub1.skerry.test";

pub(crate) struct Hub {
    child: Child,
    data: PathBuf,
    /// Holds the log, and the data where the test has no folder of its own for it.
    folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) mqtt_address: SocketAddr,
    pub(crate) amqp_address: SocketAddr,
}

impl Hub {
    /// On data of its own, under the usual name.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Self::launch(folder, data, &["--hostname", HOST], &[])
    }

    /// On the given data, which may be there already; options are added to the usual ones.
    pub(crate) fn start_in(data: &Path, options: &[&str]) -> Self {
        let named = options.contains(&"--hostname") || data.join("hub.json").exists();
        let usual: &[&str] = if named { &[] } else { &["--hostname", HOST] };
        Self::launch(tempfile::tempdir().unwrap(), data.to_owned(), &[usual, options].concat(), &[])
    }

    /// On the given data, with variables of the environment that name files.
    pub(crate) fn start_under(data: &Path, variables: &[(&str, &Path)]) -> Self {
        Self::launch(tempfile::tempdir().unwrap(), data.to_owned(), &["--hostname", HOST], variables)
    }

    fn launch(folder: TempDir, data: PathBuf, options: &[&str], variables: &[(&str, &Path)]) -> Self {
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut child = skerry()
            .args(["hub", "run", "--https", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--amqp", "127.0.0.1:0"])
            .args(options)
            .arg("--data")
            .arg(&data)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        assert_eq!(line, "skerry hub ready\n", "the hub did not start:\n{log}");
        let facts: Value = serde_json::from_slice(&fs::read(data.join("hub.json")).unwrap()).unwrap();
        let address = |of: &str| facts["addresses"][of].as_str().unwrap().parse().unwrap();
        let (amqp_address, mqtt_address, address) = (address("amqp"), address("mqtt"), address("https"));
        Self { child, data, folder, address, mqtt_address, amqp_address }
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn root_certificate(&self) -> PathBuf {
        self.data.join("tls/root-ca.pem")
    }

    /// Kills it without a warning.
    pub(crate) fn kill(mut self) {
        self.assert_up();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The key of a policy, as an operator gets it.
    pub(crate) fn key(&self, policy: &str) -> SharedKey {
        let output = skerry()
            .args(["hub", "connection-string", "--policy", policy, "--data"])
            .arg(&self.data)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, key) = text.trim().split_once(";SharedAccessKey=").unwrap();
        key.parse().unwrap()
    }

    /// A token of the policy that ends so many seconds from now.
    pub(crate) fn token(&self, policy: &str, seconds: i64) -> String {
        token(policy, self.key(policy), HOST, seconds)
    }

    /// The most memory that the process ever held, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// What it holds now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, of: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(of)).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    pub(crate) fn assert_up(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "the hub ended with {ended:?}:\n{}", self.log());
        assert!(!self.log().contains("panicked"), "the hub panicked:\n{}", self.log());
    }

    /// Stops it as an operator does; it must go cleanly.
    pub(crate) fn stop(mut self) {
        self.assert_up();
        // The shell's own `kill`: a small system has no program of that name.
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        for _ in 0..300 {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "the hub ended with {status}:\n{}", self.log());
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the hub did not stop when it was asked to:\n{}", self.log());
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Where a test failed before it stopped the hub.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn token(policy: &str, key: SharedKey, resource: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let expiry = Timestamp::from_unix_seconds(i64::try_from(now).unwrap() + seconds);
    Signer::policy(policy, key, KeyUse::Hub).issue(resource, expiry).reveal()
}

/// The program, with none of the caller's settings.
pub(crate) fn skerry() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skerry"));
    for variable in ["SKERRY_CONFIG", "SKERRY_DATA", "SKERRY_LOG", "SKERRY_LOGIN", "SKERRY_CA"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}
