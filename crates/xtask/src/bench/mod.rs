//! `cargo xtask bench <name>`: measures, on this machine, beside the peers that the goals name.
//!
//! The numbers are for people: no bench fails because a machine is slow or busy.

use std::path::Path;

use crate::failure::Failure;
use crate::shell;
use crate::test::python;

mod built;
mod pypi;

use built::Built;
use pypi::Program;

struct Bench {
    name: &'static str,
    about: &'static str,
    /// The crate that holds it.
    package: &'static str,
    /// What the peers need, as Debian calls it.
    packages: &'static [&'static str],
    is_met: fn() -> bool,
    /// How cargo builds it, where that is not as other benches.
    profile: Option<&'static str>,
    /// Whether modules of ours run in it, which `cargo xtask images` makes.
    has_modules: bool,
    /// A peer that Debian does not have, or not in a version that compares.
    program: Option<Program>,
    /// A peer that crates.io has.
    built: Option<Built>,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "registry",
        about: "twins at the store's handle and by REST, beside PostgreSQL (six minutes and more); \
                --devices N, --seconds S, --rounds R, --help for more",
        package: "skerry",
        packages: &["postgresql"],
        is_met: || Path::new("/usr/lib/postgresql").exists(),
        profile: None,
        has_modules: false,
        program: None,
        built: None,
    },
    Bench {
        name: "log",
        about: "the embedded log beside raw writes, SQLite and JetStream (five minutes and more); \
                --only NAME, --records N, --rounds R, --help for more",
        package: "skerry",
        packages: &["python3", "python3-venv"],
        is_met: || python::any().is_some(),
        profile: None,
        has_modules: false,
        program: Some(Program {
            name: "nats-server",
            requirements: "crates/skerry/benches/log/jetstream/requirements.txt",
            option: "--nats-server",
        }),
        built: None,
    },
    Bench {
        name: "mqtt",
        about: "the hub at its MQTT door beside mosquitto, nats-server, RabbitMQ and rumqttd (a quarter \
                of an hour and more); --only NAME,NAME, --section NAME, --rounds R, --help for more",
        package: "skerry",
        packages: &["mosquitto", "rabbitmq-server", "python3", "python3-venv"],
        is_met: || {
            let programs = ["/usr/sbin/mosquitto", "/usr/lib/rabbitmq/bin/rabbitmq-server"];
            python::any().is_some() && programs.iter().all(|program| Path::new(program).exists())
        },
        profile: None,
        has_modules: false,
        program: Some(Program {
            name: "nats-server",
            requirements: "crates/skerry/benches/log/jetstream/requirements.txt",
            option: "--nats-server",
        }),
        built: Some(Built { name: "rumqttd", version: "0.20.0", option: "--rumqttd" }),
    },
    Bench {
        name: "amqp",
        about: "the hub at its AMQP door beside RabbitMQ and fe2o3-amqp (ten minutes and more); \
                --only NAME,NAME, --section NAME, --rounds R, --help for more",
        package: "skerry",
        packages: &["rabbitmq-server"],
        is_met: || Path::new("/usr/lib/rabbitmq/bin/rabbitmq-server").exists(),
        profile: None,
        has_modules: false,
        program: None,
        built: None,
    },
    Bench {
        name: "edge",
        about: "an edge device with ten modules: memory, processor while idle and with ten messages a \
                second, start, size (three minutes after a long build); --minutes 10, --modules N, --help for more",
        package: "skerry",
        packages: &["docker.io", "docker-registry", "iptables"],
        is_met: || {
            let programs = ["/usr/sbin/dockerd", "/usr/bin/docker-registry"];
            programs.iter().all(|program| Path::new(program).exists())
        },
        // Its size and memory are those of what its package has.
        profile: Some("dist-small"),
        has_modules: true,
        program: None,
        built: None,
    },
    Bench {
        name: "edge-hub",
        about: "the hub of an edge device: a hop from module to module beside mosquitto, rumqttd, RabbitMQ \
                and fe2o3-amqp, what waits while the hub is away beside JetStream and SQLite, and the line \
                to the hub over MQTT and AMQP (ten minutes); --section NAME, --only NAME,NAME, \
                --backlog N, --rounds R, --help for more",
        package: "skerry",
        packages: &["mosquitto", "rabbitmq-server", "python3", "python3-venv"],
        is_met: || {
            let programs = ["/usr/sbin/mosquitto", "/usr/lib/rabbitmq/bin/rabbitmq-server"];
            python::any().is_some() && programs.iter().all(|program| Path::new(program).exists())
        },
        profile: None,
        has_modules: false,
        program: Some(Program {
            name: "nats-server",
            requirements: "crates/skerry/benches/log/jetstream/requirements.txt",
            option: "--nats-server",
        }),
        built: Some(Built { name: "rumqttd", version: "0.20.0", option: "--rumqttd" }),
    },
];

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let name = arguments.first().map(String::as_str);
    let Some(bench) = BENCHES.iter().find(|bench| Some(bench.name) == name) else {
        let known: Vec<String> =
            BENCHES.iter().map(|bench| format!("{}: {}", bench.name, bench.about)).collect();
        return Failure::of_findings("name a bench:", &known);
    };
    let says = |option: &str| arguments.iter().any(|argument| argument.split('=').next() == Some(option));
    let program = bench.program.as_ref().filter(|program| !says(program.option));
    // Where the packages are only for the program, whoever has that needs none of them.
    let has_program = bench.program.is_some() && program.is_none() && bench.built.is_none();
    let needs_nothing = says("--without-peer") || says("--help") || has_program;
    if !needs_nothing && !(bench.is_met)() {
        crate::test::install(bench.packages)?;
    }
    let mut cargo = shell::cargo();
    cargo.args(["bench", "--package", bench.package, "--bench", bench.name]);
    if let Some(profile) = bench.profile {
        cargo.args(["--profile", profile]);
    }
    cargo.arg("--").args(&arguments[1..]);
    if bench.has_modules && !says("--help") {
        cargo.env("SKERRY_TEST_IMAGES", crate::images::all()?);
    }
    if let Some(program) = program.filter(|_| !needs_nothing) {
        cargo.arg(program.option).arg(program.lay()?);
    }
    let names = arguments.join(" ");
    let wanted = bench.built.as_ref().filter(|built| !says("--only") || names.contains(built.name));
    if let Some(built) = wanted.filter(|built| !needs_nothing && !says(built.option)) {
        // A peer less is no reason for no numbers: the bench says that it is left out.
        match built.lay() {
            Ok(path) => drop(cargo.arg(built.option).arg(path)),
            Err(failure) => eprintln!("   without {}: {failure}", built.name),
        }
    }
    shell::run(&mut cargo)
}
