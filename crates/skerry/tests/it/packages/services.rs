//! The packages on a machine that runs: systemd starts what is in them, and what becomes of it when they are updated and
//! removed.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{VERSION, all, make, ok};

/// For whatever has to come by itself.
const PATIENCE: Duration = Duration::from_secs(60);

struct Machine {
    folder: TempDir,
    /// It makes the namespaces, and is the parent of systemd.
    boot: Child,
}

impl Machine {
    /// Booted, with packages to install.
    fn boot() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let packages = folder.path().join("packages");
        fs::create_dir(&packages).unwrap();
        let programs = [env!("CARGO_BIN_EXE_skerry"), env!("CARGO_BIN_EXE_skerry-edge")];
        let [program, edge] = ["skerry", "skerry-edge"].map(|name| folder.path().join(name));
        for (from, to) in programs.iter().zip([&program, &edge]) {
            ok(Command::new("strip").arg("-o").arg(to).arg(from));
        }
        make(&program, &edge, &packages);
        let script = folder.path().join("boot.sh");
        fs::write(&script, include_str!("boot.sh")).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut boot = Command::new("setpriv");
        boot.args(["--pdeathsig", "KILL", "unshare", "--mount", "sh"]).arg(&script).arg(folder.path());
        boot.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let machine = Self { boot: boot.spawn().unwrap(), folder };
        machine.until("systemd has started what there is", || {
            // It says so by its exit code as well, and one service of this machine that fails there is none of ours.
            let state = machine.sh("systemctl is-system-running || true");
            state.is_ok_and(|state| ["running", "degraded"].contains(&state.trim()))
        });
        machine
    }

    fn systemd(&self) -> Option<u32> {
        let parent = self.boot.id();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        let child = children.split_whitespace().next()?;
        // Before it, the script has its place.
        let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        (name.trim() == "systemd").then(|| child.parse().ok())?
    }

    /// A shell's words on the machine.
    fn sh(&self, script: &str) -> Result<String, String> {
        let systemd = self.systemd().ok_or("systemd has ended")?;
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={systemd}")).args(["--all", "--root", "--wd", "sh", "-c", script]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    #[track_caller]
    fn says(&self, script: &str) -> String {
        self.sh(script).unwrap_or_else(|said| panic!("{script}: {said}\n{}", self.log()))
    }

    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "it never came that {what}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn log(&self) -> String {
        let boot = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let journal = self.sh("journalctl --no-pager --lines=200").unwrap_or_else(|said| said);
        format!("{boot}\n{journal}")
    }

    fn process_of(&self, unit: &str) -> String {
        self.says(&format!("systemctl show --property=MainPID --value {unit}"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.boot.kill());
        drop(self.boot.wait());
    }
}

#[test]
fn services_run_are_updated_and_go() {
    let machine = Machine::boot();
    let mut names = all(&machine.folder.path().join("packages")).map(|package| {
        let name = package.file_name().unwrap().to_str().unwrap();
        format!("/packages/{name}")
    });
    names.sort();
    let install = format!("dpkg --force-depends --install {}", names.join(" "));
    machine.says(&install);

    // The hub runs at once, as its own user, and commands of root find it.
    machine.until("the hub is ready", || machine.sh("skerry hub status").is_ok());
    let status = machine.says("skerry hub status");
    assert!(status.contains(&format!("version {VERSION}")), "{status}");
    assert_eq!(machine.says("systemctl is-enabled skerry-hub aziot-edged"), "enabled\nenabled\n");
    let hub = machine.process_of("skerry-hub");
    assert_eq!(machine.says(&format!("stat --format=%U /proc/{}", hub.trim())).trim(), "skerry");

    // Both are on one machine, so each has addresses of its own; then the edge is what `iotedge` makes of it.
    machine.says(
        "printf 'https = \"127.0.0.1:443\"\\nmqtt = \"127.0.0.1:8883\"\\namqp = \"127.0.0.1:5671\"\\n' \
         >/etc/skerry/hub.toml && systemctl restart skerry-hub",
    );
    machine.until("the hub is ready again", || machine.sh("skerry device create gate --edge").is_ok());
    machine.says("iotedge config mp -c \"$(skerry device connection-string gate)\"");
    machine.says(
        "printf '\\n[skerry]\\nhub_ca_cert = \"file:///var/lib/skerry/hub/tls/root-ca.pem\"\\n\
         edge_hub_listen = [\"127.0.0.2\"]\\n' >>/etc/aziot/config.toml",
    );
    machine.says("iotedge config apply && iotedge system restart");
    machine.until("the edge is connected", || {
        machine
            .sh("skerry-edge status")
            .is_ok_and(|said| said.contains("the agent is connected, the edge hub is connected"))
    });
    let status = machine.says("iotedge system status");
    assert!(status.contains("aziot-edged") && status.contains("Running"), "{status}");
    let edge = machine.process_of("aziot-edged");
    let environment = machine.says(&format!("tr '\\0' '\\n' </proc/{}/environ", edge.trim()));
    assert!(environment.contains("MALLOC_ARENA_MAX=1"), "{environment}");

    // An update begins both anew, with all that they know.
    machine.says(&install);
    machine.until("both are there again", || {
        machine.process_of("skerry-hub") != hub
            && machine.process_of("aziot-edged") != edge
            && machine.sh("skerry-edge status").is_ok_and(|said| said.contains("the agent is connected"))
    });
    assert!(machine.says("skerry device show gate").contains("enabled"));

    machine.says("dpkg --force-depends --purge skerry-edge skerry-hub skerry");
    let left = machine
        .says("systemctl list-units --all --no-legend 'skerry*' 'aziot*'; cat /proc/[0-9]*/comm || true");
    assert!(!left.contains("aziot") && !left.contains("skerry"), "{left}");
    machine.says("test -d /var/lib/skerry/hub && test -d /var/lib/aziot && ! test -e /etc/skerry");
}
