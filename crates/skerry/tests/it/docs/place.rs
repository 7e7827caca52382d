//! Where a page runs: a machine of its own, on which every usual port is free, with what the page takes for granted.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::page::{Block, Kind, Page};
use super::said::{Names, fits};
use crate::containers::engine::Engine;
use crate::world::provided;

/// Stands between what one block says and what the next one does.
const BETWEEN: &str = "--- next block ---";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// An empty folder.
    Bare,
    /// A hub with its data in `./hub`, which commands find by themselves.
    Hub,
    /// The same as `hub.plant.example`, and a machine with a container engine, a registry and what `cargo xtask
    /// images` makes.
    HubAndEngine,
}

/// What the operator has done before.
const HUB: &str = r#"
skerry hub run --data hub --hostname localhost >hub.said 2>hub.log &
until grep -qs '^skerry hub ready' hub.said; do kill -0 $! || exit 98; sleep 0.1; done
export SKERRY_DATA=$PWD/hub
"#;

/// Two machines in one: the hub has an address of its own, and so every port is free for the edge.
const HUB_AND_ENGINE: &str = r#"
mount -t tmpfs tmpfs /run && ln -s "$ENGINE" /run/docker.sock
[ -L /var/run ] || mount --bind /run /var/run
mkdir over && mount -t tmpfs tmpfs over
for place in /etc /var/lib; do
    mkdir -p over/above$place over/work$place
    mount -t overlay overlay -o lowerdir=$place,upperdir=$PWD/over/above$place,workdir=$PWD/over/work$place $place
done
printf '127.0.0.1 localhost\n10.99.0.1 hub.plant.example\n127.0.0.1 gate.plant.example\n' >/etc/hosts
rm -rf /etc/aziot /var/lib/aziot && mkdir -p /etc/aziot
ip address add 10.99.0.1/32 dev lo
skerry hub run --data hub --hostname hub.plant.example \
    --https 10.99.0.1:443 --mqtt 10.99.0.1:8883 --amqp 10.99.0.1:5671 >hub.said 2>hub.log &
until grep -qs '^skerry hub ready' hub.said; do kill -0 $! || exit 98; sleep 0.1; done
export SKERRY_DATA=$PWD/hub
"#;

impl Place {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "a hub" => Some(Self::Hub),
            "a hub and a container engine" => Some(Self::HubAndEngine),
            _ => None,
        }
    }

    fn before(self) -> &'static str {
        match self {
            Self::Bare => "",
            Self::Hub => HUB,
            Self::HubAndEngine => HUB_AND_ENGINE,
        }
    }
}

/// Runs a page, and compares.
pub(super) fn run(page: &Page) {
    let folder = tempfile::tempdir().unwrap();
    let mut script = format!("set -e\n{}", page.place.before());
    let mut expected: Vec<(usize, &str)> = Vec::new();
    for Block { line, kind, text } in &page.blocks {
        match kind {
            Kind::Commands => {
                script += &format!("{text}echo '{BETWEEN}'\n");
                expected.push((*line, ""));
            }
            Kind::Said => expected.last_mut().expect("commands are above it").1 = text,
            Kind::File(name) => fs::write(folder.path().join(name), text).unwrap(),
            Kind::Example | Kind::NotRun(_) => {}
        }
    }
    fs::write(folder.path().join("page.sh"), script).unwrap();
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let output = match page.place {
        Place::HubAndEngine => with_an_engine(&folder),
        Place::Bare | Place::Hub => alone(&folder),
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut err = String::from_utf8_lossy(&output.stderr).into_owned();
    for log in ["hub.log", "edge.log"] {
        err += &fs::read_to_string(folder.path().join(log)).unwrap_or_default();
    }
    assert!(output.status.success(), "{}: {}\n{said}\n{err}", page.name, output.status);
    let said: Vec<&str> = said.split_terminator(&format!("{BETWEEN}\n")).collect();
    assert_eq!(said.len(), expected.len(), "{said:?}\n{err}");
    let mut names = Names::new();
    for (said, (line, expected)) in said.iter().zip(&expected) {
        let (lines, patterns): (Vec<&str>, Vec<&str>) = (said.lines().collect(), expected.lines().collect());
        names = fits(&lines, &patterns, &names).unwrap_or_else(|| {
            let page = &page.name;
            panic!("{page}:{line} has\n{expected}\nand this was said:\n{said}\n(names: {names:?})\n{err}")
        });
    }
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "something was left behind");
}

/// In namespaces that need no rights, with the names that Debian gives a machine.
fn alone(folder: &TempDir) -> Output {
    fs::write(folder.path().join("hosts"), "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
        .unwrap();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"]);
    let ready = "ip link set lo up && mount --bind hosts /etc/hosts";
    command.args(["sh", "-c", &format!("{ready} && exec timeout --kill-after=5 120 sh page.sh")]);
    settings(&mut command, folder).output().unwrap()
}

/// In those of an engine of the page's own, which must see the same files.
fn with_an_engine(folder: &TempDir) -> Output {
    let mut engine = Engine::start();
    engine.serve();
    let images = folder.path().join("target/images");
    fs::create_dir_all(images.parent().unwrap()).unwrap();
    symlink(provided("SKERRY_TEST_IMAGES"), images).unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_skerry"), bin.join("iotedge")).unwrap();
    let mut command = engine.inside();
    command.args(["--mount", "--pid"]);
    command.args(["sh", "-c", "cd \"$HOME\" && exec timeout --kill-after=5 120 sh page.sh"]);
    let socket = engine.socket();
    settings(&mut command, folder).env("ENGINE", socket).output().unwrap()
}

/// None of the caller's settings, and the programs of the test.
fn settings<'a>(command: &'a mut Command, folder: &TempDir) -> &'a mut Command {
    let folder = folder.path();
    let program = Path::new(env!("CARGO_BIN_EXE_skerry")).parent().unwrap();
    let python = provided("SKERRY_TEST_PYTHON");
    let python = Path::new(&python).parent().unwrap();
    let node = provided("SKERRY_TEST_NODE");
    let node = Path::new(&node).parent().unwrap_or(Path::new("/usr/bin"));
    let path = format!(
        "{}/bin:{}:{}:{}:/usr/sbin:/usr/bin:/sbin:/bin",
        folder.display(),
        program.display(),
        python.display(),
        node.display()
    );
    command
        .env_clear()
        .env("PATH", path)
        .env("NODE_PATH", provided("SKERRY_TEST_NODE_MODULES"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TMPDIR", folder.join("tmp"))
        .env("HOME", folder)
        .current_dir(folder)
        .stdin(Stdio::null())
}
