//! From the start to the word that systemd waits for. Neither the hub nor the engine has to be there.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// Milliseconds of the first start, and the median of those after it.
pub(crate) fn measure(program: &Path, starts: usize) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let text = format!(
        "hostname = \"gate.plant.test\"\n\
         [provisioning]\nsource = \"manual\"\n\
         connection_string = \"HostName=hub1.skerry.test;DeviceId=gate;SharedAccessKey=c2VjcmV0IG9mIGEgZGV2aWNlIGhlcmU=\"\n\
         [agent]\nname = \"edgeAgent\"\ntype = \"docker\"\n[agent.config]\nimage = \"agent:1\"\n\
         [moby_runtime]\nuri = \"unix://{0}/no.sock\"\nnetwork = \"azure-iot-edge\"\n\
         [skerry]\nhub_address = \"127.0.0.1\"\n",
        folder.path().display()
    );
    fs::write(&config, text).unwrap();
    let first = start(program, folder.path());
    let mut later: Vec<f64> = (0..starts.max(1)).map(|_| start(program, folder.path())).collect();
    later.sort_unstable_by(f64::total_cmp);
    (first, later[later.len() / 2])
}

fn start(program: &Path, folder: &Path) -> f64 {
    let door = folder.join("notify.sock");
    drop(fs::remove_file(&door));
    let notify = UnixDatagram::bind(&door).unwrap();
    notify.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = Command::new(program);
    command.args(["run", "--metrics", "off", "--config"]).arg(folder.join("config.toml"));
    command.arg("--data").arg(folder.join("data")).arg("--sockets").arg(folder.join("run"));
    command.env("NOTIFY_SOCKET", &door).stdin(Stdio::null()).stdout(Stdio::null());
    let log = folder.join("log");
    command.stderr(fs::File::create(&log).unwrap());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut word = [0; 512];
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let length = notify.recv(&mut word).unwrap_or_else(|error| panic!("never ready ({error}): {}", said()));
    let took = began.elapsed();
    assert!(word[..length].starts_with(b"READY=1"), "{}", String::from_utf8_lossy(&word[..length]));
    child.kill().unwrap();
    child.wait().unwrap();
    took.as_secs_f64() * 1000.0
}
