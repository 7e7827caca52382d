//! The machine: its clock, its randomness, its environment. The one place where they are asked.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use skerry_edge_hub::{Machine, MachineTime};
use skerry_model::{Clock, Random, Timestamp};

/// The machine's wall clock.
pub struct MachineClock;

impl Clock for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }
}

/// The machine's randomness.
#[derive(Default)]
pub struct MachineRandom(SystemRandom);

impl MachineRandom {
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Random for MachineRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("the machine has randomness; without it no key may be made");
    }
}

/// How long the machine has been up, and since which boot.
pub struct MachineUptime {
    boot: String,
}

impl MachineUptime {
    pub fn new() -> std::io::Result<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Self { boot: boot.trim().to_owned() })
    }
}

impl MachineTime for MachineUptime {
    fn now(&self) -> Machine {
        let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds = text.split(' ').next().and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        Machine { boot: self.boot.clone(), up: Duration::from_secs_f64(seconds.max(0.0)) }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Seconds that the machine's clocks on the wall are ahead of UTC at a time.
pub fn local_offset(at: Timestamp) -> i32 {
    let zone = std::fs::read("/etc/localtime").unwrap_or_default();
    crate::local_time::offset(&zone, at.unix_seconds()).unwrap_or_default()
}

/// Whether files of the whole machine are ours to use.
pub fn is_root() -> bool {
    uid() == Some(0)
}

/// Our effective user: the owner of our own process directory.
pub fn uid() -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

/// `/var/lib/skerry/hub` for root, else below the user's data folder.
pub fn default_data() -> PathBuf {
    if is_root() {
        return PathBuf::from("/var/lib/skerry/hub");
    }
    user_folder("XDG_DATA_HOME", ".local/share").join("skerry/hub")
}

/// `/etc/skerry/hub.toml` for root, else below the user's configuration folder.
pub fn default_config() -> PathBuf {
    if is_root() {
        return PathBuf::from("/etc/skerry/hub.toml");
    }
    user_folder("XDG_CONFIG_HOME", ".config").join("skerry/hub.toml")
}

pub fn user_folder(name: &str, below_home: &str) -> PathBuf {
    user_folder_if_any(name, below_home).unwrap_or_else(|| PathBuf::from("."))
}

/// `None` for users without a home.
pub fn user_folder_if_any(name: &str, below_home: &str) -> Option<PathBuf> {
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(below_home));
    variable(name).map(PathBuf::from).or_else(home)
}

/// Where files go that nobody needs later.
pub fn temporary_folder() -> PathBuf {
    variable("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

/// The machine's own name, when it is one that a certificate can hold.
pub fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim().to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (!name.is_empty() && name != "(none)" && name.chars().all(fits)).then_some(name)
}
